/** What callers and operators do to a job, and what a twin's end does to its followers. Pure, like `attempt.ts`. */

import { type Change, changeTo, type EventType, without } from './change.ts';
import type { EpochMs, Job, JobId, JobState, JobStatus } from './job.ts';
import { isTerminal } from './job.ts';
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

/** Sends a job that was held for the operator once more. */
export function release(job: Job, now: EpochMs): Change | undefined {
  if (job.state.phase !== 'held') return undefined;
  return changeTo(job, { ...without(job.state, 'phase', 'error'), status: 'queued', runAt: now }, [], now);
}

/** Shows why a waiting job waits; `undefined` when it shows that already. */
export function wait(job: Job, phase: 'rate_limited' | 'parked', now: EpochMs): Change | undefined {
  const { state } = job;
  if (state.status !== 'queued' || state.phase === phase || state.phase === 'held' || state.open || state.leader)
    return undefined;
  return changeTo(job, { ...state, phase }, phase === 'parked' ? ['quota.parked'] : [], now);
}

/** Ends a follower as its leader ended. The leader's money is the leader's: a follower costs nothing. */
export function follow(follower: Job, leader: Job, now: EpochMs): Change | undefined {
  const { state } = follower;
  if (isTerminal(state.status) || state.leader !== leader.id) return undefined;
  const images = leader.state.images.length ? leader.state.images : leader.state.lateImages.slice(0, 1);
  if (images.length)
    return changeTo(follower, { ...state, ...sharedResult(leader, images), completedAt: now }, ['job.succeeded'], now);
  const { status } = leader.state;
  if (status !== 'blocked' && status !== 'failed') return undefined;
  const next: JobState = {
    ...state,
    status,
    completedAt: now,
    ...(leader.state.error && { error: leader.state.error }),
  };
  return changeTo(follower, next, [`job.${status}`], now);
}

/**
 * A follower of `leader`, which ended without anything to share, takes its place, or falls in behind `heir`.
 * The heir pays for its own call again; who follows costs nothing.
 */
export function inherit(follower: Job, leader: JobId, heir: JobId | undefined, now: EpochMs): Change | undefined {
  if (isTerminal(follower.state.status) || follower.state.leader !== leader) return undefined;
  if (heir) return changeTo(follower, { ...follower.state, leader: heir }, [], now);
  const state = without(follower.state, 'leader', 'source');
  return changeTo(follower, { ...state, estimated: estimateCost(follower.request), runAt: now }, [], now);
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
