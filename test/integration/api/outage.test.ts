import process from 'node:process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PrivateRedis, startPrivateRedis } from '../../support/redis.ts';
import { type Answer, startApi, type TestApi } from '../../support/start-api.ts';

let redis: PrivateRedis;
let api: TestApi;
/** The same, had it not noticed yet that Redis is unfit. */
let unaware: TestApi;
let n = 0;

beforeAll(async () => {
  redis = await startPrivateRedis();
  api = await startApi({ redisUrl: redis.url });
  unaware = await startApi({ redisUrl: redis.url, replace: () => ({ accepting: () => true }) });
});
afterAll(async () => {
  await Promise.all([api[Symbol.asyncDispose](), unaware[Symbol.asyncDispose]()]);
  await redis.stop();
});

type Fault = { name: string; reason: RegExp; refusesWrites: boolean; hurt: () => unknown; heal: () => unknown };

const config = (name: string, value: string) => api.redis.config('SET', name, value);
const FAULTS: Fault[] = [
  {
    name: 'full',
    reason: /% of maxmemory|refuses writes/,
    refusesWrites: true,
    hurt: () => config('maxmemory', '1mb'),
    heal: () => config('maxmemory', '512mb'),
  },
  {
    name: 'evicting',
    reason: /maxmemory-policy is allkeys-lru/,
    refusesWrites: false,
    hurt: () => config('maxmemory-policy', 'allkeys-lru'),
    heal: () => config('maxmemory-policy', 'noeviction'),
  },
  {
    name: 'read-only',
    reason: /replica|refuses writes/,
    refusesWrites: true,
    hurt: () => api.redis.replicaof('127.0.0.1', 1),
    heal: () => api.redis.replicaof('NO', 'ONE'),
  },
  {
    name: 'without AOF',
    reason: /appendonly is off/,
    refusesWrites: false,
    hurt: () => config('appendonly', 'no'),
    heal: () => config('appendonly', 'yes'),
  },
  {
    name: 'hung',
    reason: /does not answer/,
    refusesWrites: true,
    hurt: () => process.kill(redis.pid, 'SIGSTOP'),
    heal: () => process.kill(redis.pid, 'SIGCONT'),
  },
];

/** Submits under a key, and times it. */
async function submit(to: TestApi, key: string): Promise<Answer & { ms: number }> {
  const startedAt = performance.now();
  const headers = { 'idempotency-key': key };
  const answer = await to.call('POST', '/v1/jobs', { body: { prompt: key, dedup: false }, headers });
  return { ...answer, ms: performance.now() - startedAt };
}

async function fitAgain(to: TestApi): Promise<void> {
  await expect.poll(async () => (await to.call('GET', '/readyz', { key: '' })).status, { timeout: 8_000 }).toBe(200);
}

describe.each(FAULTS)('while Redis is $name', ({ reason, hurt, heal }) => {
  it('is not ready, and says why', async () => {
    await fitAgain(api);
    await hurt();
    try {
      const answer = await api.call('GET', '/readyz', { key: '' });

      expect([answer.status, answer.json.status]).toEqual([503, 'not_ready']);
      expect(answer.json.checks.redis).toMatch(reason);
      expect(answer.headers.get('retry-after')).toBe('5');
      expect((await api.call('GET', '/livez', { key: '' })).status).toBe(200);
    } finally {
      await heal();
    }
  });

  it('takes no job, soon says so, and takes it when it is sent again', async () => {
    await fitAgain(api);
    const key = `aware-${(n += 1)}`;
    await hurt();
    try {
      await api.call('GET', '/readyz', { key: '' });
      const answer = await submit(api, key);

      expect([answer.status, answer.json.code, answer.json.retryable]).toEqual([503, 'not_ready', true]);
      expect(answer.ms).toBeLessThan(3_000);
    } finally {
      await heal();
    }
    await fitAgain(api);
    expect([(await submit(api, key)).status, await countOf(api, key)]).toEqual([202, 1]);
  });
});

