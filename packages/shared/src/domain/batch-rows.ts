/** From the rows of a batch to its jobs, and what each of them adds to the batch's counts. Pure. */

import { type Batch, type BatchRow, rowJobId } from './batch.ts';
import { type Change, changeTo } from './change.ts';
import { expire } from './control.ts';
import { fingerprint } from './fingerprint.ts';
import { type EpochMs, isTerminal, type Job, type JobRequest, type JobState, type Lane, type Micros } from './job.ts';
import { allowsPlaceholder } from './placeholder.ts';
import { costOf, estimateCost } from './price.ts';

/** Tried before the others, in the lane that answers at once. */
const CANARY_ROUTE = { lane: 'standard', reason: 'canary' } as const;

/** The job of a row as it is first written; `generation` counts how often the row was made again. */
export function jobOfRow(batch: Batch, row: BatchRow, generation: number, now: EpochMs): Job {
  const request: JobRequest = {
    ...row.request,
    ...(batch.key !== undefined && { key: batch.key }),
    batch: { id: batch.id, key: row.key },
    priority: priorityOf(batch, row),
  };
  const route = routeOf(batch, row, generation);
  const state: JobState = {
    status: 'queued',
    ...((route?.lane ?? request.lane) === 'batch' && { phase: 'accumulating' }),
    createdAt: now,
    expiresAt: batch.expiresAt,
    runAt: now,
    attempts: [],
    estimated: estimateOf(batch, row, generation),
    ...(route && { route }),
    images: [],
    lateImages: [],
    ...(row.warnings?.length && { warnings: row.warnings }),
  };
  const id = rowJobId(batch.id, row.key, generation);
  return { id, tenant: batch.tenant, version: 1, fingerprint: row.fingerprint || fingerprint(request), request, state };
}

/** What the job of a row is expected to cost, on the lane it will take. */
export function estimateOf(batch: Batch, row: BatchRow, generation: number): Micros {
  const lane = routeOf(batch, row, generation)?.lane ?? row.request.lane;
  return lane === row.request.lane ? row.estimated : estimateCost(row.request, lane);
}

function priorityOf(batch: Batch, row: BatchRow): number {
  return batch.patchedPriority ?? row.request.priority;
}

/** Nothing when it travels as its request says, which is most rows: the batch holds the reason once. */
function routeOf(batch: Batch, row: BatchRow, generation: number): { lane: Lane; reason: string } | undefined {
  const isCanary = generation === 0 && batch.canary !== undefined && row.n < batch.canary.rows;
  const route = isCanary ? CANARY_ROUTE : batch.route;
  return route.lane === row.request.lane ? undefined : route;
}

/**
 * Ends the job of a row when its batch's deadline has passed, whatever deadline the job was made with. One that a
 * placeholder may end is left to whoever ends jobs at their own deadline, and makes those.
 */
export function expireRow(job: Job, deadline: EpochMs, now: EpochMs): Change | undefined {
  if (allowsPlaceholder(job) && job.state.expiresAt <= now) return undefined;
  const change = expire({ ...job, state: { ...job.state, expiresAt: Math.min(job.state.expiresAt, deadline) } }, now);
  return change && { ...change, before: job };
}

/** Gives an open job of a row what its batch was given; `undefined` when it has that already. */
export function patchRow(job: Job, batch: Batch, now: EpochMs): Change | undefined {
  if (isTerminal(job.state.status)) return undefined;
  const priority = batch.patchedPriority ?? job.request.priority;
  if (job.state.expiresAt === batch.expiresAt && job.request.priority === priority) return undefined;
  const change = changeTo(job, { ...job.state, expiresAt: batch.expiresAt }, [], now);
  return { ...change, after: { ...change.after, request: { ...job.request, priority } } };
}

/**
 * Ended in a way that another try may mend: not refused by the model, and not by the caller's wish. Not one that has its
 * image all the same, come too late, or a call that may still bring one: it is paid for.
 */
export function isRetriable({ state }: Job): boolean {
  const mayBeMended = state.status === 'failed' || state.status === 'expired';
  return mayBeMended && state.open === undefined && state.lateImages.length === 0;
}

/** Amounts by the name under which a batch counts them. */
export type RowSums = Record<string, number>;

/**
 * What a change of a row's job adds to its batch's counts and money.
 *
 * @param before `undefined` = the job is new
 */
export function rowSums(before: Job | undefined, after: Job): RowSums {
  return plus(before ? negative(weight(before)) : {}, weight(after));
}

/** What goes out of the counts when the newest job of a row is no longer `job`. What it cost and went through stays. */
export function replacedSums(job: Job): RowSums {
  const { actual: _actual, in_doubt: _inDoubt, rescued: _rescued, ...counts } = negative(weight(job));
  return counts;
}

/** The sum of both, without the names whose amounts cancel out. */
export function plus(one: RowSums, other: RowSums): RowSums {
  const sum = { ...one };
  for (const [name, amount] of Object.entries(other)) sum[name] = (sum[name] ?? 0) + amount;
  return Object.fromEntries(Object.entries(sum).filter(([, amount]) => amount !== 0));
}

function weight(job: Job): RowSums {
  const { state } = job;
  const { actual, inDoubt } = costOf(state);
  return {
    [state.status]: 1,
    deduplicated: state.leader ? 1 : 0,
    open_estimated: isTerminal(state.status) ? 0 : state.estimated,
    actual,
    in_doubt: inDoubt,
    rescued: hasLeftBatchLane(job) ? 1 : 0,
  };
}

/** Of a batch in the standard lane this may be true of all rows, and says nothing. */
function hasLeftBatchLane({ request, state }: Job): boolean {
  return request.lane === 'batch' && state.route?.lane === 'standard' && state.route.reason !== CANARY_ROUTE.reason;
}

function negative(sums: RowSums): RowSums {
  return Object.fromEntries(Object.entries(sums).map(([name, amount]) => [name, -amount]));
}
