/** What many jobs cost together. Pure. */

import { canaryOf } from './batch-steps.ts';
import type { Lane, Micros } from './job.ts';

/** Room above a set's cost: that of one job, which shrinks as the spread of a sum does, and the most it may be. */
const ROOM_OF_ONE = 1.5;
const ROOM_MAX = 0.25;

export type SetCost = {
  /** The next job, in the order they would run. */
  add(cost: Record<Lane, Micros>): void;
  /** All of them, were they to take that lane. */
  sum(): Record<Lane, Micros>;
};

/**
 * Adds up what jobs are expected to cost. Of a set that would send a canary, the first ones are at the standard price in
 * the batch lane too: that is where they run.
 *
 * @param canary rows of a canary; absent = as many as when nobody says otherwise
 */
export function createSetCost(canary?: number): SetCost {
  const total = { standard: 0, batch: 0 };
  const ahead = canaryOf(Number.POSITIVE_INFINITY, canary);
  /** What each of the first jobs costs more in the standard lane. */
  const dearer: Micros[] = [];
  let jobs = 0;
  return {
    add: ({ standard, batch }) => {
      jobs++;
      total.standard += standard;
      total.batch += batch;
      if (dearer.length < ahead) dearer.push(standard - batch);
    },
    sum: () => {
      const more = dearer.slice(0, canaryOf(jobs, canary)).reduce((sum, one) => sum + one, 0);
      return { standard: total.standard, batch: total.batch + more };
    },
  };
}

/**
 * What jobs may cost that are expected to cost `cost` together.
 *
 * Interim images come by chance: few jobs may come to far more than expected, many hardly to any more. The room is three
 * times the spread, or a quarter, whichever is less: what few jobs may come to beyond that, a cap is there to stop.
 */
export function quoteCap(cost: Micros, jobs: number): Micros {
  return Math.ceil(cost * (1 + Math.min(ROOM_MAX, ROOM_OF_ONE / Math.sqrt(jobs))));
}
