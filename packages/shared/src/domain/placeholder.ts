/** A labelled image in the place of one that nobody made: the last resort, where the caller allowed it. Pure. */

import { type Change, changeTo, without } from './change.ts';
import type { EpochMs, Job, JobState, StoredImage } from './job.ts';

/** Whether a placeholder may end it. */
export function allowsPlaceholder({ request }: Job): boolean {
  return request.routing?.placeholder === true;
}

/** Ends the job with a placeholder, which costs nothing. @param base its state by then */
export function endWith(job: Job, base: JobState, placeholder: StoredImage, now: EpochMs): Change {
  const next: JobState = {
    ...without(base, 'phase', 'error'),
    status: 'succeeded',
    completedAt: now,
    images: [placeholder],
  };
  return changeTo(job, next, ['job.succeeded'], now);
}
