/**
 * A delivery: one event on its way to one receiver, with every try that was made.
 *
 *   pending ─→ delivered | dead          dead, delivered ─→ pending   (resent or replayed)
 *
 * Its id follows from the event and the receiver, so it is found without an index and never made twice.
 */

import { hash } from 'node:crypto';
import type { ReceiverId } from './endpoint.ts';
import { type EventId, type LoggedType, timeOfEvent } from './event.ts';
import type { EpochMs, Tenant } from './job.ts';

export type DeliveryId = string;

export const DELIVERY_STATUSES = ['pending', 'delivered', 'dead'] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

/** What came of one request. `refused` = a rule forbids the address, so nothing was sent. */
export type DeliveryOutcome =
  | { type: 'answered'; http: number; retryAfterMs?: number; body?: string }
  | { type: 'failed'; reason: string }
  | { type: 'refused'; reason: string };

/** One try, as it is kept. */
export type DeliveryTry = {
  at: EpochMs;
  ms: number;
  http?: number;
  /** Why there was no answer, or none that counts. */
  error?: string;
  /** The beginning of the answer's body, scrubbed. */
  body?: string;
};

/** Why nothing is tried any more; `backlog` = too many wait for the receiver already. */
export const DEATH_CAUSES = ['exhausted', 'gone', 'refused', 'backlog'] as const;
export type DeathCause = (typeof DEATH_CAUSES)[number];

export type Delivery = {
  id: DeliveryId;
  tenant: Tenant;
  event: EventId;
  type: LoggedType;
  receiver: ReceiverId;
  /** For a job's or batch's own webhook; an endpoint's deliveries go to its address of the time. */
  url?: string;
  status: DeliveryStatus;
  createdAt: EpochMs;
  /** Tries since it became pending, and the last ones ever made, oldest first. */
  tries: number;
  log: DeliveryTry[];
  /** When the next try is due. */
  nextAt?: EpochMs;
  endedAt?: EpochMs;
  cause?: DeathCause;
};

/** How long a delivery that arrived is remembered, at most; one that did not, as long as its event. */
export const DELIVERED_MS = 3 * 86_400_000;
/** Tries that are kept on record. */
const LOG_MAX = 12;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
/** Waits between tries: with the first one at once, ten tries over 75 h 35 min. */
const WAITS_MS = [5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];
export const TRIES_MAX = WAITS_MS.length + 1;
/** A receiver may ask for this much patience at most. */
const RETRY_AFTER_MAX_MS = 24 * HOUR;

/** The one delivery of an event to a receiver; of a job's own webhook, `receiver` is just `own`. */
export function deliveryId(event: EventId, receiver: ReceiverId): DeliveryId {
  const time = event.slice(4, 16);
  return `dlv_${time}7${hash('sha256', `${event} ${receiver}`, 'hex').slice(0, 19)}`;
}

/** A delivery that has just become due. */
export function newDelivery(
  facts: Pick<Delivery, 'tenant' | 'event' | 'type' | 'receiver' | 'url'>,
  now: EpochMs,
): Delivery {
  const id = deliveryId(facts.event, facts.url === undefined ? facts.receiver : 'own');
  return { ...facts, id, status: 'pending', createdAt: now, tries: 0, log: [], nextAt: now };
}

/** One that is not tried at all. */
export function buried(delivery: Delivery, cause: DeathCause, now: EpochMs): Delivery {
  const { nextAt: _, ...rest } = delivery;
  return { ...rest, status: 'dead', endedAt: now, cause };
}

/** When what it tells happened. */
export function timeOfDelivery({ event }: Pick<Delivery, 'event'>): EpochMs {
  return timeOfEvent(event);
}

/** What a request that was made leaves the delivery as. @param random uniform in [0, 1) */
export function afterTry(
  delivery: Delivery,
  { outcome, at, ms }: { outcome: DeliveryOutcome; at: EpochMs; ms: number },
  now: EpochMs,
  random: () => number,
): Delivery {
  const { nextAt: _, ...rest } = delivery;
  const tries = delivery.tries + 1;
  const tried = { ...rest, tries, log: [...delivery.log, toTry(outcome, at, ms)].slice(-LOG_MAX) };
  if (isDelivered(outcome)) return { ...tried, status: 'delivered', endedAt: now };
  const cause = deathOf(outcome, tries);
  if (cause) return { ...tried, status: 'dead', endedAt: now, cause };
  return { ...tried, nextAt: now + waitOf(tries, retryAfterOf(outcome), random) };
}

/** To be sent (again) from the beginning of the schedule. */
export function resent(delivery: Delivery, now: EpochMs): Delivery {
  const { endedAt: _, cause: __, ...rest } = delivery;
  return { ...rest, status: 'pending', tries: 0, nextAt: now };
}

/** A 2xx, and nothing else. */
export function isDelivered(outcome: DeliveryOutcome): boolean {
  return outcome.type === 'answered' && outcome.http >= 200 && outcome.http < 300;
}

/** The receiver says that it wants no more, ever. */
export function isGone(outcome: DeliveryOutcome): boolean {
  return outcome.type === 'answered' && outcome.http === 410;
}

function deathOf(outcome: DeliveryOutcome, tries: number): DeathCause | undefined {
  if (isGone(outcome)) return 'gone';
  // An address that leads to a forbidden place may lead elsewhere tomorrow: a name server's hiccup must lose nothing.
  return tries >= TRIES_MAX ? (outcome.type === 'refused' ? 'refused' : 'exhausted') : undefined;
}

function retryAfterOf(outcome: DeliveryOutcome): number {
  const asks = outcome.type === 'answered' && (outcome.http === 429 || outcome.http === 503);
  return asks ? Math.min(outcome.retryAfterMs ?? 0, RETRY_AFTER_MAX_MS) : 0;
}

/** Never sooner than asked for; a tenth of jitter, so that what failed together does not come back together. */
function waitOf(tries: number, retryAfterMs: number, random: () => number): number {
  const wait = Math.max(WAITS_MS[tries - 1] ?? 24 * HOUR, retryAfterMs);
  return Math.round(wait * (1 + 0.1 * random()));
}

function toTry(outcome: DeliveryOutcome, at: EpochMs, ms: number): DeliveryTry {
  if (outcome.type !== 'answered') return { at, ms, error: outcome.reason };
  const { http, body } = outcome;
  const error = isRedirect(http) ? 'redirects are not followed' : undefined;
  return { at, ms, http, ...(error && { error }), ...(body && { body }) };
}

function isRedirect(http: number): boolean {
  return http >= 300 && http < 400;
}
