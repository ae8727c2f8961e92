/**
 * What happened to a job or a batch, as it is logged.
 *
 * An event is written by the very script that makes the change, so neither is there without the other. Its id is the place
 * it has in its tenant's log, so ids sort as the events do, and need no index.
 */

import { hash } from 'node:crypto';
import type { AlertNote } from './alert.ts';
import { BATCH_EVENT_TYPES } from './batch.ts';
import { EVENT_TYPES } from './change.ts';
import type { BatchId, EpochMs, JobId, Tenant } from './job.ts';

export type EventId = string;

/** What a tenant is told of its endpoints of webhooks; `test` only because it asked for it. */
export const ENDPOINT_EVENT_TYPES = [
  'webhook_endpoint.failing',
  'webhook_endpoint.disabled',
  'webhook_endpoint.test',
] as const;
export type EndpointEventType = (typeof ENDPOINT_EVENT_TYPES)[number];

/** What the tenant of the operator is told of the service itself. */
export const ALERT_EVENT_TYPES = [
  'channel.degraded',
  'channel.opened',
  'channel.recovered',
  'model.retiring',
  'alert.raised',
  'alert.resolved',
] as const;

export const LOGGED_TYPES = [
  ...EVENT_TYPES,
  ...BATCH_EVENT_TYPES,
  ...ENDPOINT_EVENT_TYPES,
  ...ALERT_EVENT_TYPES,
] as const;
export type LoggedType = (typeof LOGGED_TYPES)[number];

/** About a job, of which `batch` is then the batch it is a row of; or, without `job`, about a batch, an endpoint or an alert. */
export type LoggedEvent = {
  id: EventId;
  type: LoggedType;
  /** By the log's clock. */
  at: EpochMs;
  job?: JobId;
  batch?: BatchId;
  endpoint?: string;
  /** Its job has a webhook of its own, which a row of a batch never has. */
  hooked?: true;
  /** Of an alert: the figure, as it was. */
  data?: AlertNote;
  /** Of the job or batch. */
  tags: string[];
};

/** A place in a tenant's log: the millisecond, and the number within it. */
export type EventPlace = { ms: EpochMs; seq: number };

/** The largest number within a millisecond. */
const SEQ_MAX = 0xffff_ffff;
const MS_MAX = 0xffff_ffff_ffff;
const FORM = /^evt_([0-9a-f]{12})7([0-9a-f]{3})8([0-9a-f]{5})([0-9a-f]{10})$/;

/**
 * `evt_` and a UUIDv7 in hex: 12 digits of time, 8 of the number within it around the variant's, 10 of the tenant's hash.
 *
 * @throws RangeError when the place is none that a log has
 */
export function eventId(tenant: Tenant, { ms, seq }: EventPlace): EventId {
  if (!isWithin(ms, MS_MAX) || !isWithin(seq, SEQ_MAX)) throw new RangeError(`no place in a log: ${ms}-${seq}`);
  const number = hex(seq, 8);
  return `evt_${hex(ms, 12)}7${number.slice(0, 3)}8${number.slice(3)}${tenantMark(tenant)}`;
}

/** Undoes `eventId`; `undefined` for what is no id, or one of another tenant's log. */
export function eventPlace(tenant: Tenant, id: string): EventPlace | undefined {
  const [, ms, high, low, mark] = FORM.exec(id) ?? [];
  if (!ms || !high || !low || mark !== tenantMark(tenant)) return undefined;
  return { ms: Number.parseInt(ms, 16), seq: Number.parseInt(high + low, 16) };
}

/** The time inside an event's id. */
export function timeOfEvent(id: EventId): EpochMs {
  return Number.parseInt(id.slice(4, 16), 16);
}

const DAY_MS = 86_400_000;

/** The UTC day of an instant, counted from 1970: what the archive of events is ordered by. */
export function dayOf(at: EpochMs): number {
  return Math.floor(at / DAY_MS);
}

/** When a day begins. */
export function startOfDay(day: number): EpochMs {
  return day * DAY_MS;
}

function isWithin(value: number, max: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value <= max;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

function tenantMark(tenant: Tenant): string {
  return hash('sha256', `events of ${tenant}`, 'hex').slice(0, 10);
}
