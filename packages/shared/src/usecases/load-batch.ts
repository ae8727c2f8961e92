/**
 * Rows become jobs.
 *
 *   read the batch → how far may it go? → read the rows → a job of each (one script each) → messages → note how far it got
 *
 * Any number of loaders may be at it at once and each may stop anywhere: a row has a bit that is set with its job, so
 * what is repeated changes nothing; the messages of jobs that a dead one made are found by the sweeper; and what was
 * decided from an older version of the batch is refused row by row.
 */

import {
  type Batch,
  type BatchId,
  type BatchRow,
  estimateOf,
  isAwaitingWake,
  type Job,
  jobOfRow,
  loadedTo,
  type Micros,
  nextRows,
  outOfMoney,
  type RowSums,
  type Tenant,
} from '../domain/index.ts';
import type { Batches, Clock, Ledger, ObjectStore, WakeMessage, WakeQueue } from '../ports/index.ts';
import { admitAsTrue } from './admission.ts';
import { enqueueWakes, toWake } from './outbox.ts';
import { endOfShard, readRows } from './read-rows.ts';

export type LoadDeps = {
  batches: Batches;
  ledger: Ledger;
  store: ObjectStore;
  queue: WakeQueue;
  clock: Clock;
};

/** Rows of one step: what a loader has in memory, and what a dead one leaves to be looked at again. */
const STEP = 1_000;
/** Jobs on their way to Redis at a time: enough to keep it busy, few enough to be forgotten soon. */
const WIDTH = 250;

/** Loads the next step of a batch. @returns whether there is more to load now */
export async function loadBatch(deps: LoadDeps, tenant: Tenant, id: BatchId): Promise<boolean> {
  const { batches, store, clock } = deps;
  const batch = await batches.read(tenant, id);
  if (!batch) return false;
  const most = Math.min(STEP, endOfShard(batch, batch.loaded) - batch.loaded);
  const next = nextRows(batch, await batches.totals(tenant, id), most, clock.now());
  if (!next) return false;
  const made = await batches.generations(batch, next.from, next.to - next.from);
  const rows: BatchRow[] = [];
  for await (const row of readRows(store, batch, next.from, next.to))
    if (made[row.n - next.from] === undefined) rows.push(row);
  const fitting = rowsWithin(batch, rows, 0, next.budget);
  const to = rows[fitting.length]?.n ?? next.to;
  if (to === batch.loaded) {
    await batches.write(outOfMoney(batch));
    return false;
  }
  const upToDate = await enlistRows(
    deps,
    batch,
    fitting.map((row) => ({ row, generation: 0 })),
  );
  const change = upToDate && loadedTo(batch, to);
  if (change) await batches.write(change);
  return true;
}

/** The first rows that cost no more than `budget` together. */
export function rowsWithin(batch: Batch, rows: BatchRow[], generation: number, budget: Micros): BatchRow[] {
  let left = budget;
  const end = rows.findIndex((row) => {
    left -= estimateOf(batch, row, generation);
    return left < 0;
  });
  return end < 0 ? rows : rows.slice(0, end);
}

export type RowToEnlist = { row: BatchRow; generation: number; replaces?: RowSums };

/**
 * Makes jobs of rows and sends their messages. Repeated, it changes nothing.
 *
 * @returns false when the batch has changed meanwhile, so that not all of them became jobs
 */
export async function enlistRows(deps: LoadDeps, batch: Batch, rows: RowToEnlist[]): Promise<boolean> {
  for (let at = 0; at < rows.length; at += WIDTH) {
    const waiting: WakeMessage[] = [];
    let upToDate = true;
    // They go down one connection, one after the other, without waiting for each other's answers.
    await Promise.all(
      rows.slice(at, at + WIDTH).map(async (row) => {
        const { job, type } = await enlistRow(deps, batch, row);
        if (type === 'stale') upToDate = false;
        if (type === 'created' && isAwaitingWake(job.state)) waiting.push(toWake(job));
      }),
    );
    await enqueueWakes(deps, waiting);
    if (!upToDate) return false;
  }
  return true;
}

async function enlistRow(
  deps: LoadDeps,
  batch: Batch,
  { row, generation, replaces }: RowToEnlist,
): Promise<{ job: Job; type: 'created' | 'known' | 'stale' }> {
  const fresh = jobOfRow(batch, row, generation, deps.clock.now());
  const { plan, admission } = await admitAsTrue(deps, fresh, ({ job, mode }) =>
    deps.batches.enlist(batch, { row, generation, job, mode, ...(replaces && { replaces }) }),
  );
  return { job: plan.job, type: admission.type };
}
