/**
 * What an operator is woken for, decided. Pure.
 *
 * A figure is looked at again and again. It raises its alert once it is over the threshold, and resolves it only once it is
 * well below, so that a figure that hovers is told of once; while it lasts, the alert is told again each day.
 */

import type { BreakerState } from './breaker.ts';
import type { LoggedType } from './event.ts';
import type { EpochMs } from './job.ts';

export const ALERTS = [
  'error_rate',
  'latency_p99',
  'failovers',
  'queue_age',
  'money_in_doubt',
  'model_retirement',
  'breaker',
  'quota_parked',
] as const;
export type AlertName = (typeof ALERTS)[number];

/** A share of 1, seconds, things within the last hour, dollars within the last hour, days until then. */
export const ALERT_UNITS = ['ratio', 'seconds', 'per_hour', 'usd_per_hour', 'days'] as const;
export type AlertUnit = (typeof ALERT_UNITS)[number];

export const UNIT_OF: Readonly<Record<AlertName, AlertUnit>> = {
  error_rate: 'ratio',
  latency_p99: 'seconds',
  failovers: 'per_hour',
  queue_age: 'seconds',
  money_in_doubt: 'usd_per_hour',
  model_retirement: 'days',
  breaker: 'ratio',
  quota_parked: 'seconds',
};

/** One alert of one thing it may be about. Absent: it is about all of them. */
export type AlertSubject = { alert: AlertName; channel?: string; model?: string };

/** In the alert's unit. */
export type AlertFigure = { value: number; threshold: number };

/** What an event about an alert says; without a figure when it is of a breaker that no share of failures moved. */
export type AlertNote = AlertSubject &
  (AlertFigure | { value?: never; threshold?: never }) & {
    /** When it was raised. */
    since: EpochMs;
    /** It was told before, and lasts. */
    again?: true;
    /** Of a model that ends: the day, and what takes its place. */
    retiresOn?: string;
    successor?: string;
    /** Of a breaker or a pause: what brought it about, in words, and when a call is made again. */
    why?: string;
    until?: EpochMs;
    breaker?: BreakerState;
    /** Of a breaker: the share of the last minute's calls that failed. */
    errorRate?: number;
  };

/** `near`: neither over the threshold nor well below it. `unknown`: there are no figures. */
export type Standing = 'over' | 'near' | 'clear' | 'unknown';

/** A figure as it stands. */
export type Observation = AlertSubject & AlertFigure & { standing: Standing };

/** What has been told of an alert. */
export type AlertState = {
  /** 1 when first told of, one more with each event. */
  version: number;
  /** While it lasts. */
  raised?: { since: EpochMs; toldAt: EpochMs };
  /** Of a model that ends: the last of the days before that were told of, and the day it was then said to end on. */
  noticed?: { days: number; retiresOn: string };
  /** Of a breaker: when it last changed, by the clock of the store. */
  changedAt?: EpochMs;
  /** Of a pause: until when it lasts. */
  parkedUntil?: EpochMs;
};

/** An event to be told, and the state from then on: to be written as one. */
export type Telling = { subject: AlertSubject; type: LoggedType; note: AlertNote; next: AlertState };

/** Resolved at this part of the threshold. */
const CLEAR_AT = 0.7;
/** Told again each day while it lasts. */
const AGAIN_MS = 86_400_000;

/** How a figure stands that is what it is at any moment. @param threshold above 0 */
export function standingOf(value: number, threshold: number): Standing {
  if (value > threshold) return 'over';
  return value <= threshold * CLEAR_AT ? 'clear' : 'near';
}

/** What is to be told of a figure, if anything. A figure that is unknown changes nothing. */
export function tellOf(seen: Observation, state: AlertState | undefined, now: EpochMs): Telling | undefined {
  const { standing, ...rest } = seen;
  const raised = state?.raised;
  if (!raised) return standing === 'over' ? telling(rest, state, { since: now, isRaised: true, now }) : undefined;
  const { since, toldAt } = raised;
  if (standing === 'clear') return telling(rest, state, { since, isRaised: false, now });
  const isDue = standing !== 'unknown' && now - toldAt >= AGAIN_MS;
  return isDue ? telling(rest, state, { since, isRaised: true, now, again: true }) : undefined;
}

function telling(
  figure: Omit<Observation, 'standing'>,
  state: AlertState | undefined,
  { since, isRaised, now, again }: { since: EpochMs; isRaised: boolean; now: EpochMs; again?: true },
): Telling {
  return {
    subject: subjectOf(figure),
    type: typeOf(figure.alert, isRaised),
    note: { ...figure, since, ...(again && { again }) },
    next: { version: (state?.version ?? 0) + 1, ...(isRaised && { raised: { since, toldAt: now } }) },
  };
}

/** Without the figure: what the state of an alert is kept under. */
export function subjectOf({ alert, channel, model }: AlertSubject): AlertSubject {
  return { alert, ...(channel !== undefined && { channel }), ...(model !== undefined && { model }) };
}

function typeOf(alert: AlertName, isRaised: boolean): LoggedType {
  if (alert === 'error_rate' || alert === 'latency_p99') return isRaised ? 'channel.degraded' : 'channel.recovered';
  return isRaised ? 'alert.raised' : 'alert.resolved';
}
