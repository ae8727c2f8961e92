/** The events of one record as server-sent events. */

import { AppError, eventPlace, type LoggedEvent, type Tenant } from '@darkroom/shared/domain';
import { eventsAbout, placeAt } from '@darkroom/shared/usecases';
import type { Request, Response } from 'express';
import type { ApiDeps } from '../deps.ts';

/** Event ids are Redis's time and a record's creation is ours: the two clocks may differ by this much. */
const SKEW_MS = 60_000;

/** A record that has events. */
export type Told = {
  createdAt: number;
  /** It has nothing left to say. */
  isOver: boolean;
  /** Its last event, for when the stream of events has forgotten it. */
  end?: { type: LoggedEvent['type']; at: number };
  /** The record as it is when an event of it is sent. */
  present: () => Promise<unknown>;
};

export type EventStream = {
  tenant: Tenant;
  id: string;
  /** The freshest record. */
  read: () => Promise<Told>;
};

/**
 * A record's events: those so far, then each as it comes, until the record is over.
 *
 * `Last-Event-ID` resumes after that event. A stream that has nothing left to say answers 204, which tells an
 * EventSource not to come back.
 */
export async function streamEvents(deps: ApiDeps, of: EventStream, req: Request, res: Response): Promise<void> {
  let news = Promise.withResolvers<void>();
  const wake = () => news.resolve();
  const waitForNews = async () => {
    await news.promise;
    news = Promise.withResolvers<void>();
  };
  // Watch before reading: a change between the two is news, not a gap.
  const stop = deps.changes.watch(of.tenant, of.id, wake);
  res.on('close', wake);
  deps.draining.addEventListener('abort', wake, { once: true });
  try {
    await stream(
      deps,
      of,
      { last: lastEventId(of.tenant, req), bodyless: req.method === 'HEAD', wake, waitForNews },
      res,
    );
  } finally {
    stop();
    deps.draining.removeEventListener('abort', wake);
  }
}

type Wait = {
  last: string | undefined;
  bodyless: boolean;
  wake: () => void;
  waitForNews: () => Promise<void>;
};

async function stream(deps: ApiDeps, of: EventStream, wait: Wait, res: Response): Promise<void> {
  const { bodyless, wake, waitForNews } = wait;
  let told = await of.read();
  let last = wait.last ?? placeAt(of.tenant, told.createdAt - SKEW_MS);
  let events = await backlogOf(deps, of, told, wait.last, last);
  if (bodyless || (wait.last && events.length === 0 && told.isOver)) {
    res.status(bodyless ? 200 : 204).end();
    return;
  }
  openStream(res);
  const heartbeat = setInterval(() => {
    res.write(': still here\n\n');
    wake(); // News may be lost: look at the record now and then.
  }, deps.heartbeatMs);
  try {
    for (;;) {
      // Read after the events, so that none is told beside a state older than itself.
      const now = events.length ? await of.read() : told;
      for (const event of events) res.write(formatEvent(toWire(event, await now.present())));
      last = events.at(-1)?.id ?? last;
      if (told.isOver || res.destroyed || deps.draining.aborted) break;
      await waitForNews();
      // Read before the events, so that the last of them is there when it says that the record is over.
      told = await of.read();
      events = await deps.changes.eventsOf(of.tenant, of.id, last);
    }
  } finally {
    clearInterval(heartbeat);
    res.end();
  }
}

/** Begins an answer of server-sent events. */
export function openStream(res: Response): void {
  res.set({ 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
  res.flushHeaders();
}

/** Events that are kept no longer still have an end to tell: the last one, made from the record. */
async function backlogOf(
  deps: ApiDeps,
  { tenant, id }: EventStream,
  { end }: Told,
  seen: string | undefined,
  after: string,
): Promise<LoggedEvent[]> {
  const until = end ? end.at + SKEW_MS : Number.POSITIVE_INFINITY;
  const isRecent = await deps.events.isRecent(tenant, after);
  const all = isRecent ? undefined : await eventsAbout(deps.events, tenant, id, { after, until });
  const events = all ?? (await deps.changes.eventsOf(tenant, id, after));
  if (events.length || !end) return events;
  const place = placeAt(tenant, end.at);
  return seen === undefined || seen < place ? [{ id: place, ...end, job: id, tags: [] }] : [];
}

function toWire({ id, type, at }: LoggedEvent, data: unknown) {
  return { id, type, timestamp: new Date(at).toISOString(), data };
}

/** An event as a stream has it: `data` is what a list would show. */
export function formatEvent(event: { id: string; type: string }): string {
  return `id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}

/** The event that the caller has seen last. @throws AppError `invalid_request` for what is no id of the tenant's */
export function lastEventId(tenant: Tenant, req: Request): string | undefined {
  const value = req.get('last-event-id');
  // An EventSource that has seen none sends none, or an empty one.
  if (!value) return undefined;
  if (eventPlace(tenant, value)) return value;
  throw new AppError('invalid_request', {
    message: 'Last-Event-ID is not the id of an event of this stream.',
    param: 'Last-Event-ID',
    fix: 'Send the `id` of the last event you saw, or leave it out to hear all of them.',
  });
}
