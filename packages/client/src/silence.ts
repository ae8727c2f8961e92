/** A connection on which nothing moves any more counts as one that is cut: else it would be waited for without end. */

import { DarkroomError } from './error.ts';

type Body = ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer> | string;

/** A `fetch` that gives up on silence. @param extraMs for an answer that may well take longer than others */
export type WatchedFetch = (
  url: URL,
  init: Omit<RequestInit, 'body'> & { body?: Body },
  extraMs?: number,
) => Promise<Response>;

/** Bytes a millisecond at which a body that is handed over whole leaves at the least: nobody sees how far it is. */
const UPLOAD_RATE = 50;

/**
 * Silence is counted while the answer is waited for, anew from each piece of a body that is streamed there; and while a
 * piece of the answer is waited for, but not while its reader is busy.
 *
 * @param silenceMs after so long a call, or the body of its answer, fails with a retryable DarkroomError
 */
export function createWatchedFetch(fetch: typeof globalThis.fetch, silenceMs: number): WatchedFetch {
  return async (url, { body, signal, ...init }, extraMs = 0) => {
    const cut = new AbortController();
    const asking = createWait(cut, url, silenceMs + extraMs + lengthOf(body) / UPLOAD_RATE);
    let answered = false;
    const sent = body instanceof ReadableStream ? relayed(body, (next) => (answered || asking.begin(), next())) : body;
    asking.begin();
    const response = await fetch(url, {
      ...init,
      ...(sent !== undefined && { body: sent }),
      signal: AbortSignal.any(signal ? [signal, cut.signal] : [cut.signal]),
    })
      .catch(asking.explain)
      .finally(() => {
        answered = true;
        asking.end();
      });
    return response.body ? new Response(heard(response.body, createWait(cut, url, silenceMs)), response) : response;
  };
}

function heard(body: ReadableStream<Uint8Array>, wait: Wait): ReadableStream<Uint8Array> {
  return relayed(body, (next) => {
    wait.begin();
    return next().catch(wait.explain).finally(wait.end);
  });
}

type Next = () => ReturnType<ReadableStreamDefaultReader<Uint8Array>['read']>;

/** The same bytes, each piece asked for by `read`, and none before it is wanted. */
function relayed(body: ReadableStream<Uint8Array>, read: (next: Next) => ReturnType<Next>): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const { done, value } = await read(() => reader.read());
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

function lengthOf(body: Body | undefined): number {
  return body === undefined || body instanceof ReadableStream ? 0 : body.length;
}

type Wait = {
  /** Counts from now. */
  begin: () => void;
  end: () => void;
  /** What failed because it was cut here says so. */
  explain: (error: unknown) => never;
};

function createWait(cut: AbortController, { origin }: URL, ms: number): Wait {
  let timer: NodeJS.Timeout | undefined;
  const end = () => clearTimeout(timer);
  const giveUp = () => cut.abort(new DarkroomError(`${origin} was silent for ${ms / 1_000} s.`, { status: 0 }));
  return {
    begin: () => {
      end();
      timer = setTimeout(giveUp, ms);
    },
    end,
    explain: (error) => {
      throw cut.signal.aborted ? cut.signal.reason : error;
    },
  };
}
