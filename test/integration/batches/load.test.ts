import { type Batch, lineStandingOf, reroute } from '@darkroom/shared/domain';
import { withCrashPoints } from '@darkroom/shared/observability';
import type { ObjectStore } from '@darkroom/shared/ports';
import { createRedisLines } from '@darkroom/shared/storage/redis';
import { getItem, loadBatch, type SweepBatchDeps, updateJob } from '@darkroom/shared/usecases';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openTestBatches, type TestBatches } from '../../support/batches.ts';
import { TENANT } from '../../support/ledger.ts';

let test: TestBatches;
beforeEach(async () => {
  test = await openTestBatches();
});
afterEach(() => test[Symbol.asyncDispose]());

const rows = (count: number) => Array.from({ length: count }, () => ({}));

describe('a batch', () => {
  it('becomes jobs, row by row, and is completed with the last of them', async () => {
    const accepted = await test.accept(rows(5), {}, 2);

    expect(await test.batch(accepted.id)).toMatchObject({ status: 'ingesting', loaded: 0, version: 1 });
    expect(await test.settle(accepted.id)).toMatchObject({ status: 'queued', loaded: 5 });
    expect((await test.totals(accepted.id)).counts).toMatchObject({ queued: 5, running: 0, succeeded: 0 });
    expect((await test.messages()).length).toBe(5);
    for (let n = 0; n < 5; n++) {
      const job = await test.job(accepted, `row-${n}`);
      expect(job.request).toMatchObject({ prompt: `mug number ${n}`, batch: { id: accepted.id, key: `row-${n}` } });
      await test.succeed(job.id);
    }
    expect(await test.settle(accepted.id)).toMatchObject({ status: 'completed', startedAt: expect.any(Number) });
    expect(await test.totals(accepted.id)).toMatchObject({
      counts: { queued: 0, running: 0, succeeded: 5 },
      costs: { actual: 5 * 36_100, inDoubt: 0 },
      openEstimated: 0,
      made: 5,
    });
    expect(await test.batches.open()).not.toContainEqual({ tenant: TENANT, id: accepted.id });
    expect(await test.told()).toEqual(['batch.started', 'batch.completed']);
  });

  it('is counted among the jobs of its tenant, which do not list its rows', async () => {
    const { id } = await test.accept(rows(3));
    await test.settle(id);

    expect(await test.ledger.countByStatus(TENANT)).toMatchObject({ queued: 3 });
    expect(await test.ledger.list(TENANT, { limit: 10 })).toEqual([]);
  });

  it('has no more jobs than rows, however many loaders are at it', async () => {
    const { id } = await test.accept(rows(120), {}, 30);
    const loader = async () => {
      while (await loadBatch(test.deps, TENANT, id));
    };

    await Promise.all([loader(), loader(), loader()]);

    expect(await test.settle(id)).toMatchObject({ loaded: 120, status: 'queued' });
    expect(await test.totals(id)).toMatchObject({ counts: { queued: 120 }, made: 120, enlisted: 120, next: 120 });
    expect((await test.messages()).length).toBe(120);
  });

  it('stands in line under the key it came with, where that is bounded, also with rows made again', async () => {
    const keyed = await test.accept(rows(2), { key: 'key_1' });
    const free = await test.accept([{ key: 'free', request: { prompt: 'another' } }]);
    for (const { id } of [keyed, free]) await test.settle(id);
    const jobs = [await test.job(keyed, 'row-0'), await test.job(keyed, 'row-1')] as const;
    const { redis, prefix } = test;
    const lines = createRedisLines({ redis, prefix, keyShareOf: () => ({ concurrency: 1 }) });
    await lines.add(jobs.map((job) => lineStandingOf(job, [])));
    const pick = () => lines.pick(jobs[0].request.model);

    expect(await pick()).toMatchObject({ type: 'job', turn: { key: 'key_1' } });
    const { id, request } = await test.job(free, 'free');
    expect(request).not.toHaveProperty('key');
    expect(await pick()).toMatchObject({ type: 'job', turn: { id } });
    expect(await pick()).toMatchObject({ type: 'wait' });

    await test.fail(jobs[0].id);
    await test.control(keyed.id, 'retry-failed');
    await test.settle(keyed.id);
    expect((await test.job(keyed, 'row-0', 1)).request.key).toBe('key_1');
  });

  it('tells of its progress every five percent, not with every row', async () => {
    const batch = await test.accept(rows(40));
    await test.settle(batch.id);
    for (let n = 0; n < 6; n++) {
      await test.succeed((await test.job(batch, `row-${n}`)).id);
      await test.settle(batch.id);
    }

    expect(await test.told()).toEqual(['batch.started', 'batch.progressed', 'batch.progressed', 'batch.progressed']);
    test.clock.advance(60_000);
    await test.succeed((await test.job(batch, 'row-6')).id);
    await test.settle(batch.id);
    expect((await test.told()).length).toBe(5);
  });
});

