/** An operator who watches nothing is told that a channel is in trouble, and that it is over. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { EventList } from '@darkroom/shared/schemas';
import { expect, it, vi } from 'vitest';
import type { z } from 'zod';
import { testRedisUrl } from '../support/redis.ts';
import { aBody, type System, startSystem } from '../support/system.ts';
import { startSink, verified } from '../support/webhook-sink.ts';

const MODEL = 'gemini-nano-banana-2.1';
const UNTIL_MS = 30_000;

/** The events of channels, oldest first, as the first key sees them. */
async function told({ client }: System) {
  const { body } = await client.call<z.output<typeof EventList>>('GET', '/v1/events?type=channel.*&order=asc');
  return body.data;
}

/** Asks until there are so many of them, doing something in between. */
async function untilTold(system: System, count: number, meanwhile: () => Promise<unknown>) {
  for (const end = performance.now() + UNTIL_MS; performance.now() < end; await sleep(100)) {
    const events = await told(system);
    if (events.length >= count) return events;
    await meanwhile();
  }
  throw new Error(`fewer than ${count} events of channels`);
}

it('tells once that the calls of a model fail, though two workers see it, and once that they go well again', async () => {
  await using sink = await startSink();
  await using system = await startSystem({
    redisUrl: testRedisUrl(),
    workers: 2,
    apiEnv: { WEBHOOK_HTTP: 'true' },
    workerEnv: { WEBHOOK_HTTP: 'true', ALERT_WINDOW: '5' },
    emulator: { settings: { longest_side: 64 } },
  });
  const { client, emulator } = system;
  const body = () => aBody({ model: MODEL, size: '1K' });
  const make = async () => client.end((await client.submit(body())).body.id);
  const pager = { url: sink.url('/pager'), events: ['channel.*', 'alert.*', 'model.*'] };
  const endpoint = await client.call<{ secret: string }>('POST', '/v1/webhook-endpoints', { body: pager });
  emulator.control.putFaults([{ fault: { kind: 'invalid_argument' } }]);

  await Promise.all(Array.from({ length: 40 }, make));
  const [degraded] = await untilTold(system, 1, () => Promise.resolve());
  emulator.control.putFaults([]);
  const all = await untilTold(system, 2, make);

  expect(degraded).toMatchObject({
    type: 'channel.degraded',
    data: { alert: 'error_rate', channel: 'gemini', model: MODEL, threshold: 0.05, unit: 'ratio', reminder: false },
  });
  expect(all.map(({ type }) => type)).toEqual(['channel.degraded', 'channel.recovered']);
  expect(all.map(({ data }) => 'message' in data && data.message)).toEqual([
    `Now: 100 % of the calls to ${MODEL} through gemini failed; 5 % may.`,
    `Over: 0 % of the calls to ${MODEL} through gemini failed; 5 % may.`,
  ]);
  const delivered = await vi.waitUntil(() => (sink.received.length >= 2 ? sink.received : undefined), 10_000);
  expect(delivered.map((one) => verified(endpoint.body.secret, one))).toEqual(
    all.map(({ type, timestamp, data }) => ({ type, timestamp, data })),
  );
  const other = await system.clientOf('somebody-else');
  expect((await other.call('GET', '/v1/events?type=channel.*')).body).toEqual({ data: [], has_more: false });
});
