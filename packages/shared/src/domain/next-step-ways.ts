/**
 * The ways on for a job that no call is out for: once more, to the next model of its chain, into another lane, or to its
 * end. Pure. What leads to which is decided in `next-step.ts`, and by whoever finds that a waiting job cannot go on.
 *
 * `job` is the record as it was, `base` its state by then.
 */

import { type Change, changeTo, without } from './change.ts';
import type { ErrorCode } from './errors.ts';
import {
  type EpochMs,
  isAwaitingWake,
  type Job,
  type JobError,
  type JobState,
  type Lane,
  laneOf,
  type Micros,
  type StoredImage,
} from './job.ts';
import { endWith } from './placeholder.ts';
import { costOf, estimateCost } from './price.ts';

/** Where a job may go on from here, as its channels stand. Known to the shell, and given to the decision. */
export type Onward = {
  /** Another channel may be called with it at once. */
  elsewhere?: boolean;
  /** Another channel may be called with it some time: a limit or its breaker is all that it waits for. */
  later?: boolean;
  /** No channel can be called for the model now: each is out, broken or parked for long. */
  stuck?: boolean;
  /** What comes after its model in the chain, with what it is expected to cost. */
  next?: { model: string; estimated: Micros };
  /** What ends it when nothing else can. */
  placeholder?: StoredImage;
};

/** Back to the queue, unless one more call could pass `max_cost`. */
export function requeue(job: Job, base: JobState, runAt: EpochMs, error: JobError, now: EpochMs): Change {
  if (!hasRoom(job, base, base.estimated)) return finish(job, base, 'failed', error, now);
  const phase = laneOf(job) === 'batch' ? 'accumulating' : 'backoff';
  return changeTo(job, { ...base, status: 'queued', phase, runAt }, [], now);
}

/** No more of this model. Another of the chain may make it; else it ends, with a placeholder where that was allowed. */
export function giveUp(
  job: Job,
  base: JobState,
  error: JobError,
  { now, onward }: { now: EpochMs; onward: Onward },
): Change {
  if (REQUEST_FAULTS.has(error.code)) return finish(job, base, 'failed', error, now);
  const next = payableNext(job, base, onward);
  if (next) return moveOn(job, base, next, error, now);
  if (!onward.placeholder) return finish(job, base, 'failed', error, now);
  return endWith(job, base, onward.placeholder, now);
}

/** No channel and no other model would do better with it. */
const REQUEST_FAULTS: ReadonlySet<ErrorCode> = new Set(['upstream_rejected']);

/** The next model of the chain: one that `max_cost` has no room for helps nobody, and must not end a job that can wait. */
export function payableNext(job: Job, base: JobState, { next }: Onward): Onward['next'] {
  return next && hasRoom(job, base, next.estimated) ? next : undefined;
}

/** To the next model of the chain, at once. */
export function moveOn(
  job: Job,
  base: JobState,
  next: NonNullable<Onward['next']>,
  error: JobError,
  now: EpochMs,
): Change {
  return requeue(job, { ...base, ...next }, now, error, now);
}

/** A waiting job goes on to the next model of its chain; `undefined` when it does not wait, or its `max_cost` forbids it. */
export function moveToModel(job: Job, next: NonNullable<Onward['next']>, now: EpochMs): Change | undefined {
  if (!isAwaitingWake(job.state) || !hasRoom(job, job.state, next.estimated)) return undefined;
  const { state } = job;
  return changeTo(job, { ...state, ...next, phase: 'backoff', runAt: now }, [], now);
}

/** Whether `max_cost` has room for one more call, at that price. */
export function mayAfford(job: Job, estimated: Micros): boolean {
  return hasRoom(job, job.state, estimated);
}

function hasRoom({ request: { maxCost } }: Job, base: JobState, estimated: Micros): boolean {
  const { actual, inDoubt } = costOf(base);
  return maxCost === undefined || actual + inDoubt + estimated <= maxCost;
}

/**
 * Sends a waiting job on in another lane, at once; `undefined` when it does not wait, or its own `max_cost` forbids it.
 * The `max_cost` of a batch is looked at as the change is written: many rows may be leaving at the same time.
 *
 * @param estimated what it is expected to cost there; by the catalogue, if nobody says
 */
export function reroute(
  job: Job,
  lane: Lane,
  reason: string,
  now: EpochMs,
  estimated: Micros = estimateCost(job.request, lane),
): Change | undefined {
  const { state } = job;
  if (!isAwaitingWake(state) || laneOf(job) === lane || !mayAfford(job, estimated)) return undefined;
  const next: JobState = {
    ...without(state, 'phase'),
    ...(lane === 'batch' && { phase: 'accumulating' }),
    route: { lane, reason },
    estimated,
    runAt: now,
  };
  const dearer = next.estimated - state.estimated;
  return { ...changeTo(job, next, [], now), ...(dearer > 0 && { dearer }) };
}

/** Ends a waiting job for good, with the placeholder if there is one; `undefined` when it does not wait. */
export function failWaiting(job: Job, error: JobError, now: EpochMs, placeholder?: StoredImage): Change | undefined {
  if (!isAwaitingWake(job.state)) return undefined;
  return placeholder ? endWith(job, job.state, placeholder, now) : finish(job, job.state, 'failed', error, now);
}

/** Ends it without an image. */
export function finish(job: Job, base: JobState, status: 'blocked' | 'failed', error: JobError, now: EpochMs): Change {
  const next: JobState = { ...without(base, 'phase'), status, completedAt: now, error };
  return changeTo(job, next, [`job.${status}`], now);
}