describe.each(FAULTS.filter(({ refusesWrites }) => refusesWrites))(
  'before anybody noticed that Redis is $name',
  (fault) => {
    it('no half of a job is kept', async () => {
      const { hurt, heal } = fault;
      await fitAgain(unaware);
      const key = `unaware-${(n += 1)}`;
      await hurt();
      try {
        const answer = await submit(unaware, key);

        expect([answer.status, answer.json.code, answer.json.retryable]).toEqual([503, 'not_ready', true]);
        expect(answer.ms).toBeLessThan(3_000);
      } finally {
        await heal();
      }
      await fitAgain(unaware);
      // A command that Redis had not read when it hung may still be done afterwards: then wholly, and under its key.
      expect([(await submit(unaware, key)).status, await countOf(unaware, key)]).toEqual([202, 1]);
      const events = unaware.lines.map(({ event }) => event);
      expect(events).not.toContain('http.bug');
      expect(events).toContain('http.outage');
    });
  },
);

async function countOf(at: TestApi, prompt: string): Promise<number> {
  const { data } = (await at.call('GET', '/v1/jobs?limit=200')).json;
  return data.filter((job: { prompt: string }) => job.prompt === prompt).length;
}

describe('a Redis that is gone', () => {
  it('while a caller waits for the end of an accepted job costs the caller only the wait', async () => {
    await fitAgain(api);
    const waiting = api.call('POST', '/v1/jobs', {
      body: { prompt: 'awaited', dedup: false },
      headers: { prefer: 'wait=30' },
    });
    await expect.poll(() => countOf(api, 'awaited')).toBe(1);
    await redis.kill();

    const { status, headers, json } = await waiting;

    expect([status, headers.get('location')]).toEqual([202, `/v1/jobs/${json.id}`]);
    expect(json).toMatchObject({ status: 'queued', prompt: 'awaited' });
    await redis.restart();
    await fitAgain(api);
    expect((await api.call('GET', `/v1/jobs/${json.id}`)).json.id).toBe(json.id);
  });

  it('is told from the first request on, also by reads, and is found again', async () => {
    const { id } = (await submit(api, 'before')).json;
    await redis.kill();

    const answers = await Promise.all([
      submit(api, 'meanwhile'),
      api.call('GET', `/v1/jobs/${id}`),
      api.call('GET', '/v1/jobs'),
    ]);

    for (const { status, json, headers } of answers) {
      expect([status, json.code, headers.get('retry-after') !== null]).toEqual([503, 'not_ready', true]);
    }
    await redis.restart();
    await fitAgain(api);
    expect((await api.call('GET', `/v1/jobs/${id}`)).json.id).toBe(id);
    expect((await submit(api, 'meanwhile')).status).toBe(202);
  });
});

describe('a store that is gone', () => {
  const workers = { live: async () => [{ id: 'one', spoolFull: false }] };

  it('is given two seconds when it hangs, and none at start', async () => {
    const { createHealth } = await import('../../../apps/api/src/health.ts');
    const check = async () => ({ ok: true as const, warnings: [] });
    const hung = { ...api.deps.store, healthy: () => new Promise<boolean>(() => undefined) };
    await using health = createHealth({ check, workers, store: hung, log: api.deps.log });
    const startedAt = performance.now();

    await health.lookAtRedis();
    const startMs = performance.now() - startedAt;
    const looks = await Promise.all([health.look(), health.look()]);

    expect(startMs).toBeLessThan(500);
    for (const { ready, checks } of looks)
      expect([ready, checks['storage']]).toEqual([true, expect.stringContaining('away')]);
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    expect(health.accepting()).toBe(true);
  });

  it('leaves the API ready: images wait in the spool', async () => {
    const away = { ...api.deps.store, healthy: async () => false };
    const { createHealth } = await import('../../../apps/api/src/health.ts');
    await using health = createHealth({
      check: async () => ({ ok: true, warnings: [] }),
      workers,
      store: away,
      log: api.deps.log,
    });

    expect(await health.look()).toEqual({
      ready: true,
      checks: { redis: 'ok', storage: 'away: images wait in the spool', workers: 'ok' },
    });
  });

  it.each([
    ['all are full', [true, true], false],
    ['one has room', [true, false], true],
    ['no worker is there', [], true],
  ])('makes the API unready by the spools of the workers: %s', async (_, spools, ready) => {
    const { createHealth } = await import('../../../apps/api/src/health.ts');
    const { store, log } = api.deps;
    const live = async () => spools.map((spoolFull, n) => ({ id: `${n}`, spoolFull }));
    await using health = createHealth({
      check: async () => ({ ok: true, warnings: [] }),
      workers: { live },
      store,
      log,
    });

    expect(await health.look()).toMatchObject({ ready });
    expect(health.accepting()).toBe(ready);
  });
});
