/** One log out of two places: what is recent, and before the border what was archived. */

import {
  dayOf,
  type EpochMs,
  type EventId,
  eventId,
  eventPlace,
  type LoggedEvent,
  startOfDay,
  type Tenant,
} from '../domain/index.ts';
import type { Clock, EventLog, RecentEvents } from '../ports/index.ts';
import type { EventArchive } from './event-archive.ts';

export type EventLogDeps = { recent: RecentEvents; archive: EventArchive; clock: Clock; retentionMs: number };

/**
 * The border is read together with the recent events, and what lies before it is at rest already: so nothing is read
 * twice and nothing is missed while events move.
 */
export function createEventLog({ recent, archive, clock, retentionMs }: EventLogDeps): EventLog {
  // Whole days: a day is deleted as one, and a list must not thin out from one page to the next.
  const keptSince = () => startOfDay(dayOf(clock.now() - retentionMs));
  const beginning = (tenant: Tenant) => placeBefore(tenant, keptSince());

  return {
    keptSince,
    read: async (tenant, { after, limit }) => {
      const { events, border } = await recent.after(tenant, after, limit);
      const oldest = beginning(tenant);
      const start = after !== undefined && after > oldest ? after : oldest;
      const end = border ?? lastBefore(tenant, events[0], clock.now());
      if (start >= end) return events;
      const archived = await take(archive.read(tenant, { after: start, upTo: end }), limit);
      return [...archived, ...events].slice(0, limit);
    },
    readBack: async (tenant, { before, limit }) => {
      const { events, border } = await recent.before(tenant, before, limit);
      if (events.length === limit) return events;
      const oldest = beginning(tenant);
      const edge = border ?? lastBefore(tenant, events.at(-1), clock.now());
      const end = before !== undefined && before <= edge ? previous(tenant, before) : edge;
      if (oldest >= end) return events;
      const span = { after: oldest, upTo: end };
      return [...events, ...(await take(archive.read(tenant, span, { newestFirst: true }), limit - events.length))];
    },
    isRecent: async (tenant, after) => {
      const { border } = await recent.after(tenant, after, 1);
      return border !== undefined && border <= after;
    },
    find: async (tenant, id) => {
      const place = eventPlace(tenant, id);
      if (!place) return undefined;
      const before = previous(tenant, id);
      const { events, border } = await recent.after(tenant, before, 1);
      if (events[0]?.id === id) return events[0];
      if ((border !== undefined && id > border) || id <= beginning(tenant)) return undefined;
      const [found] = await take(archive.read(tenant, { after: before, upTo: id }), 1);
      return found;
    },
  };
}

/** Events looked at to find those of one record; a busy tenant has so many in a minute. */
const SCAN_MAX = 10_000;
const SCAN_STEP = 1_000;

/**
 * The events about one job or batch itself between two places, oldest first.
 *
 * @returns `undefined` when there are too many of others in between
 */
export async function eventsAbout(
  log: EventLog,
  tenant: Tenant,
  id: string,
  { after, until }: { after: EventId; until: EpochMs },
): Promise<LoggedEvent[] | undefined> {
  const found: LoggedEvent[] = [];
  let at = after;
  for (let scanned = 0; scanned < SCAN_MAX; scanned += SCAN_STEP) {
    const events = await log.read(tenant, { after: at, limit: SCAN_STEP });
    found.push(...events.filter(({ job, batch }) => (job ?? batch) === id));
    const last = events.at(-1);
    if (events.length < SCAN_STEP || !last || last.at > until) return found;
    at = last.id;
  }
  return undefined;
}

async function take(parts: AsyncGenerator<LoggedEvent[], void>, limit: number): Promise<LoggedEvent[]> {
  const found: LoggedEvent[] = [];
  for await (const part of parts) {
    found.push(...part);
    if (found.length >= limit) break;
  }
  return found.slice(0, limit);
}

/** The latest time that a place has. */
const MS_MAX = 0xffff_ffff_ffff;

/** The first place of a time, or of the first or last time there is. */
export function placeAt(tenant: Tenant, at: EpochMs): EventId {
  return eventId(tenant, { ms: Math.min(Math.max(at, 0), MS_MAX), seq: 0 });
}

/** The place before every event of `at` or later. */
export function placeBefore(tenant: Tenant, at: EpochMs): EventId {
  return at <= 0 ? placeAt(tenant, 0) : eventId(tenant, { ms: Math.min(at, MS_MAX) - 1, seq: 0xffff_ffff });
}

/** Where the archive must end when nobody knows: before the oldest that is not in it. */
function lastBefore(tenant: Tenant, oldest: LoggedEvent | undefined, now: EpochMs): string {
  return oldest ? previous(tenant, oldest.id) : placeBefore(tenant, now + 86_400_000);
}

function previous(tenant: Tenant, id: EventId): EventId {
  const { ms, seq } = eventPlace(tenant, id) ?? { ms: 0, seq: 0 };
  return seq > 0 ? eventId(tenant, { ms, seq: seq - 1 }) : placeBefore(tenant, ms);
}
