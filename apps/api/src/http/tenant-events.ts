/** Everything that happens to a tenant's jobs and batches, as server-sent events. */

import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError, type EventId, type LoggedEvent, type Tenant } from '@darkroom/shared/domain';
import type { StreamEventsQuery } from '@darkroom/shared/schemas';
import { eventFilter, placeAt, placeBefore, presentEvents } from '@darkroom/shared/usecases';
import type { Request, Response } from 'express';
import type { ApiDeps } from '../deps.ts';
import { formatEvent, lastEventId, openStream } from './event-stream.ts';

/** Events read in one step. */
const STEP = 200;
/** News come in swarms: what comes within this is told together. */
const GATHER_MS = 50;
/** New jobs are no news to anybody who waits, so the log is looked at this often in any case. */
const LOOK_MS = 500;
/** Streams of one tenant at one time, of one process: each of them reads all of the tenant's events. */
const STREAMS_MAX = 50;

export type TenantStreams = (tenant: Tenant, query: StreamEventsQuery, req: Request, res: Response) => Promise<void>;

/** Streams of events, at most so many of one tenant. */
export function createTenantStreams(deps: ApiDeps): TenantStreams {
  const open = new Map<Tenant, number>();
  const leave = (tenant: Tenant) => {
    const left = (open.get(tenant) ?? 1) - 1;
    if (left > 0) open.set(tenant, left);
    else open.delete(tenant);
  };
  return async (tenant, query, req, res) => {
    const others = open.get(tenant) ?? 0;
    if (others >= STREAMS_MAX) throw tooMany();
    open.set(tenant, others + 1);
    try {
      const place = await startOf(deps, tenant, query, req);
      if (req.method === 'HEAD') res.type('text/event-stream').end();
      else await follow(deps, { tenant, query, place }, res);
    } finally {
      leave(tenant);
    }
  };
}

/** Where a stream is: `after` in the log; `seen` = that is an event, and the caller may resume there. */
type Place = { after: EventId; seen: boolean };

/** Behind the event seen last; else where `since` says; else behind the newest one. */
async function startOf(deps: ApiDeps, tenant: Tenant, { since }: StreamEventsQuery, req: Request): Promise<Place> {
  const { events } = deps;
  const last = lastEventId(tenant, req);
  if (last !== undefined) {
    if (await events.find(tenant, last)) return { after: last, seen: true };
    throw notKept(last <= placeBefore(tenant, events.keptSince()));
  }
  if (since !== undefined) return { after: placeBefore(tenant, since), seen: false };
  const [newest] = await events.readBack(tenant, { limit: 1 });
  return newest ? { after: newest.id, seen: true } : { after: placeAt(tenant, 0), seen: false };
}

type Followed = { tenant: Tenant; query: StreamEventsQuery; place: Place };

async function follow(deps: ApiDeps, { tenant, query, place }: Followed, res: Response): Promise<void> {
  const isMeant = eventFilter(query);
  const gone = new AbortController();
  const news = createNews();
  // Watch before reading: a change between the two is news, not a gap.
  const stopWatching = deps.changes.watchAll(tenant, news.tell);
  const end = () => {
    gone.abort();
    news.tell();
  };
  res.on('close', end);
  deps.draining.addEventListener('abort', end, { once: true });
  if (deps.draining.aborted || res.destroyed) end();
  openStream(res);
  res.write(mark(place));
  // With the place in the log: whoever is told of few events need not go back to the last of them.
  const heartbeat = setInterval(() => res.write(`: still here\n${mark(place)}`), deps.heartbeatMs);
  try {
    while (!gone.signal.aborted) {
      const events = await deps.events.read(tenant, { after: place.after, limit: STEP });
      await tell(deps, { tenant, query, place }, events.filter(isMeant), { res, signal: gone.signal });
      const last = events.at(-1);
      if (last) moveTo(place, last);
      if (events.length < STEP) await news.next(gone.signal);
    }
  } finally {
    clearInterval(heartbeat);
    stopWatching();
    deps.draining.removeEventListener('abort', end);
    res.end();
  }
}

/** At the receiver's pace. */
async function tell(
  deps: ApiDeps,
  { tenant, place }: Followed,
  events: LoggedEvent[],
  { res, signal }: { res: Response; signal: AbortSignal },
): Promise<void> {
  const views = await presentEvents(deps, tenant, events);
  for (const [i, view] of views.entries()) {
    if (signal.aborted) return;
    const isTaken = res.write(formatEvent(view));
    const event = events[i];
    // With each: a heartbeat in between must not lead back to before what was told.
    if (event) moveTo(place, event);
    if (!isTaken) await once(res, 'drain', { signal }).catch(() => undefined);
  }
}

function moveTo(place: Place, { id }: LoggedEvent): void {
  place.after = id;
  place.seen = true;
}

/** Tells an EventSource where to resume, and nothing else. */
function mark({ after, seen }: Place): string {
  return seen ? `id: ${after}\n\n` : '\n';
}

/** News that may come before anybody waits for them. */
function createNews() {
  let news = Promise.withResolvers<void>();
  return {
    tell: () => news.resolve(),
    /** Waits for the next news, or for the next look; and then for what else comes at the same time. */
    next: async (signal: AbortSignal) => {
      const timer = setTimeout(() => news.resolve(), LOOK_MS);
      await news.promise;
      clearTimeout(timer);
      if (!signal.aborted) await sleep(GATHER_MS, undefined, { signal }).catch(() => undefined);
      news = Promise.withResolvers<void>();
    },
  };
}

function notKept(isTooOld: boolean): AppError {
  return new AppError('invalid_request', {
    message: isTooOld
      ? 'The event that Last-Event-ID names is older than events are kept.'
      : 'Last-Event-ID is not the id of an event that there is.',
    param: 'Last-Event-ID',
    fix: 'Leave it out to hear what is new, or add since=TIME; GET /v1/events lists all events that are kept.',
  });
}

function tooMany(): AppError {
  return new AppError('rate_limited', {
    message: `More than ${STREAMS_MAX} streams of events are open.`,
    retryable: true,
    retryAfterMs: 30_000,
    fix: 'Close one that nobody reads; one stream without filters tells everything.',
  });
}
