/** The bare thing beside the worker: BullMQ takes a job and makes one HTTP request. */

import { Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { Agent, request } from 'undici';

const connection = new Redis(String(process.env['REDIS_URL']), { maxRetriesPerRequest: null });
// As Darkroom calls: a connection of its own for each paid request.
const dispatcher = new Agent({ pipelining: 0 });
const url = `${process.env['PROVIDER_URL']}/bare`;

const worker = new Worker(
  'bare',
  async ({ data }) => {
    const { statusCode, body } = await request(url, {
      dispatcher,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(data),
    });
    await body.dump();
    return { statusCode, image: `objects/2026/11/20/${'0'.repeat(32)}.png`, width: 1_024, height: 1_024 };
  },
  { connection, prefix: '{bare}', concurrency: 50 },
);
await worker.waitUntilReady();
console.log('ready');
