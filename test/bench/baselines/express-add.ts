/** The bare thing beside admission: an Express route that parses, checks with zod, and adds one BullMQ job. */

import type { AddressInfo } from 'node:net';
import { Queue } from 'bullmq';
import express from 'express';
import { Redis } from 'ioredis';
import { z } from 'zod';

const Body = z.strictObject({
  prompt: z.string().min(1).max(20_000),
  model: z.string().default('gemini-3.1-flash-image'),
  size: z.enum(['512', '1K', '2K', '4K']).default('1K'),
  aspect_ratio: z.string().optional(),
  priority: z.int().min(1).max(9).default(5),
  tags: z.array(z.string().max(64)).max(16).default([]),
  metadata: z.record(z.string(), z.string().max(512)).default({}),
});

const connection = new Redis(String(process.env['REDIS_URL']), { maxRetriesPerRequest: null });
const queue = new Queue('bare', { connection, prefix: '{bare}' });
const app = express();
app.use(express.json());
app.post('/', async (req, res) => {
  const { id } = await queue.add('job', Body.parse(req.body), { removeOnComplete: { count: 1_000_000 } });
  res.status(202).json({ id });
});
const server = app.listen(0, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
