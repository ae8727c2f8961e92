/**
 * One HTTP exchange, watched on the wire.
 *
 * The dispatcher's own callbacks are used, not a fetch: they tell the moment before the first byte is written (what
 * fails earlier was never sent), and hand over body chunks without a stream in between. A success is lifted into the
 * spool as it arrives; an error answer is small and kept as text.
 */

import type { Dispatcher } from 'undici';
import type { SpooledBlob } from '../../domain/answer.ts';
import type { SpoolEntry } from '../../ports/spool.ts';
import { startDeadline } from './deadline.ts';
import { createExtractor, type Extractor } from './extractor.ts';
import type { Turns } from './turns.ts';

/** Of an error answer no more is read. */
const ERROR_BYTES = 1 << 20;

export type WireAnswer = {
  type: 'answered';
  status: number;
  headers: Record<string, string>;
  /** The body with its base64 fields lifted out. */
  text: string;
  blobs: SpooledBlob[];
  /** The body's end was told by its framing, not by the connection's end. */
  framed: boolean;
  ms: number;
};

export type WireEnd = WireAnswer | { type: 'unsent'; reason: string } | { type: 'unknown'; reason: string };

export type HttpRequest = {
  method: 'GET' | 'POST' | 'DELETE';
  url: URL;
  headers: Record<string, string>;
  body?: string | Buffer;
};

export type ExchangeOptions = {
  dispatcher: Dispatcher;
  turns: Turns;
  /** Where lifted base64 fields go. */
  entry: Pick<SpoolEntry, 'blob'>;
  timeoutMs: number;
  signal: AbortSignal;
  /** Told as the request begins to leave. */
  leaving?: (() => void) | undefined;
};

/** Sends `request` once and says how that ended. Never throws for what network or provider do. */
export function exchange(request: HttpRequest, options: ExchangeOptions): Promise<WireEnd> {
  const { promise, resolve } = Promise.withResolvers<WireEnd>();
  const { dispatcher, turns, entry, timeoutMs, signal, leaving } = options;
  let controller: Dispatcher.DispatchController | undefined;
  let startedAt = 0;
  let over = false;
  let received = 0;
  let head: { status: number; headers: Record<string, string>; framed: boolean } | undefined;
  let extractor: Extractor | undefined;
  const errorBody: Buffer[] = [];

  const deadline = startDeadline({
    timeoutMs,
    received: () => received,
    expire: () => giveUp(`no whole answer within ${timeoutMs} ms`),
  });
  const onAbort = () => giveUp('the call was aborted');
  signal.addEventListener('abort', onAbort);

  function finish(end: WireEnd | Promise<WireEnd>): void {
    if (over) return;
    over = true;
    deadline[Symbol.dispose]();
    signal.removeEventListener('abort', onAbort);
    resolve(end);
  }

  function giveUp(reason: string): void {
    finish(broken(reason));
    controller?.abort(new Error(reason));
  }

  /** What is known once the exchange broke off: an error status stands, whatever became of its body. */
  function broken(reason: string): WireEnd {
    if (!controller) return { type: 'unsent', reason };
    return head && !extractor ? errorAnswer(head) : { type: 'unknown', reason };
  }

  function errorAnswer(known: NonNullable<typeof head>): WireAnswer {
    const text = Buffer.concat(errorBody).toString('utf8');
    return { type: 'answered', ...known, text, blobs: [], ms: elapsed() };
  }

  async function success(known: NonNullable<typeof head>, lifting: Extractor): Promise<WireEnd> {
    const ms = elapsed();
    try {
      const { skeleton, blobs } = await lifting.end();
      return { type: 'answered', ...known, text: skeleton.toString('utf8'), blobs, ms };
    } catch (error) {
      return { type: 'unknown', reason: reasonOf(error) };
    }
  }

  const elapsed = () => Math.round(performance.now() - startedAt);

  function take(from: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!extractor) {
      if (received <= ERROR_BYTES) errorBody.push(chunk);
      return;
    }
    const waiting = extractor.push(chunk);
    if (!waiting) return turns.pace(from);
    from.pause();
    waiting.then(
      () => from.resume(),
      (error: unknown) => giveUp(reasonOf(error)),
    );
  }

  const handler: Dispatcher.DispatchHandler = {
    onRequestStart(starting) {
      if (over) return starting.abort(new Error('given up before it was sent'));
      controller = starting;
      startedAt = performance.now();
      leaving?.();
    },
    onResponseStart(_, status, headers) {
      received += 1;
      if (status < 200) return;
      head = { status, headers: flat(headers), framed: isFramed(status, headers) };
      if (status < 300) extractor = createExtractor((index) => entry.blob(index));
    },
    onResponseData(from, chunk) {
      received += chunk.length;
      if (!over) take(from, chunk); // a throw aborts the exchange and comes back as its error
    },
    onResponseEnd() {
      if (!head) return finish({ type: 'unknown', reason: 'the answer had no status' });
      finish(extractor ? success(head, extractor) : errorAnswer(head));
    },
    onResponseError(_, error) {
      finish(broken(reasonOf(error)));
    },
  };

  if (signal.aborted) giveUp('the call was aborted');
  else send(dispatcher, request, handler, giveUp);
  return promise;
}

function send(
  dispatcher: Dispatcher,
  { method, url, headers, body }: HttpRequest,
  handler: Dispatcher.DispatchHandler,
  fail: (reason: string) => void,
): void {
  try {
    const path = `${url.pathname}${url.search}`;
    dispatcher.dispatch({ origin: url.origin, path, method, headers, body: body ?? null }, handler);
  } catch (error) {
    fail(reasonOf(error));
  }
}

/** Whether the answer itself says where it ends, so that a cut shows. */
function isFramed(status: number, headers: Record<string, unknown>): boolean {
  return status === 204 || headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
}

function flat(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const one: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) one[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : value;
  }
  return one;
}

/** An error in one line, with the system's code behind it. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  const text = error.message || (error instanceof AggregateError ? reasonOf(error.errors[0]) : error.name);
  return code && !text.includes(code) ? `${text} (${code})` : text;
}
