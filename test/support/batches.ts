/** Batches as the loader, the minder and the sweeper of a worker see them: real records, shards, queue and clock. */

import { randomUUIDv7 } from 'node:crypto';
import {
  type Batch,
  type BatchPatch,
  type BatchRow,
  type BatchTotals,
  fingerprint,
  idFrom,
  type Job,
  type Lane,
  type NewBatch,
  newBatch,
  rowJobId,
  shardKey,
} from '@darkroom/shared/domain';
import type { Batches } from '@darkroom/shared/ports';
import { createLaneQueue } from '@darkroom/shared/queue';
import { createRedisBatches, createRedisPool, createRedisProviderBatches } from '@darkroom/shared/storage/redis';
import { aRequest, HOUR } from '@darkroom/shared/testing/factories';
import {
  type BatchAction,
  changeBatch,
  controlBatch,
  loadBatch,
  mindBatch,
  type SweepBatchDeps,
  sweepBatch,
} from '@darkroom/shared/usecases';
import { sweepOnce } from '../../apps/worker/src/sweeper/sweep.ts';
import { TENANT } from './ledger.ts';
import { failJob } from './run-job.ts';
import { openTestUsecases, type TestUsecases } from './usecases.ts';

/** What a test says about a row: its request and how it is found again. */
export type RowOverrides = { key?: string; request?: Partial<BatchRow['request']>; estimated?: number };

export type TestBatches = AsyncDisposable &
  Omit<TestUsecases, 'deps'> & {
    batches: Batches;
    deps: SweepBatchDeps;
    /** Puts the rows at rest and accepts their batch. */
    accept: (rows: RowOverrides[], facts?: Partial<NewBatch>, shardRows?: number) => Promise<Batch>;
    /** Loads, minds and sweeps until nothing more happens by itself. @returns the batch as it is then */
    settle: (id: string) => Promise<Batch>;
    /** A round of the sweeper, to which no batch is paused. */
    sweep: () => Promise<void>;
    batch: (id: string) => Promise<Batch>;
    totals: (id: string) => Promise<BatchTotals>;
    /** The job of the row under `key`. */
    job: (batch: Batch, key: string, generation?: number) => Promise<Job>;
    control: (id: string, action: BatchAction) => Promise<Batch>;
    change: (id: string, patch: BatchPatch) => Promise<Batch>;
    /** Runs the job's one call to a refusal that is final. */
    fail: (id: string) => Promise<Job>;
    /** What was told of batches, oldest first. */
    told: () => Promise<string[]>;
  };

/** @param opened what other parts of the test work with already; it is closed by whoever opened it */
export async function openTestBatches(opened?: TestUsecases): Promise<TestBatches> {
  const test = opened ?? (await openTestUsecases());
  const { ledger, store, outbox, clock, lines, redis, prefix } = test;
  const queue = createLaneQueue({ standard: test.queue, pool: createRedisPool({ redis, prefix }) });
  await redis.sadd(`${prefix}tenants`, TENANT);
  const batches = createRedisBatches({ redis, prefix });
  const chunks = createRedisProviderBatches({ redis, prefix });
  const deps: SweepBatchDeps = { batches, chunks, ledger, store, queue, outbox, clock };
  const batch = async (id: string) => {
    const found = await batches.read(TENANT, id);
    if (!found) throw new Error(`no record of ${id}`);
    return found;
  };
  return {
    ...test,
    ...(opened && { [Symbol.asyncDispose]: async () => undefined }),
    batches,
    deps,
    batch,
    accept: async (rows, facts = {}, shardRows = 1_000) => {
      const id = idFrom('bat', randomUUIDv7());
      const all = rows.map((row, n) => aRow(n, facts.route?.lane ?? 'standard', row));
      const shards: Batch['shards'] = [];
      for (let at = 0; at < all.length; at += shardRows) {
        const lines = all.slice(at, at + shardRows).map((row) => `${JSON.stringify(row)}\n`);
        const body = Buffer.from(lines.join(''));
        await store.put(shardKey(id, shards.length), body, { contentType: 'application/x-ndjson' });
        shards.push({ rows: lines.length, bytes: body.length });
      }
      const accepted = newBatch({ ...aBatch(id, clock.now()), total: all.length, shards, ...facts });
      await batches.accept(accepted);
      return accepted;
    },
    settle: async (id) => {
      for (let n = 0; n < 1_000; n++) {
        const { version } = await batch(id);
        await loadBatch(deps, TENANT, id);
        await mindBatch(deps, TENANT, id);
        await sweepBatch(deps, TENANT, id);
        const after = await batch(id);
        if (after.version === version) return after;
      }
      throw new Error(`${id} never comes to rest`);
    },
    sweep: async () => {
      const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
      await sweepOnce({ ...deps, letGo: async () => undefined, isPaused: async () => false, random: () => 0.5, log });
    },
    totals: (id) => batches.totals(TENANT, id),
    job: (of, key, generation = 0) => test.read(rowJobId(of.id, key, generation)),
    control: (id, action) => controlBatch({ ...deps, lines }, TENANT, id, action),
    change: (id, patch) => changeBatch({ ...deps, lines }, TENANT, id, patch),
    fail: (id) => failJob(deps, id),
    told: async () => {
      const events = await redis.xrange(test.key('events'), '-', '+');
      return events.flatMap(([, [, type = '']]) => (type.startsWith('batch.') ? [type] : []));
    },
  };
}

function aBatch(id: string, now: number): NewBatch {
  return {
    id,
    tenant: TENANT,
    createdAt: now,
    expiresAt: now + HOUR,
    total: 0,
    invalid: 0,
    shards: [],
    estimated: 0,
    priority: 5,
    route: { lane: 'standard', reason: 'asked for' },
    metadata: {},
    tags: [],
  };
}

/** As an input shard holds it; rows differ in their prompts unless a test says otherwise. */
export function aRow(
  n: number,
  lane: Lane,
  { key = `row-${n}`, request = {}, estimated = 35_861 }: RowOverrides = {},
): BatchRow {
  const full = aRequest({ prompt: `mug number ${n}`, lane, ...request });
  return { n, key, request: full, fingerprint: fingerprint(full), estimated };
}
