/** The events of one record as server-sent events. */

import { AppError, type Tenant } from '@darkroom/shared/domain';
import type { JobEvent } from '@darkroom/shared/ports';
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
  end?: { type: JobEvent['type']; at: number };
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
    await stream(deps, of, { last: lastEventId(req), bodyless: req.method === 'HEAD', wake, waitForNews }, res);
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
  let last = wait.last ?? `${told.createdAt - SKEW_MS}-0`;
  let events = await backlogOf(deps, of, told, wait.last, last);
  if (bodyless || (wait.last && events.length === 0 && told.isOver)) {
    res.status(bodyless ? 200 : 204).end();
    return;
  }
  open(res);
  const heartbeat = setInterval(() => {
    res.write(': still here\n\n');
    wake(); // News may be lost: look at the record now and then.
  }, deps.heartbeatMs);
  try {
    for (;;) {
      // Read after the events, so that none is told beside a state older than itself.
      const now = events.length ? await of.read() : told;
      for (const event of events) res.write(format(event, await now.present()));
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

function open(res: Response): void {
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
): Promise<JobEvent[]> {
  const events = await deps.changes.eventsOf(tenant, id, after);
  if (events.length || !end) return events;
  return seen === undefined || millisOf(seen) < end.at ? [{ id: `${end.at}-0`, ...end, job: id }] : [];
}

function millisOf(eventId: string): number {
  return Number(eventId.slice(0, eventId.indexOf('-')));
}

function format({ id, type, at }: JobEvent, view: unknown): string {
  const data = { type, timestamp: new Date(at).toISOString(), data: view };
  return `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
}

function lastEventId(req: Request): string | undefined {
  const value = req.get('last-event-id');
  // An EventSource that has seen none sends none, or an empty one.
  if (!value) return undefined;
  if (/^\d{1,15}-\d{1,10}$/.test(value)) return value;
  throw new AppError('invalid_request', {
    message: 'Last-Event-ID is not the id of an event of this stream.',
    param: 'Last-Event-ID',
    fix: 'Send the `id` of the last event you saw, or leave it out to hear all of them.',
  });
}
