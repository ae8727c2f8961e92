/** What happened: listed, and told as it comes. */

import type { EventView } from '@darkroom/shared/schemas';
import { DarkroomError } from './error.ts';
import { type Http, unreachable } from './http.ts';
import { pause } from './insist.ts';
import { pages } from './pages.ts';
import { readServerSent } from './sse.ts';

type Options = { signal?: AbortSignal | undefined };

/** What is wanted; see `GET /v1/events` of the OpenAPI document. */
export type EventFilter = {
  /** Such as `job.failed`, or `job.*` for a group. */
  type?: string | readonly string[] | undefined;
  job?: string | undefined;
  batch?: string | undefined;
  endpoint?: string | undefined;
  tag?: string | undefined;
  /** RFC 3339. */
  since?: string | undefined;
};

export type EventMethods = {
  getEvent(id: string, options?: Options): Promise<EventView>;
  /** Those that are kept, newest first unless `order` says otherwise. Short outages are sat out. */
  events(
    filter?: EventFilter & { until?: string; order?: 'asc' | 'desc' },
    options?: Options,
  ): AsyncGenerator<EventView>;
  /**
   * Each event as it happens, until the signal. A stream that is cut is opened again where it was cut, so none is missed;
   * `lastEventId` goes on after that event, which may be days old.
   */
  streamEvents(filter?: EventFilter, options?: Options & { lastEventId?: string }): AsyncGenerator<EventView>;
};

const PATH = '/v1/events';

export function eventMethods(http: Http): EventMethods {
  return {
    getEvent: (id, options) => http.json(`${PATH}/${encodeURIComponent(id)}`, { ...options }),
    events: (query = {}, options) => pages(http, PATH, { query, ...options }),
    streamEvents: (filter, options) => stream(http, filter, options),
  };
}

const FIRST_PAUSE_MS = 500;
const PAUSE_MAX_MS = 30_000;

async function* stream(
  http: Http,
  { since, ...filter }: EventFilter = {},
  { lastEventId, signal }: Options & { lastEventId?: string } = {},
): AsyncGenerator<EventView> {
  let last = lastEventId;
  // Where a stream begins that has not been told of a place yet: where it began the first time.
  let start = since;
  let pauseMs = FIRST_PAUSE_MS;
  for (;;) {
    try {
      const response = await http.send(PATH, {
        query: { ...filter, ...(last === undefined && { since: start }) },
        headers: { accept: 'text/event-stream', 'last-event-id': last },
        signal,
      });
      start ??= dateOf(response);
      for await (const { id, data } of messagesOf(response, signal)) {
        pauseMs = FIRST_PAUSE_MS;
        last = id ?? last;
        if (data !== undefined) yield JSON.parse(data) as EventView;
      }
    } catch (error) {
      if (!(error instanceof DarkroomError) || !error.retryable) throw error;
    }
    await pause(pauseMs, signal);
    pauseMs = Math.min(PAUSE_MAX_MS, pauseMs * 2);
  }
}

async function* messagesOf({ body, url }: Response, signal: AbortSignal | undefined) {
  if (!body) return;
  const messages = readServerSent(body);
  try {
    for (;;) {
      const { done, value } = await messages.next().catch(unreachable(url, { signal }));
      if (done) return;
      yield value;
    }
  } finally {
    await messages.return(undefined).catch(() => undefined);
  }
}

/** The server's own clock is what events are dated by. */
function dateOf({ headers }: Response): string | undefined {
  const at = Date.parse(headers.get('date') ?? '');
  return Number.isNaN(at) ? undefined : new Date(at).toISOString();
}