describe('a key that no job has', () => {
  it('is looked for among some of the rows to come, however many there are', async () => {
    const batch = await test.accept(rows(23_000));
    let reads = 0;
    const store = {
      ...test.store,
      get: async (...asked: Parameters<ObjectStore['get']>) => {
        if (asked[0].includes('/input-')) reads++;
        return test.store.get(...asked);
      },
    };
    const find = (key: string, of: Batch = batch) => getItem({ ...test.deps, store }, of, key);

    expect(await find('row-19999')).toEqual({ key: 'row-19999', job: undefined });
    reads = 0;
    await expect(find('row-22999')).rejects.toMatchObject({ code: 'not_ready', retryable: true });
    expect(reads).toBe(20);
    await expect(find('nothing', { ...batch, status: 'canceled' })).rejects.toMatchObject({ code: 'not_found' });
    await expect(find('nothing', { ...batch, loaded: 4_000 })).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('a loader that dies', () => {
  const died = new Error('dead');
  /** The parts of a loader that stop for good at the nth passing of a step, as a killed process does. */
  function dying(
    step: 'batch.enlisted' | 'batch.decided' | 'batch.written' | 'wake.gathered' | 'wake.enqueued',
    nth: number,
  ) {
    let left = nth;
    const crash = (name: string) => {
      if (left <= 0 || (name === step && --left === 0)) throw died;
    };
    const { batches, queue } = test.deps;
    const deps: SweepBatchDeps = {
      ...test.deps,
      batches: withCrashPoints(batches, crash, {
        enlist: { after: 'batch.enlisted' },
        write: { before: 'batch.decided', after: 'batch.written' },
      }),
      queue: withCrashPoints(queue, crash, { enqueue: { before: 'wake.gathered', after: 'wake.enqueued' } }),
    };
    return deps;
  }

  it.each([
    ['batch.enlisted', 1],
    ['batch.enlisted', 7],
    ['wake.gathered', 1],
    ['wake.enqueued', 1],
    ['batch.decided', 1],
    ['batch.written', 1],
    ['batch.decided', 2],
  ] as const)('at %s (passing %i) is followed by one that makes each row a job once', async (step, nth) => {
    const { id } = await test.accept(rows(12), {}, 5);
    const deps = dying(step, nth);
    await expect(
      (async () => {
        while (await loadBatch(deps, TENANT, id));
      })(),
    ).rejects.toBe(died);

    expect(await test.settle(id)).toMatchObject({ status: 'queued', loaded: 12 });

    expect(await test.totals(id)).toMatchObject({ counts: { queued: 12 }, made: 12, openEstimated: 12 * 35_861 });
    test.clock.advance(2_000);
    await test.sweep();
    expect(new Set(await test.messages()).size).toBe(12);
  });

  it('does not have rows made again whose jobs have left Redis already', async () => {
    const batch = await test.accept(rows(2));
    await expect(loadBatch(dying('batch.decided', 1), TENANT, batch.id)).rejects.toBe(died);
    const job = await test.succeed((await test.job(batch, 'row-0')).id);
    await test.ledger.forget(job);

    await test.settle(batch.id);

    expect(await test.ledger.read(TENANT, job.id)).toBeUndefined();
    expect(await test.totals(batch.id)).toMatchObject({ made: 2, counts: { succeeded: 1, queued: 1 } });
  });
});

describe('rows of one picture', () => {
  const same = { request: { prompt: 'the same mug' } };

  it('are paid for once', async () => {
    const batch = await test.accept([same, same, same, {}]);
    await test.settle(batch.id);
    expect((await test.totals(batch.id)).counts).toMatchObject({ queued: 4, deduplicated: 2 });
    expect(await test.totals(batch.id)).toMatchObject({ openEstimated: 2 * 35_861 });
    const jobs = await Promise.all([0, 1, 2].map((n) => test.job(batch, `row-${n}`)));
    const leader = jobs.find(({ state }) => !state.leader);

    await test.succeed(leader?.id ?? '');

    expect(await test.totals(batch.id)).toMatchObject({
      counts: { queued: 1, succeeded: 3, deduplicated: 2 },
      costs: { actual: 36_100 },
    });
  });

  it('share what was made before, when they ask for it', async () => {
    const asked = { prompt: 'a known mug', model: 'gemini-nano-banana-2.1', size: '1K', cache: { ttl: '1h' } };
    const { job } = await test.submit(asked);
    await test.succeed(job.id);
    test.clock.advance(120_000);

    const batch = await test.accept([{ request: { ...job.request } }]);

    expect(await test.settle(batch.id)).toMatchObject({ status: 'completed' });
    expect(await test.job(batch, 'row-0')).toMatchObject({ state: { status: 'succeeded', source: 'cache' } });
    expect(await test.totals(batch.id)).toMatchObject({
      counts: { succeeded: 1, deduplicated: 1 },
      costs: { actual: 0 },
    });
  });
});

describe('a canary', () => {
  const route = { lane: 'batch', reason: 'a large set' } as const;
  const send = (canaryRows = 4) => test.accept(rows(200), { route, canaryRows });

  it('goes ahead in the standard lane, and the rest follows once half of it has its images', async () => {
    const batch = await send();
    expect(await test.settle(batch.id)).toMatchObject({ loaded: 4, canary: { state: 'running' } });
    expect(await test.job(batch, 'row-3')).toMatchObject({
      state: { route: { lane: 'standard', reason: 'canary' }, estimated: 46_325 },
    });
    expect((await test.messages()).length).toBe(4);

    for (const key of ['row-0', 'row-1']) await test.succeed((await test.job(batch, key)).id);

    expect(await test.settle(batch.id)).toMatchObject({ loaded: 200, canary: { state: 'passed' }, status: 'running' });
    expect((await test.job(batch, 'row-4')).state).toMatchObject({ phase: 'accumulating' });
    expect((await test.job(batch, 'row-4')).state.route).toBeUndefined();
  });

  it('is sent by a small batch whose caller asks for one', async () => {
    const { id } = await test.accept(rows(6), { route, canaryRows: 2 });

    expect(await test.settle(id)).toMatchObject({ loaded: 2, canary: { rows: 2, state: 'running' } });
  });

  it('that brings less than half of its images pauses the batch before the rest is paid for', async () => {
    const batch = await send();
    await test.settle(batch.id);
    for (const key of ['row-0', 'row-1', 'row-2']) await test.fail((await test.job(batch, key)).id);

    const paused = { status: 'paused', pausedBy: 'canary', loaded: 4, canary: { state: 'failed', failed: 3 } };
    expect(await test.settle(batch.id)).toMatchObject(paused);

    await test.control(batch.id, 'resume');
    expect(await test.settle(batch.id)).toMatchObject({ status: 'running', loaded: 200, canary: { state: 'passed' } });
  });

  it('is not waited for any longer than a quarter of the time there is', async () => {
    const batch = await send();
    await test.settle(batch.id);
    test.clock.advance(16 * 60_000);

    expect(await test.settle(batch.id)).toMatchObject({ loaded: 200, canary: { state: 'passed' } });
  });

  it.each([
    ['a small batch whose caller asks for none', 199, { route }],
    ['a batch in the standard lane', 200, { canaryRows: 4 }],
    ['a batch whose caller wants none', 200, { route, canaryRows: 0 }],
  ])('is not sent by %s', async (_, count, facts) => {
    const { id } = await test.accept(rows(count), facts);

    expect((await test.settle(id)).canary).toBeUndefined();
  });
});

describe('a batch in the batch lane', () => {
  it('tells of the jobs that leave it to be in time', async () => {
    const batch = await test.accept(rows(3), { route: { lane: 'batch', reason: 'a large set' } });
    await test.settle(batch.id);
    for (const key of ['row-0', 'row-1']) {
      const { id } = await test.job(batch, key);
      await updateJob(test.ledger, TENANT, id, (job) => reroute(job, 'standard', 'too late', test.clock.now()));
    }

    expect(await test.settle(batch.id)).toMatchObject({ rescued: 2 });

    expect(await test.told()).toEqual(['batch.rescued']);
    await test.succeed((await test.job(batch, 'row-0')).id);
    expect(await test.totals(batch.id)).toMatchObject({ rescued: 2 });
  });
});

describe('max_cost', () => {
  it('stops the loader before it could be passed, and leaves the jobs there are alone', async () => {
    const batch = await test.accept(rows(6), { maxCost: 3 * 35_861 });

    expect(await test.settle(batch.id)).toMatchObject({ status: 'paused', pausedBy: 'max_cost', loaded: 3 });
    expect((await test.batches.paused(TENANT)).has(batch.id)).toBe(false);

    await test.change(batch.id, { maxCost: 1_000_000 });
    expect(await test.settle(batch.id)).toMatchObject({ status: 'queued', loaded: 6 });
  });

  it('lets no more rows leave the batch lane than it has room for, though all leave at once', async () => {
    const half = rows(10).map(() => ({ estimated: 23_163 }));
    const route = { lane: 'batch', reason: 'a large set' } as const;
    const batch = await test.accept(half, { route, maxCost: 12 * 23_163 });
    await test.settle(batch.id);
    const leave = () =>
      Promise.all(
        half.map(async (_, n) => {
          const { id } = await test.job(batch, `row-${n}`);
          return updateJob(test.ledger, TENANT, id, (job) => reroute(job, 'standard', 'too late', test.clock.now()));
        }),
      );

    const left = await leave();
    expect([left.filter((one) => one?.changed).length, left.filter((one) => one?.poor).length]).toEqual([2, 8]);
    expect((await test.totals(batch.id)).openEstimated).toBeLessThanOrEqual(12 * 23_163);

    await test.change(batch.id, { maxCost: 13 * 23_163 });
    expect((await leave()).filter((one) => one?.changed)).toHaveLength(1);
  });
});
