/**
 * Shares of a model's calls, and what follows for one job: how many go before it, and when it goes.
 *
 * Start-time fair queuing: each flow, a tenant or a key with limits of its own, has a `pass`, the virtual instant of its
 * next start, which grows by 1 / weight with each. The lowest goes. Virtual time is the instant of the latest start, and
 * nobody starts before it: who was away has saved nothing up, and owes nothing.
 */

import type { EpochMs } from './job.ts';

/** A flow with jobs in line. */
export type Flow = { pass: number; weight: number; waiting: number };

/** What stands around one job. */
export type Crowd = {
  /** Jobs of its own flow before it. */
  before: number;
  own: Pick<Flow, 'pass' | 'weight'>;
  /** The flows that may start something before it, without its own. */
  others: readonly Flow[];
  virtual: number;
  /** For how long its line waits yet. */
  waitMs: number;
  /** Jobs of the model that started lately, and in how long. */
  started: { count: number; spanMs: number };
};

/** How many jobs are likely to start before it, if nobody comes any more. */
export function jobsAhead({ before, own, others, virtual }: Crowd): number {
  const at = Math.max(own.pass, virtual) + before / own.weight;
  const ahead = others.map(({ pass, weight, waiting }) => {
    const turns = Math.ceil((at - Math.max(pass, virtual)) * weight);
    return Math.min(waiting, Math.max(0, turns));
  });
  return ahead.reduce((sum, count) => sum + count, before);
}

/**
 * When its image is likely to be there.
 *
 * @param callMs how long a call takes, usually
 * @returns `undefined` when others go before and nothing has started lately: nobody knows
 */
export function expectedAt(crowd: Crowd, callMs: number, now: EpochMs): EpochMs | undefined {
  const ahead = jobsAhead(crowd);
  const { count, spanMs } = crowd.started;
  if (ahead > 0 && !count) return undefined;
  const behindMs = ahead > 0 ? (ahead * spanMs) / count : 0;
  return Math.round(now + crowd.waitMs + behindMs + callMs);
}
