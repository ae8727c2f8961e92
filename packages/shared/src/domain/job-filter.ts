/** Which jobs are meant: by what a list is filtered by, and what is done to many at a time. */

import { type EpochMs, type Job, type JobStatus, type Lane, laneOf } from './job.ts';

export type JobFilter = {
  /** As it stands now. */
  status?: JobStatus;
  tag?: string;
  /** An id of the catalogue. */
  model?: string;
  lane?: Lane;
  /** Accepted later than this. */
  createdAfter?: EpochMs;
  /** Accepted earlier than this. */
  createdBefore?: EpochMs;
  /** It has all of these. */
  metadata: Record<string, string>;
};

export function isMeant(filter: JobFilter, job: Job): boolean {
  const { status, tag, model, lane, createdAfter, createdBefore, metadata } = filter;
  const { request, state } = job;
  return (
    (status === undefined || state.status === status) &&
    (tag === undefined || request.tags.includes(tag)) &&
    (model === undefined || request.model === model) &&
    (lane === undefined || laneOf(job) === lane) &&
    (createdAfter === undefined || state.createdAt > createdAfter) &&
    (createdBefore === undefined || state.createdAt < createdBefore) &&
    Object.entries(metadata).every(([key, value]) => request.metadata[key] === value)
  );
}
