import { AppError, type EventId, eventPlace, type LoggedEvent, type Tenant } from '../domain/index.ts';
import type { EventLog } from '../ports/index.ts';
import type { ListEventsQuery, StreamEventsQuery } from '../schemas/index.ts';
import { placeAt, placeBefore } from './event-log.ts';

export type EventPage = { events: LoggedEvent[]; nextCursor?: EventId };

/** Events looked at for one page: a rare tag ends the page early, with a cursor to go on from. */
const SCAN_MAX = 10_000;
/** Events looked at in one step when most of them may not be meant. */
const STEP = 1_000;

/** Events that are kept, newest first or oldest first. A page may hold fewer than `limit` and still not be the last. */
export async function listEvents(log: EventLog, tenant: Tenant, query: ListEventsQuery): Promise<EventPage> {
  const { limit, since, until } = query;
  if (since !== undefined && until !== undefined && since >= until) throw emptySpan();
  const isMeant = eventFilter(query);
  const isPast = pastEnd(query);
  const found: LoggedEvent[] = [];
  const step = isNarrow(query) ? STEP : limit + 1;
  let at = startOf(tenant, query);
  for (let scanned = 0; scanned < SCAN_MAX; scanned += step) {
    const events = await (query.order === 'asc'
      ? log.read(tenant, { after: at, limit: step })
      : log.readBack(tenant, { before: at, limit: step }));
    for (const event of events) {
      if (isPast(event)) return { events: found };
      if (isMeant(event)) {
        if (found.length === limit) return { events: found, ...cursorAt(found.at(-1)?.id) };
        found.push(event);
      }
      at = event.id;
    }
    if (events.length < step) return { events: found };
  }
  return { events: found, ...cursorAt(at) };
}

/** Whether an event is what a query asks for, apart from its time. */
export function eventFilter({ type, job, batch, endpoint, tag }: StreamEventsQuery): (event: LoggedEvent) => boolean {
  return (event) =>
    (type === undefined || type.has(event.type)) &&
    (job === undefined || event.job === job) &&
    (batch === undefined || event.batch === batch) &&
    (endpoint === undefined || event.endpoint === endpoint) &&
    (tag === undefined || event.tags.includes(tag));
}

function isNarrow({ type, job, batch, endpoint, tag }: StreamEventsQuery): boolean {
  return [type, job, batch, endpoint, tag].some((filter) => filter !== undefined);
}

function pastEnd({ order, since, until }: ListEventsQuery): (event: LoggedEvent) => boolean {
  if (order === 'asc') return ({ at }) => until !== undefined && at >= until;
  return ({ at }) => since !== undefined && at < since;
}

/** The place the list begins behind, in its direction. */
function startOf(tenant: Tenant, { order, since, until, after }: ListEventsQuery): EventId | undefined {
  if (after !== undefined && !eventPlace(tenant, after)) throw noCursor();
  const bound = order === 'asc' ? since && placeBefore(tenant, since) : until && placeAt(tenant, until);
  const places = [after, bound || undefined].filter((place) => place !== undefined).toSorted();
  return places.at(order === 'asc' ? -1 : 0);
}

function cursorAt(id: EventId | undefined): { nextCursor?: EventId } {
  return id === undefined ? {} : { nextCursor: id };
}

function emptySpan(): AppError {
  return new AppError('invalid_request', {
    message: 'until must be later than since.',
    param: 'until',
    fix: 'Swap the two, or leave one of them out.',
  });
}

function noCursor(): AppError {
  return new AppError('invalid_request', {
    message: 'after is not a cursor of this list.',
    param: 'after',
    fix: 'Send the next_cursor of the page before, or leave after out for the first page.',
  });
}
