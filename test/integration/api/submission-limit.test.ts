import { createRedisSubmissionRate } from '@darkroom/shared/storage/redis';
import { describe, expect, it } from 'vitest';
import { actionWorkers } from '../../support/actions.ts';
import { failJob } from '../../support/run-job.ts';
import { startApi } from '../../support/start-api.ts';

const KEY = 'dk_test_limited_0123456789abcdef0123456789abcdef';

async function startLimited(bounds: { concurrency?: number; submissionsPerMinute?: number }) {
  const keys: Record<string, typeof bounds> = {};
  const api = await startApi({ replace: (deps) => ({ channels: { ...deps.channels, keys } }) });
  const { keyId } = await api.deps.keys.register(KEY, { tenant: 'default', scopes: ['jobs:write', 'jobs:read'] });
  keys[keyId] = bounds;
  let n = 0;
  const submit = (key: string) => api.call('POST', '/v1/jobs', { key, body: { prompt: `limited ${n++}` } });
  return { api, keyId, submit };
}

describe('a key with limits of its own', () => {
  it('submits as often as it may in any minute, is told what is left, and then how long to wait', async () => {
    const { api, submit } = await startLimited({ submissionsPerMinute: 3 });
    await using _api = api;

    const answers = [];
    for (let n = 0; n < 4; n++) answers.push(await submit(KEY));

    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 429]);
    expect(answers[0]?.headers.get('ratelimit-policy')).toBe('"submissions";q=3;w=60');
    expect(answers.map(({ headers }) => /r=(\d)/.exec(headers.get('ratelimit') ?? '')?.[1])).toEqual([
      '2',
      '1',
      '0',
      '0',
    ]);
    expect(answers[3]?.json.code).toBe('rate_limited');
    expect(Number(answers[3]?.headers.get('retry-after'))).toBeGreaterThan(50);
    expect(Number(answers[3]?.headers.get('retry-after'))).toBeLessThanOrEqual(61);
    expect((await submit(api.key)).headers.get('ratelimit')).toBeNull();
  });

  it('marks its jobs, so that they stand in line by themselves', async () => {
    const { api, keyId, submit } = await startLimited({ concurrency: 2 });
    await using _api = api;

    const [bounded, free] = [await submit(KEY), await submit(api.key)];

    expect((await api.deps.ledger.read('default', bounded.json.id))?.request.key).toBe(keyId);
    expect((await api.deps.ledger.read('default', free.json.id))?.request.key).toBeUndefined();
  });

  it('marks its batches, whose rows stand in line with its other jobs', async () => {
    const { api, keyId } = await startLimited({ concurrency: 2 });
    await using _api = api;
    const batchOf = async (key: string) => {
      const body = { items: [{ key: 'one', prompt: `a row of ${key}` }] };
      const { status, json } = await api.call('POST', '/v1/batches', { key, body });
      expect(status).toBe(202);
      return api.deps.batches.read('default', json.id);
    };

    expect((await batchOf(KEY))?.key).toBe(keyId);
    expect(await batchOf(api.key)).not.toHaveProperty('key');
  });

  it('marks what it makes again, one by one or by an action, and what others make again of its jobs', async () => {
    const { api, keyId, submit } = await startLimited({ concurrency: 2 });
    await using _api = api;
    await using workers = actionWorkers(api);
    const failed = async (key: string): Promise<string> => {
      const { id } = (await submit(key)).json;
      await failJob(api.deps, id);
      return id;
    };
    const again = async (key: string, id: string) => {
      const { json } = await api.call('POST', `/v1/jobs/${id}/retry`, { key });
      return (await api.deps.ledger.read('default', json.id))?.request.key;
    };
    const [own, other, free] = [await failed(KEY), await failed(api.key), await failed(api.key)];

    expect([await again(KEY, other), await again(api.key, own), await again(api.key, free)]).toEqual([
      keyId,
      keyId,
      undefined,
    ]);

    const tag = 'by-an-action';
    const { json } = await api.call('POST', '/v1/jobs', { body: { prompt: tag, tags: [tag] } });
    await failJob(api.deps, json.id);
    await api.call('POST', '/v1/actions', { key: KEY, body: { action: 'retry', filter: { tag } } });
    await workers.round();
    const { data } = (await api.call('GET', `/v1/jobs?tag=${tag}&status=queued`)).json;
    expect((await api.deps.ledger.read('default', data[0].id))?.request.key).toBe(keyId);
  });

  it('has as many orders that make jobs again as submissions; a look before is none', async () => {
    const { api } = await startLimited({ submissionsPerMinute: 1 });
    await using _api = api;
    const act = (body: object) => api.call('POST', '/v1/actions', { key: KEY, body: { filter: {}, ...body } });

    const preview = await act({ action: 'retry', preview: true });
    const [first, second] = [await act({ action: 'retry' }), await act({ action: 'retry' })];

    expect([preview.status, first.status < 300, second.status]).toEqual([200, true, 429]);
    expect((await act({ action: 'cancel' })).status).toBeLessThan(300);
    expect((await api.call('POST', '/v1/batches/bat_1/retry-failed', { key: KEY })).status).toBe(429);
  });

  it('has room again once a minute has gone by since', async () => {
    const { api } = await startLimited({});
    await using _api = api;
    const { redis, prefix } = api;
    const rate = createRedisSubmissionRate({ redis, prefix });
    const [second = 0] = await redis.time();
    const key = `${prefix}submissions:key_1`;
    await redis.hset(key, { [second - 70]: 5, [second - 30]: 2, [second - 10]: 1 });

    expect(await rate.take('key_1', 4)).toMatchObject({ granted: true, remaining: 0 });
    const full = await rate.take('key_1', 4);

    expect(full).toMatchObject({ granted: false, remaining: 0 });
    expect(full.resetMs).toBeGreaterThan(25_000);
    expect(full.resetMs).toBeLessThanOrEqual(31_000);
    const lowered = await rate.take('key_1', 2);
    expect(lowered.resetMs).toBeGreaterThan(45_000);
    expect(await redis.ttl(key)).toBeLessThanOrEqual(62);
  });
});
