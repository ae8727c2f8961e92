/** What happened, in order, tenant by tenant. */

import type { EventId, LoggedEvent } from '../domain/event.ts';
import type { EpochMs, Tenant } from '../domain/job.ts';

/**
 * All events that are kept, wherever they lie. They come in one order, and none that comes is ever one before another that
 * has come already: an event's id is the cursor of whoever has got as far as that.
 */
export type EventLog = {
  /**
   * Events after `after`, of any id of this tenant's or from the oldest, oldest first.
   *
   * @returns fewer than `limit` only when there are no more
   */
  read(tenant: Tenant, from: { after?: EventId | undefined; limit: number }): Promise<LoggedEvent[]>;
  /** Events before `before`, or from the newest, newest first; fewer than `limit` only when there are no more. */
  readBack(tenant: Tenant, from: { before?: EventId | undefined; limit: number }): Promise<LoggedEvent[]>;
  find(tenant: Tenant, id: EventId): Promise<LoggedEvent | undefined>;
  /** Whether every event after `after` is at hand, so that `Changes.eventsOf` has them all. */
  isRecent(tenant: Tenant, after: EventId): Promise<boolean>;
  /** Since when events are kept. */
  keptSince(): EpochMs;
};

/**
 * Events that have not moved to the archive. `border` is the last that has; `undefined` = nobody knows.
 *
 * What lies behind the border is here, whole; what lies before it, in the archive.
 */
export type RecentEvents = {
  after(
    tenant: Tenant,
    after: EventId | undefined,
    limit: number,
  ): Promise<{ events: LoggedEvent[]; border?: EventId }>;
  before(
    tenant: Tenant,
    before: EventId | undefined,
    limit: number,
  ): Promise<{ events: LoggedEvent[]; border?: EventId }>;
  size(tenant: Tenant): Promise<number>;
  /** Notes that the archive reaches as far as `upTo`, and drops what it holds. A border never goes back. Safe to send twice. */
  moved(tenant: Tenant, upTo: EventId): Promise<void>;
};
