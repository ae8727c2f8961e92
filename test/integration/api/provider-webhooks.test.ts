/** What a provider tells wakes the poller, once, and does nothing else. */

import { randomBytes } from 'node:crypto';
import { createRedisProviderBatches } from '@darkroom/shared/storage/redis';
import { MINUTE } from '@darkroom/shared/testing/factories';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { signWebhook } from '../../support/sign-webhook.ts';
import { startApi, type TestApi } from '../../support/start-api.ts';

const PATH = '/v1/provider-webhooks/gemini';
const SECRET = `whsec_${randomBytes(32).toString('base64')}`;
const EVENT = { type: 'batch.succeeded', version: 'v1', data: { id: 'batches/b1' } };
const TURN_MS = 9 * MINUTE;

let api: TestApi;
beforeAll(async () => {
  api = await startApi({ env: { GEMINI_WEBHOOK_SECRET: SECRET } });
});
afterAll(() => api[Symbol.asyncDispose]());
beforeEach(async () => {
  await api.redis.del(callKey(), turnKey());
});

const callKey = () => `${api.prefix}{q:batches}:call:poll`;
const turnKey = () => `${api.prefix}{q:batches}:claim:poll`;
const isCalled = async () => (await api.redis.exists(callKey())) === 1;
const post = (call: Parameters<TestApi['call']>[2]) => api.call('POST', PATH, { key: '', ...call });

describe('a signed webhook', () => {
  it('is taken without an API key, and calls for a look at the account', async () => {
    const answer = await post(signWebhook(SECRET, EVENT));

    expect([answer.status, answer.text, await isCalled()]).toEqual([204, '', true]);
  });

  it('is taken when one of its signatures fits, as after a change of secrets', async () => {
    const { raw, headers } = signWebhook(SECRET, EVENT);
    const other = signWebhook(`whsec_${randomBytes(32).toString('base64')}`, EVENT).headers['webhook-signature'];

    const { status } = await post({
      raw,
      headers: { ...headers, 'webhook-signature': `${other} ${headers['webhook-signature']}` },
    });

    expect([status, await isCalled()]).toEqual([204, true]);
  });

  it('is answered alike and changes nothing when it comes again', async () => {
    const signed = signWebhook(SECRET, EVENT);
    await post(signed);
    await api.redis.del(callKey());

    const replays = await Promise.all([1, 2, 3].map(() => post(signed)));

    expect([replays.map(({ status }) => status), await isCalled()]).toEqual([[204, 204, 204], false]);
  });

  it('may say anything: nothing of it is read', async () => {
    const { status } = await post(signWebhook(SECRET, 'x'.repeat(65_000)));

    expect([status, await isCalled()]).toEqual([204, true]);
  });
});

describe('a webhook that cannot be verified', () => {
  const good = () => signWebhook(SECRET, EVENT);
  const without = (name: string) => {
    const { raw, headers } = good();
    return { raw, headers: Object.fromEntries(Object.entries(headers).filter(([key]) => key !== name)) };
  };
  const JWT = 'eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJqdGkiOiIxIn0.c2ln';
  it.each([
    ['another secret', () => signWebhook(`whsec_${randomBytes(32).toString('base64')}`, EVENT)],
    ['another body', () => ({ ...good(), raw: JSON.stringify({ ...EVENT, version: 'v2' }) })],
    ['no body', () => ({ headers: good().headers })],
    ['an old timestamp', () => signWebhook(SECRET, EVENT, { atMs: Date.now() - 6 * MINUTE })],
    ['a timestamp to come', () => signWebhook(SECRET, EVENT, { atMs: Date.now() + 6 * MINUTE })],
    ['no id', () => without('webhook-id')],
    ['no timestamp', () => without('webhook-timestamp')],
    ['no signature', () => without('webhook-signature')],
    ['a JWT for a signature', () => ({ ...good(), headers: { ...good().headers, 'webhook-signature': JWT } })],
  ])('is refused and wakes nobody: %s', async (_, make) => {
    const { status, json } = await post(make());

    expect([status, json.code, await isCalled()]).toEqual([401, 'unauthenticated', false]);
    expect(json.fix).toContain('GEMINI_WEBHOOK_SECRET');
  });

  it('is refused before it is read when it is too long or packed', async () => {
    const long = await post({ ...good(), raw: 'x'.repeat(65_537) });
    const packed = await post({ ...good(), headers: { ...good().headers, 'content-encoding': 'gzip' } });

    expect([long.status, packed.status, await isCalled()]).toEqual([413, 415, false]);
  });
});

it('is not there without a secret, whoever signs', async () => {
  await using plain = await startApi();

  const { status, json } = await plain.call('POST', PATH, { key: '', ...signWebhook(SECRET, EVENT) });

  expect([status, json.code]).toEqual([404, 'not_found']);
});

it('does not begin with a secret that is none, and tells no log of a good one', async () => {
  await expect(startApi({ env: { GEMINI_WEBHOOK_SECRET: 'whsec_short' } })).rejects.toThrow(/GEMINI_WEBHOOK_SECRET/);
  await post(signWebhook(SECRET, EVENT));

  expect(JSON.stringify(api.lines)).not.toContain(SECRET.slice(6));
});

describe('a turn that was called for', () => {
  const turns = () => createRedisProviderBatches({ redis: api.redis, prefix: api.prefix });
  /** As if the turn had been taken so long ago. */
  const takenAgo = (ms: number) => api.redis.pexpire(turnKey(), TURN_MS - ms);

  it('is had once, and again when it is called for again', async () => {
    expect(await turns().takeTurn('poll', TURN_MS)).toBe(true);
    await takenAgo(6_000);
    expect(await turns().takeTurn('poll', TURN_MS)).toBe(false);

    await post(signWebhook(SECRET, EVENT));
    const taken = await Promise.all([1, 2, 3].map(() => turns().takeTurn('poll', TURN_MS)));

    expect(taken.filter(Boolean)).toHaveLength(1);
    expect(await isCalled()).toBe(false);
  });

  it('is kept back for some seconds after the last one, and not lost', async () => {
    await turns().takeTurn('poll', TURN_MS);
    await post(signWebhook(SECRET, EVENT));

    expect([await turns().takeTurn('poll', TURN_MS), await isCalled()]).toEqual([false, true]);
    await takenAgo(6_000);

    expect(await turns().takeTurn('poll', TURN_MS)).toBe(true);
  });
});
