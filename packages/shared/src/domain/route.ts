/** On which lane a job travels. Pure: what the lanes cost and how long they take are arguments. */

import type { EpochMs, Lane, Micros } from './job.ts';

/** A set of at least this many jobs without a deadline is worth a provider batch. */
export const BATCH_SET_MIN = 20;

/** What each further job adds to a set's time on the standard lane: with twenty calls at a time, each of half a minute. */
export const STANDARD_MS_PER_JOB = 1_500;

/**
 * When 95 % of such sets are done: the standard lane takes jobs one by one, a provider batch all of them together.
 *
 * @param p95Ms what one job takes on the lane
 */
export function setMs(lane: Lane, p95Ms: number, jobs: number): number {
  return lane === 'standard' ? p95Ms + (jobs - 1) * STANDARD_MS_PER_JOB : p95Ms;
}

export type RouteQuestion = {
  asked: Lane | 'auto';
  /** Lanes that the model and the channels offer for this very request. */
  offered: readonly Lane[];
  /** Expected cost of one job by lane. */
  cost: (lane: Lane) => Micros;
  maxCost?: Micros;
  /** As the caller set it; without one nobody waits. */
  deadline?: EpochMs;
  now: EpochMs;
  /** How long 95 % of the jobs like this take on a lane, lately; of a set, each by itself. */
  p95Ms: (lane: Lane) => number;
  /** Jobs that are submitted together. */
  set: number;
};

/** `dear` = every lane that may be taken costs more than `maxCost`. `closed` = the lane that was asked for is not offered. */
export type Route = { type: 'lane'; lane: Lane; reason: string } | { type: 'dear' | 'closed' };

/**
 * The cheapest lane that may be taken and is expected to meet the deadline; when none is, the one that comes closest.
 *
 * Without a deadline a single job goes by itself and a set of at least `BATCH_SET_MIN` goes at half the price.
 */
export function chooseLane(question: RouteQuestion): Route {
  const { asked, offered, cost, maxCost, deadline } = question;
  const open = offered.filter((lane) => asked === 'auto' || lane === asked);
  if (!open.length) return { type: 'closed' };
  const affordable = open.filter((lane) => maxCost === undefined || cost(lane) <= maxCost);
  const [first, ...others] = affordable.toSorted((a, b) => cost(a) - cost(b));
  if (!first) return { type: 'dear' };
  if (asked !== 'auto') return { type: 'lane', lane: first, reason: 'asked for' };
  if (!others.length) return { type: 'lane', lane: first, reason: onlyOne(open.length) };
  return deadline === undefined ? bySet(question, [first, ...others]) : byDeadline(question, [first, ...others]);
}

function onlyOne(open: number): string {
  return open > 1 ? 'the only lane within max_cost' : 'the only lane offered for this request';
}

function bySet({ set }: RouteQuestion, lanes: Lane[]): Route {
  const together = set >= BATCH_SET_MIN;
  const lane = lanes.includes(together ? 'batch' : 'standard') ? (together ? 'batch' : 'standard') : lanes[0];
  if (!lane) return { type: 'closed' };
  return {
    type: 'lane',
    lane,
    reason: together ? `cheapest for a set of ${set}, no deadline` : 'fastest, no deadline',
  };
}

function byDeadline({ deadline = 0, now, p95Ms, set }: RouteQuestion, cheapestFirst: Lane[]): Route {
  const slack = (lane: Lane) => deadline - now - setMs(lane, p95Ms(lane), set);
  const inTime = cheapestFirst.find((lane) => slack(lane) > 0);
  if (inTime) return { type: 'lane', lane: inTime, reason: 'cheapest that meets the deadline' };
  const [fastest] = cheapestFirst.toSorted((a, b) => slack(b) - slack(a));
  return fastest
    ? { type: 'lane', lane: fastest, reason: 'fastest: no lane is sure to meet the deadline' }
    : { type: 'closed' };
}
