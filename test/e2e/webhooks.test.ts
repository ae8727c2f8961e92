/** Webhooks through the whole system, as their owner sees them: by the client on one side, on the other by a receiver. */

import { createClient, type ReceivedWebhook, verifyWebhook } from '@darkroom/client';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { testRedisUrl } from '../support/redis.ts';
import { aBody, type System, startSystem } from '../support/system.ts';
import { type Received, type Sink, startSink } from '../support/webhook-sink.ts';

const API_KEY = 'dk_test_webhooks_of_the_whole_system';
const soon = { timeout: 20_000 };

let paths = 0;
/** One that nothing was sent to before. */
const newPath = () => `/hook-${++paths}`;

let system: System;
let sink: Sink;
let client: ReturnType<typeof createClient>;
beforeAll(async () => {
  sink = await startSink();
  const env = { WEBHOOK_HTTP: 'true' };
  system = await startSystem({
    redisUrl: testRedisUrl(),
    emulator: { settings: { longest_side: 128, batches: { turnaround_ms: 100, spread: 0 } } },
    apiEnv: { ...env, DARKROOM_API_KEY: API_KEY },
    workerEnv: { ...env, BATCH_GATHER: '0.3', BATCH_POLL: '0.2' },
  });
  const { url } = await system.api.line(({ event }) => event === 'api.listening');
  client = createClient({ url: String(url), apiKey: API_KEY });
});
afterAll(async () => {
  await system?.[Symbol.asyncDispose]();
  await sink?.[Symbol.asyncDispose]();
});

/** What came to a path, verified by the client and by the npm package. */
function told(path: string, secret: ReceivedWebhook['secret']) {
  return sink.at(path).map((one) => {
    const event = verifyWebhook({ ...one, secret });
    for (const each of [secret].flat()) verifiedByPackage(each, one);
    return event;
  });
}

function verifiedByPackage(secret: string, { body, headers }: Received): void {
  new Webhook(secret).verify(body, headers as Record<string, string>);
}

const typesAt = (path: string, secret: string) => told(path, secret).map(({ type }) => type);

it('tells an endpoint of a job from its beginning to an image that can be fetched', async () => {
  const path = newPath();
  const { id, secret } = await client.createEndpoint({ url: sink.url(path), headers: { 'X-Shop': '7' } });
  const job = await client.submitJob({ ...aBody(), dedup: false });

  const types = ['job.queued', 'job.started', 'job.succeeded'];
  await expect.poll(() => new Set(typesAt(path, secret)), soon).toEqual(new Set(types));

  const end = told(path, secret).find(({ type }) => type === 'job.succeeded');
  const data = end && 'images' in end.data ? end.data : undefined;
  expect(data).toMatchObject({ id: job.id, status: 'succeeded' });
  const link = data?.images?.[0]?.url ?? '';
  expect((await fetch(link)).status).toBe(200);
  expect(sink.at(path).every(({ headers, body }) => headers['x-shop'] === '7' && body.length < 20_000)).toBe(true);
  const delivered = async () =>
    (await all(client.deliveries(id, { status: 'delivered' }))).flatMap(({ tries }) => tries.map(({ http }) => http));
  await expect.poll(delivered, soon).toEqual([204, 204, 204]);
  expect((await client.deliveriesOfEvent(end?.id ?? '')).data).toMatchObject([{ endpoint: id, event: end?.id }]);
  await client.deleteEndpoint(id);
});

it('tests an endpoint that has chosen something else, and sends that again under the same id', async () => {
  const path = newPath();
  const { id, secret } = await client.createEndpoint({ url: sink.url(path), events: ['batch.completed'] });

  const { event, delivery } = await client.testEndpoint(id);
  await expect.poll(() => typesAt(path, secret), soon).toEqual(['webhook_endpoint.test']);
  await expect.poll(async () => (await client.getDelivery(delivery)).status, soon).toBe('delivered');
  await client.resendDelivery(delivery);

  await expect.poll(() => sink.at(path).length, soon).toBe(2);
  expect(told(path, secret).map((one) => one.id)).toEqual([event, event]);
  await client.deleteEndpoint(id);
});

it('signs with both secrets while they change over', async () => {
  const path = newPath();
  const { id, secret } = await client.createEndpoint({ url: sink.url(path), events: ['batch.completed'] });
  const rotated = await client.rotateEndpointSecret(id);

  await client.testEndpoint(id);
  await expect.poll(() => sink.at(path).length, soon).toBe(1);
  expect(told(path, [rotated.secret, secret])).toHaveLength(1);

  const alone = await client.rotateEndpointSecret(id, { overlap: '0s' });
  await client.testEndpoint(id);
  await expect.poll(() => sink.at(path).length, soon).toBe(2);
  const last = sink.at(path).at(-1);
  expect(last && verifyWebhook({ ...last, secret: alone.secret }).type).toBe('webhook_endpoint.test');
  expect(() => last && verifyWebhook({ ...last, secret: [secret, rotated.secret] })).toThrow('webhook-signature');
  await client.deleteEndpoint(id);
});

it('sends an endpoint nothing while it is disabled, and what it missed when it asks', async () => {
  const path = newPath();
  const { id, secret } = await client.createEndpoint({ url: sink.url(path), events: ['job.queued'] });
  await client.updateEndpoint(id, { enabled: false });
  const since = new Date().toISOString();
  const job = await client.submitJob({ ...aBody(), prompt: 'a mug that is missed' });
  await expect.poll(async () => (await client.getJob(job.id)).status, soon).toBe('succeeded');
  await client.updateEndpoint(id, { enabled: true });

  await expect.poll(async () => client.replayEvents(id, { since, preview: true }), soon).toMatchObject({ count: 1 });
  await client.replayEvents(id, { since });

  await expect.poll(() => told(path, secret).map(({ data }) => 'id' in data && data.id), soon).toEqual([job.id]);
  await client.deleteEndpoint(id);
});

it('tells the address of a job of its end, and that of a batch of what it has named', async () => {
  const [ofJob, ofBatch] = [newPath(), newPath()];
  const { secret } = await client.getWebhookSecret();
  const webhook = { url: sink.url(`${ofJob}?token=1`) };
  const job = await client.submitJob({ ...aBody(), prompt: 'a mug of its own', webhook });
  const rows = { type: 'application/x-ndjson' as const, body: '{"key":"a","prompt":"a row that is told of"}\n' };
  const query = { webhook: sink.url(ofBatch), 'webhook[events]': 'batch.completed,job.succeeded', lane: 'standard' };
  const batch = await client.submitBatch(rows, query);

  await expect.poll(() => typesAt(`${ofJob}?token=1`, secret), soon).toEqual(['job.succeeded']);
  await expect.poll(() => typesAt(ofBatch, secret).toSorted(), soon).toEqual(['batch.completed', 'job.succeeded']);
  expect(told(`${ofJob}?token=1`, secret)[0]?.data).toMatchObject({ id: job.id });
  expect(told(ofBatch, secret).find(({ type }) => type === 'batch.completed')?.data).toMatchObject({ id: batch.id });
  const event = told(`${ofJob}?token=1`, secret)[0]?.id ?? '';
  await expect
    .poll(async () => (await client.deliveriesOfEvent(event)).data, soon)
    .toMatchObject([{ status: 'delivered', url: sink.url(ofJob) }]);
});

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}
