/**
 * When a place is left alone, and when it is tried again. Pure; the state itself is shared by all workers.
 *
 * closed: calls go. It opens after some faults in a row, or once too many of the last minute's calls were faults.
 * open: no call goes until a cool-down is over, which grows each time.
 * half open: one probe at a time, over all workers. Enough good ones close it; a fault opens it again, for longer.
 * out, beside these: the key is refused (the whole channel) or the model is gone (the place); probed rarely.
 *
 * Blocked, invalid and limited calls say nothing of a place's health: they free a probe and count for nothing.
 *
 * An answer without an image may be the fault of the place, or of the prompt. So it never is a verdict on a probe, and while
 * several tenants call a place, one after another from the same tenant counts as one: nobody's prompts close it for others.
 * What they close for a tenant that calls alone is probed as soon as anybody looks again.
 */

import type { AttemptEnd } from './attempt-end.ts';
import type { Place } from './channel.ts';
import { unreachable } from './errors.ts';
import type { EpochMs } from './job.ts';
import type { Verdict } from './verdict.ts';

/** How a call ended, as its place is judged by it and as figures are kept of it. */
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

export const BREAKER_STATES = ['closed', 'open', 'half_open'] as const;
export type BreakerState = (typeof BREAKER_STATES)[number];

/** What an operator has said of a channel; `drain` = calls in flight end, no new one is made. */
export type Override = 'open' | 'close' | 'drain';

/** Why no call goes, other than faults: the key is refused, or the model is gone. */
export type Out = 'auth' | 'retired';

/** What an end says about its place; `blank` = a fault of the place, unless one tenant's prompts are why. */
export type CallSays = 'good' | 'fault' | 'blank' | 'neutral' | Out;

const SAYS: Readonly<Record<CallEnd, CallSays>> = {
  ok: 'good',
  blocked: 'neutral',
  invalid: 'neutral',
  limited: 'neutral',
  overloaded: 'fault',
  unavailable: 'fault',
  unreachable: 'fault',
  timeout: 'fault',
  no_image: 'blank',
  auth: 'auth',
  retired: 'retired',
};

/** @param about `again`: a call of the same job ended so before, which says more of its prompt than of any place */
export function saysOf(end: CallEnd, { again = false }: { again?: boolean } = {}): CallSays {
  const says = SAYS[end];
  return says === 'blank' && again ? 'neutral' : says;
}

/** Spans in ms, shares of 1. */
export type BreakerRules = {
  /** Opens after so many in a row … */
  faultsInARow: number;
  /** … or at this share of the calls within the window, once there are `callsMin`. */
  openAt: number;
  /** Told at this share, until it is at most `recoveredAt`. */
  degradedAt: number;
  recoveredAt: number;
  callsMin: number;
  windowMs: number;
  /** The first cool-down; each is twice the one before, up to the most. */
  coolDownMs: number;
  coolDownMsMax: number;
  /** Good probes in a row that close it. */
  goodProbes: number;
  /** After this the worker of a probe is taken for dead: longer than any call may take. */
  probeMs: number;
  /** Until a channel whose key was refused, and a place whose model is gone, are probed. */
  authMs: number;
  retiredMs: number;
  /** While a probe is out, an operator's word holds, or one tenant's prompts may be why, it is worth looking again after this. */
  lookAgainMs: number;
};

export const BREAKER_RULES: BreakerRules = {
  faultsInARow: 5,
  openAt: 0.5,
  degradedAt: 0.2,
  recoveredAt: 0.1,
  callsMin: 20,
  windowMs: 60_000,
  coolDownMs: 10_000,
  coolDownMsMax: 300_000,
  goodProbes: 2,
  // The longest call of the catalogue, and half a minute to write down how it ended.
  probeMs: 330_000,
  authMs: 600_000,
  retiredMs: 86_400_000,
  lookAgainMs: 1_000,
};

/** Of each cool-down, up to this part is left off by chance, so that places that broke together are not probed together. */
const JITTER = 0.2;

/**
 * All cool-downs there are, the first one first; the last one holds for any later time.
 *
 * @param random uniform in [0, 1)
 */
export function coolDowns({ coolDownMs, coolDownMsMax }: BreakerRules, random: () => number): number[] {
  const keep = 1 - JITTER * random();
  const spans: number[] = [];
  for (let ms = Math.max(1, coolDownMs); ms < coolDownMsMax; ms *= 2) spans.push(Math.ceil(ms * keep));
  return [...spans, Math.ceil(coolDownMsMax * keep)];
}

/** How one's own call ended, for its place. A call given up for a reason of ours is `leave`, and not for this. */
export function callEndOf(end: AttemptEnd): CallEnd {
  switch (end.type) {
    case 'image':
      return 'ok';
    case 'refused':
      return end.code === 'no_image' ? 'no_image' : 'blocked';
    case 'rejected':
      return endOfRejection(end.verdict);
    case 'unsent':
      return 'unreachable';
    case 'in_doubt':
      return 'timeout';
    default:
      return unreachable(end);
  }
}

function endOfRejection({ channelDown, code, limit, http }: Extract<Verdict, { type: 'rejected' }>): CallEnd {
  if (channelDown || code === 'upstream_auth') return 'auth';
  if (code === 'model_retired') return 'retired';
  if (code === 'upstream_overloaded' || limit === 'overload') return 'overloaded';
  if (limit || code === 'upstream_rate_limited' || code === 'upstream_quota_exhausted') return 'limited';
  if (code === 'upstream_unreachable') return 'unreachable';
  return code === 'upstream_unavailable' || http >= 500 ? 'unavailable' : 'invalid';
}

/** A change that callers and operators are told of. `at` grows with each one of a place, by the clock of the store. */
export type Transition = {
  place: Place;
  to: 'degraded' | 'opened' | 'recovered' | 'out';
  /** In words. */
  why: string;
  at: EpochMs;
  breaker: BreakerState;
  /** It holds for every model of the channel. */
  wholeChannel?: true;
  /** Of the last minute's calls, of 1. */
  errorRate?: number;
  /** When it is tried again. */
  until?: EpochMs;
};

/** What brought a transition about: faults in a row, their share, a refused key, a model that is gone, or good calls. */
export type Cause =
  | { type: 'row'; faults: number; end: CallEnd }
  | { type: 'rate'; faults: number; calls: number }
  | { type: 'auth' | 'retired' | 'well' };

const FAULT_WORDS: Partial<Record<CallEnd, string>> = {
  overloaded: 'the provider was overloaded',
  unavailable: 'the provider answered with a server error',
  unreachable: 'the provider could not be reached',
  timeout: 'no whole answer came in time',
  no_image: 'the answer had no image',
};

/** A cause in words, for people. */
export function describeCause(cause: Cause): string {
  switch (cause.type) {
    case 'row':
      return `${cause.faults} calls in a row failed, the last one because ${FAULT_WORDS[cause.end] ?? cause.end}`;
    case 'rate':
      return `${cause.faults} of the last ${cause.calls} calls failed within a minute`;
    case 'auth':
      return 'the provider refuses the key or the project';
    case 'retired':
      return 'the provider does not serve the model any more';
    case 'well':
      return 'calls go well again';
    default:
      return unreachable(cause);
  }
}

/** What a place's record says, as far as its state follows from it. */
export function breakerState(probeAt: EpochMs | undefined, now: EpochMs): BreakerState {
  if (probeAt === undefined) return 'closed';
  return probeAt > now ? 'open' : 'half_open';
}
