/** One step of a job's life: the record before, the record after, and what is told about it. */

import type { EpochMs, Job, JobState, Micros } from './job.ts';

export const EVENT_TYPES = [
  'job.queued',
  'job.started',
  'job.succeeded',
  'job.blocked',
  'job.failed',
  'job.canceled',
  'job.expired',
  'image.recovered',
  'attempt.in_doubt',
  'quota.parked',
] as const;

export type EventType = (typeof EVENT_TYPES)[number];

/** Written as one: either all of it is true afterwards, or none. */
export type Change = {
  before: Job;
  after: Job;
  events: EventType[];
  at: EpochMs;
  /** What the job costs more from here on: only as long as that is within `max_cost` of the batch it is a row of. */
  dearer?: Micros;
};

/** The change that puts `state` in the place of the job's own. */
export function changeTo(job: Job, state: JobState, events: EventType[], at: EpochMs): Change {
  return { before: job, after: { ...job, version: job.version + 1, state }, events, at };
}

/** `state` without `keys`: absence is the only way to say "not set". */
export function without<K extends keyof JobState>(state: JobState, ...keys: K[]): Omit<JobState, K> {
  const copy = { ...state };
  for (const key of keys) delete copy[key];
  return copy;
}
