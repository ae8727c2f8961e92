/** How the places fare, over all workers: breakers, and the figures of their last calls. */

import type { BreakerState, CallEnd, Out, Override, Transition } from '../domain/breaker.ts';
import type { Place } from '../domain/channel.ts';
import type { EpochMs, Tenant } from '../domain/job.ts';

/** Whether a call may go, as things stand; a place that is out, or held by an operator, has a closed breaker or an open one. */
export type PlaceStanding = {
  place: Place;
  breaker: BreakerState;
  /** ms until a call may be made, a probe included; 0 = now. */
  waitMs: number;
  /** Of a broken one or one that is out: when a probe may be made, by the clock of the store. */
  probeAt?: EpochMs;
  override?: Override;
  /** Key refused or model gone; stays until an operator closes the breaker or a probe succeeds. */
  out?: Out;
};

export type PlaceHealth = PlaceStanding & {
  /** Within the last ten minutes. */
  calls: number;
  ends: Partial<Record<CallEnd, number>>;
  /** Of answered calls; ms. */
  p50Ms?: number;
  p95Ms?: number;
};

/** What is known of an ended call beside how it ended. */
export type CallNote = {
  /** How fast the place is, where the call says that. */
  ms?: number;
  /** Whose job it was; calls without are all of one and the same. */
  tenant?: Tenant;
  /** A call of the same job ended so before. */
  again?: boolean;
};

/** `enter`, `leave` and `note` may be sent twice with the same effect and the same answer as once. */
export type Breakers = {
  /**
   * Whether a call may be made: yes, or not before; half open, exactly one caller over all workers is told yes (`probe`).
   */
  enter(
    place: Place,
    attempt: string,
  ): Promise<{ type: 'go'; probe: boolean } | { type: 'closed_until'; retryAfterMs: number }>;
  /** A call that entered was not made, or ended for a reason of ours. Frees a probe. */
  leave(place: Place, attempt: string): Promise<void>;
  /** A call ended. @returns what changed by that, told to exactly one caller */
  note(place: Place, attempt: string, end: CallEnd, about?: CallNote): Promise<Transition | undefined>;
  /** What the choice of a channel needs: cheap. */
  stand(places: readonly Place[]): Promise<PlaceStanding[]>;
  look(places: readonly Place[]): Promise<PlaceHealth[]>;
  /** The p95 of the last ten minutes, some seconds old at most; `undefined` below 20 timed calls. */
  p95Ms(place: Place): Promise<number | undefined>;
  /** By an operator, and kept until the next word; `undefined` takes it back. `close` also forgets the past. */
  override(channel: string, override: Override | undefined): Promise<void>;
};
