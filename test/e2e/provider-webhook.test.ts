/** The provider's own webhook through all processes: it tells the API, and a worker that would look in ten minutes looks now. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { testRedisUrl } from '../support/redis.ts';
import { signWebhook } from '../support/sign-webhook.ts';
import { aBody, PROVIDER_KEY, type System, startSystem } from '../support/system.ts';

const MINUTE_MS = 60_000;
const TURNAROUND_MS = 60 * MINUTE_MS;
/** The provider's time stands still unless a test moves it. */
const STILL = { clock_scale: 0, longest_side: 128, batches: { turnaround_ms: TURNAROUND_MS, spread: 0 } };
const SELDOM = { BATCH_GATHER: '0.3', BATCH_POLL: '600' };

let system: System;
let secret: string;
beforeAll(async () => {
  const options = { workerEnv: SELDOM, emulator: { settings: STILL }, withoutApi: true };
  system = await startSystem({ redisUrl: testRedisUrl(), ...options });
  const batch = ['batch.succeeded', 'batch.failed', 'batch.expired', 'batch.cancelled'];
  const hook = await callProvider('POST', 'webhooks', { uri: 'http://127.0.0.1:9/', subscribed_events: batch });
  secret = String(hook['new_signing_secret']);
  // Its address is known once the API listens, which needs the secret.
  const { url } = await system.api.start({ GEMINI_WEBHOOK_SECRET: secret });
  await callProvider('PATCH', `webhooks/${String(hook['id'])}`, { uri: `${String(url)}/v1/provider-webhooks/gemini` });
});
afterAll(() => system[Symbol.asyncDispose]());

async function callProvider(method: string, path: string, body: object): Promise<Record<string, unknown>> {
  const headers = { 'x-goog-api-key': PROVIDER_KEY, 'content-type': 'application/json' };
  const answer = await fetch(`${system.emulator.url}/v1beta/${path}`, { method, headers, body: JSON.stringify(body) });
  expect(answer.status).toBe(200);
  return (await answer.json()) as Record<string, unknown>;
}

const lists = () => system.emulator.control.journal().entries.filter(({ route }) => route === 'list_batches').length;
const isCalled = async () => (await system.redis.exists(`${system.prefix}{q:batches}:call:poll`)) === 1;

it('has a batch collected minutes before the next list, and only a signed one that is new does', async () => {
  const { client, emulator, prefix, redis } = system;
  const jobs = await Promise.all([1, 2].map((n) => client.insist(aBody({ lane: 'batch' }), `hook-${n}`)));
  const batch = await emulator.control.whenBatch(() => true);
  await emulator.control.when(({ route }) => route === 'list_batches');
  expect(await redis.pttl(`${prefix}{q:batches}:claim:poll`)).toBeGreaterThan(8 * MINUTE_MS);
  const event = { type: 'batch.succeeded', version: 'v1', data: { id: batch.id } };

  const post = async ({ raw, headers }: ReturnType<typeof signWebhook>) =>
    (await client.call('POST', '/v1/provider-webhooks/gemini', { raw, headers })).status;
  expect(await post(signWebhook(`${secret.slice(0, -8)}AAAAAAA=`, event))).toBe(401);
  expect(await post(signWebhook(secret, event, { atMs: Date.now() - 6 * MINUTE_MS }))).toBe(401);
  expect([lists(), await isCalled()]).toEqual([1, false]);

  emulator.control.advance(2 * TURNAROUND_MS);
  const ended = await Promise.all(jobs.map(({ id }) => client.end(id, 30_000)));

  expect(ended.map(({ status }) => status)).toEqual(['succeeded', 'succeeded']);
  expect(lists()).toBe(2);
  await expect.poll(() => emulator.control.deliveries().map(({ outcome }) => outcome)).toEqual([204]);
});
