/**
 * Who is told of events by webhook: an endpoint that a tenant registered, or the address that a job or batch names itself.
 *
 * Both are receivers. An endpoint is a receiver of its own; addresses that jobs name are one receiver per origin, so that
 * one server that is down is left alone as one, however many addresses it is asked at.
 */

import { hash } from 'node:crypto';
import type { LoggedEvent, LoggedType } from './event.ts';
import type { EpochMs, Tenant } from './job.ts';

export type EndpointId = string;
/** An endpoint's id, or `own_` and the hash of an origin. */
export type ReceiverId = string;

/** What a job or batch has for itself. Without `events`: how it ends. */
export type OwnWebhook = { url: string; events?: LoggedType[] };

/** A secret, encrypted; one that was replaced signs along `until` then. */
export type SealedSecret = { sealed: string; until?: EpochMs };

/** A secret that is derived for addresses that jobs name; one that was replaced signs along `until` then. */
export type OwnGeneration = { generation: number; until?: EpochMs };
/** The newest first; each rotation makes one more. */
export type OwnGenerations = [OwnGeneration, ...OwnGeneration[]];

/** `gone` = it answered 410. `failing` = too many tries failed in a row. `backlog` = too many deliveries wait for it. */
export type DisabledReason = 'caller' | 'gone' | 'failing' | 'backlog';

/** `until` is absent while it lasts. */
export type Gap = { from: EpochMs; until?: EpochMs };

export type Endpoint = {
  id: EndpointId;
  tenant: Tenant;
  /** 1 when made, one more with each change. */
  version: number;
  url: string;
  description?: string;
  /** The types it is sent; absent = all. */
  events?: LoggedType[];
  /** Sent with each delivery; values are encrypted, since most of them are secrets too. */
  headers: Record<string, string>;
  /** The newest first. */
  secrets: [SealedSecret, ...SealedSecret[]];
  /** Absent = it is enabled. */
  disabled?: { reason: DisabledReason; at: EpochMs };
  createdAt: EpochMs;
  /** When it was not sent what it wants now, oldest first; the first one lasts from ever to when it was made. */
  gaps: Gap[];
};

/** How a receiver has answered lately; all of it is absent while it answers well. */
export type ReceiverHealth = {
  /** Tries that failed since one went well. */
  failures: number;
  failingSince?: EpochMs;
  /** Nothing is sent before. */
  openUntil?: EpochMs;
};

/** Most gaps on record; then the nearest two become one, which only makes a replay send more. */
const GAPS_MAX = 20;
/** What clocks may differ by. */
const SKEW_MS = 60_000;

/** What a job's own webhook is sent unless it names others. */
export const ENDINGS: readonly LoggedType[] = [
  'job.succeeded',
  'job.blocked',
  'job.failed',
  'job.canceled',
  'job.expired',
];
/** What a batch's own webhook is sent unless it names others: one event, when all of it is over. */
export const BATCH_ENDINGS: readonly LoggedType[] = ['batch.completed', 'batch.canceled', 'batch.expired'];

/** The receiver of an address that a job or batch names. @param url absolute */
export function ownReceiver(url: string): ReceiverId {
  return `own_${hash('sha256', new URL(url).origin, 'hex').slice(0, 24)}`;
}

/** Whether `id` is the receiver of addresses that jobs name. */
export function isOwnReceiver(id: ReceiverId): boolean {
  return id.startsWith('own_');
}

/** Whether an endpoint is to be sent an event that has just been read from the log. */
export function listensTo(endpoint: Endpoint, event: LoggedEvent): boolean {
  // Its own troubles are told to others: telling it would be one delivery more that waits.
  if (event.type === 'webhook_endpoint.test') return event.endpoint === endpoint.id && !endpoint.disabled;
  return (
    !endpoint.disabled &&
    event.endpoint !== endpoint.id &&
    event.at >= endpoint.createdAt &&
    wants(endpoint, event.type)
  );
}

/** Whether an endpoint has chosen a type. */
export function wants({ events }: Pick<Endpoint, 'events'>, type: LoggedType): boolean {
  return events === undefined || events.includes(type);
}

/** From now on it is not sent what it wants. @param readTo how far the log has been read for it: what comes later is not sent either */
export function openGap(gaps: Gap[], now: EpochMs, readTo: EpochMs = now): Gap[] {
  if (gaps.some(({ until }) => until === undefined)) return gaps;
  return joinGaps([...gaps, { from: Math.min(now, readTo) - SKEW_MS }]);
}

/** From now on it is. */
export function closeGap(gaps: Gap[], now: EpochMs): Gap[] {
  return gaps.map((gap) => ({ ...gap, until: gap.until ?? now }));
}

/** Whether an event of that time may not have been meant for it when it happened. */
export function isInGap({ gaps }: Pick<Endpoint, 'gaps'>, at: EpochMs): boolean {
  return gaps.some(({ from, until }) => from <= at && (until === undefined || at <= until));
}

function joinGaps(gaps: Gap[]): Gap[] {
  if (gaps.length <= GAPS_MAX) return gaps;
  const between = gaps.slice(1).map(({ from }, i) => from - (gaps[i]?.until ?? from));
  const nearest = between.indexOf(Math.min(...between));
  return gaps.flatMap((gap, i) => {
    if (i === nearest + 1) return [];
    const next = gaps[i + 1];
    return i === nearest && next ? [{ ...next, from: gap.from }] : [gap];
  });
}

/** The counts of failures in a row at which the tenant is told. @param limit at which the endpoint is disabled */
export function warnAt(limit: number): number[] {
  return [0.5, 0.7, 0.9].map((share) => Math.ceil(share * limit));
}

/** Failures in a row that are taken for bad luck. */
export const LUCK_MAX = 4;
const PAUSE_MS = 5_000;
const PAUSE_MAX_MS = 600_000;

/**
 * How long nothing is sent to a receiver that has failed so often in a row; 0 = it is sent to as before.
 *
 * @param random uniform in [0, 1)
 */
export function pauseOf(failures: number, random: () => number): number {
  if (failures <= LUCK_MAX) return 0;
  const pause = Math.min(PAUSE_MAX_MS, PAUSE_MS * 2 ** Math.min(failures - LUCK_MAX - 1, 20));
  return Math.round(pause * (0.8 + 0.4 * random()));
}
