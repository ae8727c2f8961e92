/** One request and the beginning of its answer. By handler rather than by stream, which costs as much again. */

import type { Dispatcher } from 'undici';

/** `body`: as much of it as is read. */
export type Answer = { http: number; headers: Record<string, string | string[] | undefined>; body: Buffer };

const BODY_BYTES_MAX = 65_536;
/** The status counts as it comes; what is said along with it is worth this much of a wait. */
const BODY_MS = 2_000;

/** No status came in time. */
export class TooLate extends Error {
  override name = 'TooLate';
}

/**
 * Sends the request, and reads the answer to 64 kB; what is longer, or takes long, is cut with its connection.
 *
 * @param timeoutMs until the status is there, from now
 * @throws TooLate, or whatever else kept the status from coming
 */
export function exchange(
  dispatcher: Dispatcher,
  request: Dispatcher.DispatchOptions,
  timeoutMs: number,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const chunks: Buffer[] = [];
  let left = BODY_BYTES_MAX;
  let answer: Omit<Answer, 'body'> | undefined;
  let controller: Dispatcher.DispatchController | undefined;
  let isOver = false;
  const end = (error?: Error) => {
    isOver = true;
    clearTimeout(timer);
    if (answer) resolve({ ...answer, body: Buffer.concat(chunks) });
    else reject(error ?? new Error('there was no status'));
  };
  const stop = () => {
    // Without a connection yet there is nothing to abort.
    controller?.abort(new TooLate());
    end(new TooLate());
  };
  let timer = setTimeout(stop, timeoutMs);
  dispatcher.dispatch(request, {
    onRequestStart: (started) => {
      controller = started;
      if (isOver) started.abort(new TooLate());
    },
    onResponseStart: (_, http, headers) => {
      if (http < 200) return;
      answer = { http, headers };
      clearTimeout(timer);
      timer = setTimeout(stop, BODY_MS);
    },
    onResponseData: (_, chunk) => {
      chunks.push(Buffer.from(chunk.subarray(0, left)));
      left -= chunk.length;
      if (left <= 0) stop();
    },
    onResponseEnd: () => end(),
    onResponseError: (_, error) => end(error),
  });
  return promise;
}
