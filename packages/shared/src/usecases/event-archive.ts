/**
 * Events at rest in the object store: day by day, each day in parts `00000.jsonl`, `00001.jsonl` … without a gap.
 *
 * A part is written once and never changes, under the first free number, which only one writer gets; the next part begins
 * behind its last event. So a day is one ordered list without doubles, however many wrote it, and it is searched like one:
 * what a part begins and ends with is told beside it. No index is kept anywhere.
 */

import { text } from 'node:stream/consumers';
import {
  AppError,
  dayOf,
  type EventId,
  eventsKey,
  type LoggedEvent,
  type Tenant,
  timeOfEvent,
} from '../domain/index.ts';
import type { ObjectStore } from '../ports/index.ts';

/** The first and the last event of a part. */
type Span = { first: EventId; last: EventId };

/** What lies between: later than `after`, not later than `upTo`. */
type EventSpan = { after: EventId; upTo: EventId };

export type EventArchive = {
  /** The events of a span, a part at a time; with `newestFirst`, parts and events from its end. */
  read(tenant: Tenant, span: EventSpan, how?: { newestFirst: boolean }): AsyncGenerator<LoggedEvent[], void>;
  /**
   * Adds events of one day, oldest first, behind those that are there. Safe to repeat.
   *
   * @returns the last event of that day's archive: somebody else may have been first, with more or with fewer of them
   */
  add(tenant: Tenant, events: [LoggedEvent, ...LoggedEvent[]]): Promise<EventId>;
  /** The last event of a day. */
  lastOf(tenant: Tenant, day: number): Promise<EventId | undefined>;
  /** Deletes a day, its last part first: what a crash leaves is a day as before, only shorter. @returns how many parts */
  forget(tenant: Tenant, day: number): Promise<number>;
};

/** Days asked for side by side: most tenants are quiet on many. */
const DAYS_WIDTH = 8;
/** Parts kept in memory, since a list is read in pages that are smaller; and what is known of parts. */
const PARTS_KEPT = 4;
const SPANS_KEPT = 2_000;

export function createEventArchive(store: ObjectStore): EventArchive {
  const spans = new Map<string, Span>();
  const parts = new Map<string, LoggedEvent[]>();

  const spanOf = async (key: string): Promise<Span | undefined> => {
    const known = spans.get(key);
    if (known) return known;
    const { first, last } = (await store.head(key))?.custom ?? {};
    return first && last ? keep(spans, SPANS_KEPT, key, { first, last }) : undefined;
  };
  const load = async (key: string): Promise<LoggedEvent[]> => {
    const known = parts.get(key);
    if (known) return known;
    const stream = await store.get(key);
    if (!stream) return [];
    const lines = (await text(stream)).split('\n').filter(Boolean);
    return keep(parts, PARTS_KEPT, key, lines.map(parseLine));
  };
  /** How many parts, from the first on, are as `holds` says: those in front are, those behind are not. */
  const countWhile = async (tenant: Tenant, day: number, holds: (span: Span) => boolean): Promise<number> => {
    const isSo = async (n: number) => {
      const span = await spanOf(eventsKey(tenant, day, n));
      return span !== undefined && holds(span);
    };
    let [from, to] = [0, 1];
    while (await isSo(to - 1)) [from, to] = [to, to * 2];
    // `from` parts are so; part `to - 1` is not.
    for (to -= 1; from < to; ) {
      const middle = (from + to) >> 1;
      if (await isSo(middle)) from = middle + 1;
      else to = middle;
    }
    return from;
  };
  const count = (tenant: Tenant, day: number) => countWhile(tenant, day, () => true);
  const daysWithEvents = async (tenant: Tenant, days: number[]) => {
    const found = await Promise.all(days.map((day) => spanOf(eventsKey(tenant, day, 0))));
    return days.filter((_, i) => found[i]);
  };

  async function* forward(tenant: Tenant, day: number, after: EventId) {
    for (let n = await countWhile(tenant, day, ({ last }) => last <= after); ; n++) {
      const key = eventsKey(tenant, day, n);
      if (!(await spanOf(key))) return;
      yield await load(key);
    }
  }
  async function* backward(tenant: Tenant, day: number, upTo: EventId) {
    for (let n = (await countWhile(tenant, day, ({ first }) => first <= upTo)) - 1; n >= 0; n--)
      yield (await load(eventsKey(tenant, day, n))).toReversed();
  }

  return {
    async *read(tenant, { after, upTo }, { newestFirst } = { newestFirst: false }) {
      const isIn = ({ id }: LoggedEvent) => id > after && id <= upTo;
      for (const days of chunks(daysBetween(after, upTo, newestFirst), DAYS_WIDTH)) {
        for (const day of await daysWithEvents(tenant, days)) {
          const all = newestFirst ? backward(tenant, day, upTo) : forward(tenant, day, after);
          for await (const part of all) {
            const events = part.filter(isIn);
            // Parts are in order: one with nothing of the span lies behind it.
            if (events.length === 0) break;
            yield events;
          }
        }
      }
    },
    add: async (tenant, events) => {
      const day = dayOf(timeOfEvent(events[0].id));
      const n = await count(tenant, day);
      const end = n > 0 ? (await spanOf(eventsKey(tenant, day, n - 1)))?.last : undefined;
      if (end !== undefined && end >= events[0].id) return end;
      const span = { first: events[0].id, last: events.at(-1)?.id ?? events[0].id };
      const key = eventsKey(tenant, day, n);
      const body = Buffer.from(events.map((event) => `${JSON.stringify(event)}\n`).join(''));
      try {
        await store.put(key, body, { contentType: 'application/x-ndjson', custom: span });
        return span.last;
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== 'object_conflict') throw error;
        // Somebody else was first, with another number of the same events.
        const theirs = await spanOf(key);
        if (!theirs) throw error;
        return theirs.last;
      }
    },
    lastOf: async (tenant, day) => {
      const n = await count(tenant, day);
      return n > 0 ? (await spanOf(eventsKey(tenant, day, n - 1)))?.last : undefined;
    },
    forget: async (tenant, day) => {
      const there = await count(tenant, day);
      for (let n = there - 1; n >= 0; n--) {
        const key = eventsKey(tenant, day, n);
        await store.delete(key);
        spans.delete(key);
        parts.delete(key);
      }
      return there;
    },
  };
}

/** Written by this program from this very type; the part is not an edge. */
function parseLine(line: string): LoggedEvent {
  return JSON.parse(line) as LoggedEvent;
}

/** The oldest goes when there are too many. */
function keep<T>(kept: Map<string, T>, most: number, key: string, value: T): T {
  const [oldest] = kept.keys();
  if (kept.size >= most && oldest !== undefined) kept.delete(oldest);
  kept.set(key, value);
  return value;
}

function daysBetween(after: EventId, upTo: EventId, newestFirst: boolean): number[] {
  const [from, to] = [dayOf(timeOfEvent(after)), dayOf(timeOfEvent(upTo))];
  const days = Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
  return newestFirst ? days.toReversed() : days;
}

function* chunks<T>(all: T[], size: number): Generator<T[]> {
  for (let i = 0; i < all.length; i += size) yield all.slice(i, i + size);
}
