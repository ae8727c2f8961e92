/** Which channel carries the next call of a job. Pure. */

import type { Out, Override } from './breaker.ts';
import type { ChannelSpec, Place, ServedModel } from './channel.ts';
import type { Refusal } from './eligible.ts';
import type { EpochMs, Micros } from './job.ts';

/** A channel that could carry the request, as it stands. All instants are by the caller's clock, which `now` is of. */
export type Candidate = {
  spec: ChannelSpec;
  served: ServedModel;
  place: Place;
  /** Expected cost there. */
  cost: Micros;
  /** When its breaker lets a call through, a probe included: `now` and the wait that its standing has. */
  enterAt: EpochMs;
  out?: Out;
  override?: Override;
  /** When its quota has room: `now` and the wait that its windows have. */
  readyAt: EpochMs;
  /** What the quota waits for; `rate_limited` when it is not said. */
  waitsFor?: 'rate_limited' | 'parked';
  /** Failed calls of this very job there, so that the next goes elsewhere first. */
  failed: number;
};

/** `broken`: calls fail, or an operator holds them back. */
export type WaitReason = 'rate_limited' | 'parked' | 'broken';

export type ChannelChoice =
  /** Those that may be called now, best first: the next is tried when the first has no leave after all. */
  | { type: 'try'; order: [Candidate, ...Candidate[]] }
  /** `allBroken`: no quota is what it waits for anywhere, so another model may be the better answer. */
  | { type: 'wait'; until: EpochMs; reason: WaitReason; allBroken: boolean }
  /** `dear`: each of them costs more than is left of `max_cost`, so it is no use to wait for an operator. */
  | { type: 'none'; refusals: Refusal[]; dear: boolean };

export type ChooseOptions = {
  candidates: readonly Candidate[];
  /** Of the channels that cannot carry the request at all. */
  refusals: readonly Refusal[];
  now: EpochMs;
  /** What is left of the job's `max_cost`; `undefined` = it has none. */
  room?: Micros | undefined;
  /** Uniform in [0, 1). */
  random: () => number;
};

/**
 * The candidates that may be called now: fewest failures of this job first, then by `order`, then the cheapest, and equals
 * by chance according to their weights. When there are none, how long to wait; when waiting does not help, why.
 */
export function chooseChannel({ candidates, refusals, now, room, random }: ChooseOptions): ChannelChoice {
  const possible = candidates.filter((one) => refusalOf(one, now, room) === undefined);
  const [best, ...others] = ranked(
    possible.filter((one) => callableAt(one) <= now),
    random,
  );
  if (best) return { type: 'try', order: [best, ...others] };
  if (possible.length) return waitFor(possible, now);
  const found = candidates.flatMap((one) => {
    const why = refusalOf(one, now, room);
    return why === undefined ? [] : [{ channel: one.place.channel, why }];
  });
  const dear = candidates.length > 0 && !candidates.some((one) => isWithin(one, room));
  return { type: 'none', refusals: [...refusals, ...found], dear };
}

/** A wait of less than this is no news to the caller. */
const WORTH_SHOWING_MS = 2_000;

/** What a job is at that waits so long for a channel. `broken` = no limit is why. */
export function waitingPhase(ms: number, reason: WaitReason): 'rate_limited' | 'parked' | 'backoff' | undefined {
  if (ms < WORTH_SHOWING_MS) return undefined;
  return reason === 'broken' ? 'backoff' : reason;
}

/** Why waiting does not help, going on from the channel's name; `undefined` when it may be called sooner or later. */
function refusalOf(candidate: Candidate, now: EpochMs, room?: Micros): string | undefined {
  const { override, out, enterAt, place } = candidate;
  if (!isWithin(candidate, room)) return 'costs more than is left of max_cost';
  if (override === 'drain') return 'is drained by an operator';
  if (override === 'open') return 'is held back by an operator';
  // A refused key is mended within the life of a job; a model that is gone stays gone.
  return out === 'retired' && enterAt > now ? `does not serve ${place.model} any more` : undefined;
}

function isWithin({ cost }: Candidate, room: Micros | undefined): boolean {
  return room === undefined || cost <= room;
}

function callableAt({ enterAt, readyAt }: Candidate): EpochMs {
  return Math.max(enterAt, readyAt);
}

function waitFor(possible: readonly Candidate[], now: EpochMs): ChannelChoice {
  const soonest = possible.reduce((a, b) => (callableAt(b) < callableAt(a) ? b : a));
  const reason = soonest.enterAt > soonest.readyAt ? 'broken' : (soonest.waitsFor ?? 'rate_limited');
  return {
    type: 'wait',
    until: callableAt(soonest),
    reason,
    allBroken: possible.every(({ enterAt }) => enterAt > now),
  };
}

function ranked(candidates: readonly Candidate[], random: () => number): Candidate[] {
  // Each with its own draw of an exponential distribution: by these, whoever has twice the weight is first twice as often.
  const drawn = candidates.map((one) => ({ one, draw: -Math.log(1 - random()) / one.spec.weight }));
  return drawn.toSorted((a, b) => compare(a.one, b.one) || byDraw(a.draw, b.draw)).map(({ one }) => one);
}

/** Below 0 when `a` is the better one, whatever the weights say. */
function compare(a: Candidate, b: Candidate): number {
  return a.failed - b.failed || a.spec.order - b.spec.order || a.cost - b.cost;
}

/** A weight of 0 draws an infinite time, or none at all: last. */
function byDraw(a: number, b: number): number {
  const [left, right] = [a, b].map((draw) => (Number.isFinite(draw) ? draw : Number.MAX_VALUE));
  return (left ?? 0) - (right ?? 0);
}
