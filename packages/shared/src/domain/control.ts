/** What callers and operators do to a job, and what a twin's end does to its followers. Pure, like `attempt.ts`. */

import { type Change, changeTo, type EventType, without } from './change.ts';
import type { EpochMs, Job, JobState, JobStatus } from './job.ts';
import { isTerminal } from './job.ts';

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
  if (state.status !== 'queued' || state.phase === phase || state.phase === 'held' || state.open) return undefined;
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

/** A follower whose leader was canceled or expired without an image takes its place, or falls in behind who did. */
export function inherit(follower: Job, newLeader: string | undefined, now: EpochMs): Change | undefined {
  if (isTerminal(follower.state.status)) return undefined;
  const state = without(follower.state, 'leader', 'source');
  if (newLeader) return changeTo(follower, { ...state, leader: newLeader, source: 'joined' }, [], now);
  return changeTo(follower, { ...state, runAt: now }, [], now);
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
