/** What callers and operators do to a job, and what a twin's end does to its followers. Pure, like `attempt.ts`. */

import { type Change, changeTo, type EventType, without } from './change.ts';
import type { ErrorCode } from './errors.ts';
import type { EpochMs, Job, JobId, JobState, JobStatus, StoredImage } from './job.ts';
import { isTerminal, laneOf } from './job.ts';
import { endWith } from './placeholder.ts';
import { estimateCost } from './price.ts';

/** Ends the job by the caller's wish. A call that is out cannot be unspent: its image will be late, and kept. */
export function cancel(job: Job, now: EpochMs): Change | undefined {
  if (isTerminal(job.state.status)) return undefined;
  const state: JobState = {
    ...without(job.state, 'phase'),
    status: 'canceled',
    completedAt: now,
    error: { code: 'canceled', detail: 'Canceled by the caller.' },
  };
  return changeTo(job, state, ['job.canceled'], now);
}

/** The job past its deadline, with the placeholder if there is one; `undefined` while it has time, or is over. */
export function expire(job: Job, now: EpochMs, placeholder?: StoredImage): Change | undefined {
  if (isTerminal(job.state.status) || job.state.expiresAt > now) return undefined;
  if (placeholder) return endWith(job, job.state, placeholder, now);
  const detail = job.state.attempts.length
    ? 'The deadline passed before an image was there.'
    : 'The deadline passed before the job was started: nothing was spent.';
  const state: JobState = {
    ...without(job.state, 'phase'),
    status: 'expired',
    completedAt: now,
    error: { code: 'deadline_exceeded', detail },
  };
  return changeTo(job, state, ['job.expired'], now);
}

/** Sends a job that was held for the operator once more. */
export function release(job: Job, now: EpochMs): Change | undefined {
  if (job.state.phase !== 'held') return undefined;
  return changeTo(job, { ...without(job.state, 'phase', 'error'), status: 'queued', runAt: now }, [], now);
}

/** Puts a waiting job at another place among those that wait; `undefined` when it is there already, or waits no longer. */
export function reprioritise(job: Job, priority: number, now: EpochMs): Change | undefined {
  if (job.state.status !== 'queued' || job.request.priority === priority) return undefined;
  const change = changeTo(job, job.state, [], now);
  return { ...change, after: { ...change.after, request: { ...job.request, priority } } };
}

/** Shows why a waiting job waits: for a limit, or because calls fail; `undefined` when it shows that already. */
export function wait(job: Job, phase: 'rate_limited' | 'parked' | 'backoff', now: EpochMs): Change | undefined {
  const { state } = job;
  if (state.status !== 'queued' || state.phase === phase || state.phase === 'held' || state.open || state.leader)
    return undefined;
  return changeTo(job, { ...state, phase }, phase === 'parked' ? ['quota.parked'] : [], now);
}

/** Ends the wait for a limit that is lifted; `undefined` when it waits for something else, or is due anyway. */
export function unpark(job: Job, now: EpochMs): Change | undefined {
  const { state } = job;
  const limited = state.phase === 'parked' || state.phase === 'rate_limited';
  if (state.status !== 'queued' || !limited || state.open || state.leader || state.runAt <= now) return undefined;
  return changeTo(job, { ...without(state, 'phase'), runAt: now }, [], now);
}

/** Failures that the request itself leads to. Others may be due to the leader's own options, which are not its followers'. */
const SHARED_FAILURES: ReadonlySet<ErrorCode> = new Set([
  'no_image',
  'upstream_rejected',
  'upstream_auth',
  'upstream_quota_exhausted',
  'model_retired',
]);

/** Ends a follower as its leader ended. The leader's money is the leader's: a follower costs nothing. */
export function follow(follower: Job, leader: Job, now: EpochMs): Change | undefined {
  const { state } = follower;
  if (isTerminal(state.status) || state.leader !== leader.id) return undefined;
  const images = leader.state.images.length ? leader.state.images : leader.state.lateImages.slice(0, 1);
  if (images.length)
    return changeTo(follower, { ...state, ...sharedResult(leader, images), completedAt: now }, ['job.succeeded'], now);
  const { status, error } = leader.state;
  const shared =
    status === 'blocked' || (status === 'failed' && error !== undefined && SHARED_FAILURES.has(error.code));
  if (!shared) return undefined;
  const next: JobState = {
    ...state,
    status,
    completedAt: now,
    ...(error && { error }),
  };
  return changeTo(follower, next, [`job.${status}`], now);
}

/**
 * A follower of `leader`, which ended without anything to share or is held, takes its place, or falls in behind `heir`.
 * The heir pays for its own call again; who follows costs nothing.
 */
export function inherit(follower: Job, leader: JobId, heir: JobId | undefined, now: EpochMs): Change | undefined {
  if (isTerminal(follower.state.status) || follower.state.leader !== leader) return undefined;
  if (heir) return changeTo(follower, { ...follower.state, leader: heir }, [], now);
  const state = without(follower.state, 'leader', 'source');
  return changeTo(
    follower,
    { ...state, estimated: estimateCost(follower.request, laneOf(follower)), runAt: now },
    [],
    now,
  );
}

/** The part of a finished twin's state that another job may share. */
export function sharedResult(
  leader: Job,
  images = leader.state.images,
): Pick<JobState, 'status' | 'images'> & Partial<Pick<JobState, 'text' | 'grounding'>> {
  const { text, grounding } = leader.state;
  return { status: 'succeeded', images, ...(text && { text }), ...(grounding !== undefined && { grounding }) };
}

/** The event that a terminal status is announced by. */
export function terminalEvent(status: JobStatus): EventType | undefined {
  return isTerminal(status) ? (`job.${status}` as EventType) : undefined;
}
