/** What a caller is told of limits: what bounds itself, and nothing of what others spend. */

import { lineStandingOf } from '@darkroom/shared/domain';
import { aJob } from '@darkroom/shared/testing/factories';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Json, startApi, type TestApi } from '../../support/start-api.ts';

const FLASH = 'gemini-nano-banana-2.1';
const SECRETS = ['a', 'b', 'c'].map((name) => `dk_test_own_${name}_0123456789abcdef0123456789abcdef`);
const [BOUNDED = '', SUBMITTER = '', FREE = ''] = SECRETS;

let api: TestApi;
let [boundedId, submitterId]: string[] = [];
beforeAll(async () => {
  const tenants = { acme: { weight: 2, concurrency: 20, startsPerMinute: 300 } };
  const keys: Record<string, object> = {};
  api = await startApi({ replace: (deps) => ({ channels: { ...deps.channels, tenants, keys } }) });
  const register = async (secret: string) => {
    const { keyId } = await api.deps.keys.register(secret, { tenant: 'acme', scopes: ['jobs:read', 'jobs:write'] });
    return keyId;
  };
  [boundedId, submitterId] = [await register(BOUNDED), await register(SUBMITTER)];
  await register(FREE);
  keys[boundedId] = { concurrency: 5, submissionsPerMinute: 60 };
  keys[submitterId] = { submissionsPerMinute: 10 };
});
afterAll(() => api[Symbol.asyncDispose]());

const isFlash = ({ model }: Json) => model === FLASH;
const ownOf = async (key?: string): Promise<Json> =>
  (await api.call('GET', '/v1/limits', key === undefined ? {} : { key })).json.own;

describe('GET /v1/limits', () => {
  it('says what bounds the tenant and the key that ask, and what of that waits and runs', async () => {
    const { lines, channels } = api.deps;
    const stand = (id: string, tenant: string, key?: string) =>
      lineStandingOf(aJob({ id, tenant, request: { ...(key !== undefined && { key }) } }), channels.channels);
    await lines.add([stand('one', 'acme', boundedId), stand('two', 'acme', boundedId), stand('three', 'acme')]);
    await lines.add([stand('other', 'default')]);
    for (let ran = false; !ran; ) {
      const picked = await lines.pick(FLASH);
      if (picked.type !== 'job') throw new Error(`nobody is next: ${picked.type}`);
      ran = picked.turn.key === boundedId;
      if (ran) await lines.started(picked.turn);
      else await lines.drop(picked.turn);
    }

    const { tenant, key } = await ownOf(BOUNDED);

    expect(tenant).toMatchObject({ name: 'acme', weight: 2, concurrency: 20, starts_per_minute: 300 });
    expect(tenant.models).toMatchObject([{ model: FLASH, running: 1 }]);
    expect(key).toEqual({
      id: boundedId,
      concurrency: 5,
      submissions_per_minute: 60,
      models: [{ model: FLASH, waiting: 1, running: 1 }],
    });
  });

  it('says nothing of a bound that there is not, nor what others have', async () => {
    expect(await ownOf(SUBMITTER)).toMatchObject({ key: { id: submitterId, submissions_per_minute: 10 } });
    expect((await ownOf(SUBMITTER)).key).not.toHaveProperty('models');
    expect(await ownOf(FREE)).not.toHaveProperty('key');
    const { tenant } = await ownOf();
    expect([tenant.name, tenant.weight, tenant.concurrency]).toEqual(['default', 1, undefined]);
  });
});

describe('what all tenants together spend', () => {
  const windowsOf = async (key?: string): Promise<string[]> => {
    const call = key === undefined ? {} : { key };
    const limits = (await api.call('GET', '/v1/limits', call)).json.data;
    const channels = (await api.call('GET', '/v1/channels', call)).json.data;
    const one = (await api.call('GET', '/v1/channels/gemini', call)).json;
    const places = [...limits, ...[...channels, one].flatMap(({ models }: Json) => models)];
    return places.flatMap(({ windows }: Json) => windows.map(({ window }: Json) => window));
  };
  beforeEach(async () => {
    const place = { channel: 'gemini', model: FLASH };
    await api.deps.quotas.take(place, 'att_spender', { tokens: 100, images: 1, cost: 250_000 });
  });

  it('is shown to the scope admin alone; the other windows to everybody', async () => {
    expect(await windowsOf()).toContain('spend');
    const seen = await windowsOf(FREE);
    expect(seen).not.toContain('spend');
    expect(seen).toContain('requests');
  });

  it('is no secret as far as it keeps everybody away of itself', async () => {
    const place = { channel: 'gemini', model: FLASH };
    await api.deps.quotas.learn(place, { type: 'limit', window: 'spend', retryAfterMs: 120_000 });

    const limit = (await api.call('GET', '/v1/limits', { key: FREE })).json.data.find(isFlash);
    const seen = (await api.call('GET', '/v1/channels/gemini', { key: FREE })).json.models.find(isFlash);

    expect(limit).toMatchObject({ reason: 'rate_limited', why: 'what may be spent in ten minutes is spent' });
    expect(Date.parse(limit.until)).toBeGreaterThan(Date.now() + 100_000);
    expect(seen).toMatchObject({ health: 'parked', parked: { reason: 'rate_limited' } });
  });

  it('is no secret where the provider says that it was too much, nor until when', async () => {
    const pause = { type: 'pause', ms: 3_600_000, reason: 'parked', why: 'too much was spent' } as const;
    await api.deps.quotas.learn({ channel: 'gemini', model: FLASH }, pause);

    const limit = (await api.call('GET', '/v1/limits', { key: FREE })).json.data.find(isFlash);
    const place = (await api.call('GET', '/v1/channels/gemini', { key: FREE })).json.models.find(isFlash);

    expect(limit).toMatchObject({ reason: 'parked', why: 'too much was spent', until: expect.any(String) });
    expect(place).toMatchObject({ health: 'parked', until: place.parked.until });
    expect(Date.parse(place.until)).toBeGreaterThan(Date.now() + 3_000_000);
  });
});
