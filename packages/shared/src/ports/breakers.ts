/** How the places fare, over all workers: breakers, and the figures of their last calls. */

import type { Place } from '../domain/channel.ts';
import type { EpochMs } from '../domain/job.ts';

/**
 * What an ended call says about its place. `ok`: it answered as it should. `fault`: 5xx, reset, timeout, no image.
 * `neutral`: blocked, invalid, a limit: says nothing of its health. `out`: key refused or model gone.
 */
export const CALL_ENDS = [
  'ok',
  'blocked',
  'invalid',
  'limited',
  'overloaded',
  'unavailable',
  'unreachable',
  'timeout',
  'no_image',
  'auth',
  'retired',
] as const;
export type CallEnd = (typeof CALL_ENDS)[number];

export type BreakerState = 'closed' | 'open' | 'half_open';

/** What an operator has said of a channel; `drain` = calls in flight end, no new one is made. */
export type Override = 'open' | 'close' | 'drain';

export type PlaceHealth = {
  place: Place;
  breaker: BreakerState;
  /** Of an open one: when a probe may be made. */
  probeAt?: EpochMs;
  override?: Override;
  /** Key refused or model gone; stays until an operator closes the breaker or a probe succeeds. */
  out?: 'auth' | 'retired';
  /** Within the last ten minutes. */
  calls: number;
  ends: Partial<Record<CallEnd, number>>;
  /** Of answered calls; ms. */
  p50Ms?: number;
  p95Ms?: number;
};

/** A change that callers and operators are told of. */
export type Transition = { place: Place; to: 'degraded' | 'opened' | 'recovered' | 'out'; why: string };

export type Breakers = {
  /**
   * Whether a call may be made: yes, or not before; half open, exactly one caller over all workers is told yes (`probe`).
   */
  enter(
    place: Place,
    attempt: string,
  ): Promise<{ type: 'go'; probe: boolean } | { type: 'closed_until'; retryAfterMs: number }>;
  /** A call that entered was not made. Frees a probe. */
  leave(place: Place, attempt: string): Promise<void>;
  /** A call ended. @returns what changed by that, told to exactly one caller */
  note(place: Place, attempt: string, end: CallEnd, ms?: number): Promise<Transition | undefined>;
  look(places: Place[]): Promise<PlaceHealth[]>;
  /** By an operator; `undefined` takes it back. */
  override(channel: string, override: Override | undefined): Promise<void>;
};
