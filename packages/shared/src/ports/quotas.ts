/** Leave to call, counted exactly over all workers, by the clock of the store and nobody else's. */

import type { Limits, Place } from '../domain/channel.ts';
import type { EpochMs, Micros } from '../domain/job.ts';
import type { Lesson } from '../domain/lesson.ts';

/** What one call is expected to use; money in micro-dollars. */
export type Demand = { tokens: number; images: number; cost: Micros };

export const WINDOWS = [
  'requests',
  'images',
  'tokens',
  'day',
  'spend',
  'concurrency',
  'channel_concurrency',
  'pause',
] as const;
export type WindowName = (typeof WINDOWS)[number];

/** Refused: `retryAfterMs` until the window that lasts longest has room; `concurrency` says when to look again. */
export type Leave =
  | { granted: true }
  | { granted: false; retryAfterMs: number; reason: 'rate_limited' | 'parked'; window: WindowName };

/** One window as it stands. `limit` absent = none is known. */
export type WindowState = {
  window: WindowName;
  used: number;
  limit?: number;
  /** The limit as it was learnt from a refusal, until when that holds. */
  learnt?: { limit: number; until: EpochMs };
  /** When it has room again, if it has none. */
  freeAt?: EpochMs;
};

/** What stands between a place and its next call; `pause` = the provider said so, or the calls of the day are used. */
export type PlaceState = {
  place: Place;
  /** ms until a call of no great demand may leave; 0 = now. */
  waitMs: number;
  windows: WindowState[];
  pause?: { until: EpochMs; reason: 'rate_limited' | 'parked'; why: string };
};

/** Every method may be sent twice with the same effect as once: a call is counted under its attempt's id. */
export type Quotas = {
  /**
   * Takes a call out of every window of the place at once, or out of none.
   *
   * @param how `evenly`: not before its turn where a minute's calls leave evenly; so they do if nothing is said
   */
  take(place: Place, attempt: string, demand: Demand, how?: { evenly?: boolean }): Promise<Leave>;
  /** The call leaves now: it counts from now on, and not from when leave was taken. */
  sent(place: Place, attempt: string): Promise<void>;
  /** The call is over: its place in flight is free, and what it really used takes the place of what was expected. */
  ended(place: Place, attempt: string, used?: Partial<Demand>): Promise<void>;
  /** The call was never made. */
  giveBack(place: Place, attempt: string): Promise<void>;
  /**
   * What a refusal taught holds for all workers at once.
   *
   * @param attempt the call that was refused: what was in the windows when it left is what the provider refused to exceed
   */
  learn(place: Place, lesson: Lesson, attempt?: string): Promise<void>;
  look(places: Place[]): Promise<PlaceState[]>;
  /** Forgets pauses and everything learnt of a place and of its channel. @returns whether there was a pause */
  resume(place: Place): Promise<boolean>;
};

/** The configured limits of a place; spend and concurrency of its channel are given apart. */
export type LimitsOf = (place: Place) => {
  model: Limits;
  channel: { spendPerTenMinutes?: Micros; concurrency?: number };
};
