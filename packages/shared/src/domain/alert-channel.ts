/** What is told of a channel that is left alone, by its breaker or by a limit. Pure. */

import type { AlertState, AlertSubject, Telling } from './alert.ts';
import { BREAKER_RULES, type Transition } from './breaker.ts';
import type { Place } from './channel.ts';
import type { LoggedType } from './event.ts';
import type { EpochMs } from './job.ts';

const TYPES: Readonly<Record<Transition['to'], LoggedType>> = {
  degraded: 'channel.degraded',
  opened: 'channel.opened',
  out: 'channel.opened',
  recovered: 'channel.recovered',
};

/** A pause that is worth telling, and by how much one must outlast what was told to be another. */
const PARKED_MS_MIN = 60_000;

/** What the state of a channel's alert is kept under; of all its models when it is about the whole of it. */
export function channelSubject(
  alert: 'breaker' | 'quota_parked',
  { channel, model }: Place,
  wholeChannel?: boolean,
): AlertSubject {
  return wholeChannel ? { alert, channel } : { alert, channel, model };
}

/** What is to be told of a breaker's change; nothing of one that is no later than what was told last. */
export function tellOfTransition(change: Transition, state: AlertState | undefined): Telling | undefined {
  const { place, to, why, at, breaker, wholeChannel, errorRate, until } = change;
  if (state?.changedAt !== undefined && at <= state.changedAt) return undefined;
  const subject = channelSubject('breaker', place, wholeChannel);
  const isOver = to === 'recovered';
  const since = state?.raised?.since ?? at;
  return {
    subject,
    type: TYPES[to],
    note: {
      ...subject,
      ...(errorRate !== undefined && {
        value: errorRate,
        threshold: to === 'degraded' ? BREAKER_RULES.degradedAt : BREAKER_RULES.openAt,
        errorRate,
      }),
      since,
      why,
      breaker,
      ...(until !== undefined && { until }),
    },
    next: {
      version: (state?.version ?? 0) + 1,
      changedAt: at,
      ...(!isOver && { raised: { since, toldAt: at } }),
    },
  };
}

/**
 * A pause of a place, or of its whole channel: until when by the clock of the store, and for how many ms from now. Of one
 * that comes again and again, such as that of a day which rolls and frees a call at a time, no other is told for `quietMs`.
 */
export type Parking = { until: EpochMs; ms: number; why: string; wholeChannel?: true; quietMs?: number };

/** What is to be told of a pause: once each, however many refusals say the same, and nothing of a short one. */
export function tellOfParking(
  place: Place,
  { until, ms, why, wholeChannel, quietMs = 0 }: Parking,
  state: AlertState | undefined,
): Telling | undefined {
  const isKnown = state?.parkedUntil !== undefined && until < state.parkedUntil + PARKED_MS_MIN;
  if (ms < PARKED_MS_MIN || isKnown) return undefined;
  const subject = channelSubject('quota_parked', place, wholeChannel);
  const [value, threshold] = [Math.round(ms / 1_000), PARKED_MS_MIN / 1_000];
  const since = until - ms;
  return {
    subject,
    type: 'quota.parked',
    note: { ...subject, value, threshold, since, why, until },
    next: { version: (state?.version ?? 0) + 1, parkedUntil: Math.max(until, since + quietMs) },
  };
}
