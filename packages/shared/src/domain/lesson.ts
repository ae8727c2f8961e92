/** What a refusal by a limit teaches about the limits of a place. Pure; made from a verdict by `lessonOf`. */

import type { EpochMs } from './job.ts';

/**
 * `limit` = the provider named its value; without it the limit is what was used when the refusal came.
 * `spend` holds for the whole channel.
 */
export type Lesson =
  | { type: 'limit'; window: 'requests' | 'images' | 'tokens' | 'day' | 'spend'; limit?: number; retryAfterMs?: number }
  /** Nobody calls until then. `parked` = for so long that it is worth telling. */
  | {
      type: 'pause';
      until: EpochMs | undefined;
      ms: number;
      reason: 'rate_limited' | 'parked';
      why: string;
      wholeChannel?: true;
    };
