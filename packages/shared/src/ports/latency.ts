/** How long jobs take on a lane, as lately measured. */

import type { JobRequest, Lane } from '../domain/job.ts';

export type Latency = {
  /** One job's time on the lane, to its image: from the call of its own, or from its submission when it shared a provider batch. */
  note(lane: Lane, request: Pick<JobRequest, 'model' | 'size'>, ms: number): Promise<void>;
  /** What half of the last jobs took at most; a guess while there are too few. */
  p50Ms(lane: Lane, request: Pick<JobRequest, 'model' | 'size'>): Promise<number>;
  /** What 95 % of the last jobs took at most; a guess while there are too few. */
  p95Ms(lane: Lane, request: Pick<JobRequest, 'model' | 'size'>): Promise<number>;
};
