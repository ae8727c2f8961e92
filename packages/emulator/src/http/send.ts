/** Writes answers to sockets, whole or broken in the way a fault asks for. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';

/** How the bytes of an answer travel. */
export type Manner =
  | { type: 'whole' }
  /** Breaks off after `fraction` of the bytes, or after so many of them. */
  | { type: 'cut'; fraction: number }
  | { type: 'cut'; atByte: number }
  /** Comes in `pieces`, evenly over `overMs`. */
  | { type: 'drip'; overMs: number; pieces: number }
  /** Ends well, after half of the bytes. */
  | { type: 'half' };

const WHOLE: Manner = { type: 'whole' };
/** Small enough that a slow reader holds up the writer, not the memory. */
const WRITE_BYTES = 512 * 1024;

const HEADERS = {
  vary: 'Origin, X-Origin, Referer',
  server: 'scaffolding on HTTPServer2',
  'x-xss-protection': '0',
  'x-frame-options': 'SAMEORIGIN',
  'x-content-type-options': 'nosniff',
};

export const JSON_TYPE = 'application/json; charset=UTF-8';

/** Headers of every answer, with the milliseconds it took. */
export function answerHeaders(contentType: string, ms: number): Record<string, string> {
  return { 'content-type': contentType, ...HEADERS, 'server-timing': `gfet4t7; dur=${Math.round(ms)}` };
}

/** What is sent: the same bytes each time it is gone through. */
export type Source = Iterable<Buffer> | AsyncIterable<Buffer>;

/**
 * Writes `source` piece by piece, as fast as the other side reads.
 *
 * @returns whether all of it was handed to the socket before the connection closed
 */
export async function send(response: ServerResponse, source: Source, manner = WHOLE): Promise<boolean> {
  // Counted only where it matters: what is made while it is read would be made twice.
  const total = manner.type === 'whole' || 'atByte' in manner ? Number.POSITIVE_INFINITY : await totalOf(source);
  const last = lengthToSend(manner, total);
  const step = manner.type === 'drip' ? Math.max(1, Math.ceil(total / manner.pieces)) : WRITE_BYTES;
  response.flushHeaders();
  for await (const chunk of slices(source, step, last)) {
    if (!(await write(response, chunk))) return false;
    if (manner.type === 'drip') await pause(response, manner.overMs * (chunk.length / total));
  }
  if (manner.type === 'cut') {
    // What was written must leave before the reset, which would throw it away.
    await wait(CUT_GRACE_MS);
    response.socket?.resetAndDestroy();
    return false;
  }
  return finish(response);
}

const CUT_GRACE_MS = 15;

function lengthToSend(manner: Manner, total: number): number {
  if (manner.type === 'cut') return 'atByte' in manner ? manner.atByte : Math.floor(total * manner.fraction);
  return manner.type === 'half' ? Math.floor(total / 2) : total;
}

async function totalOf(source: Source): Promise<number> {
  let total = 0;
  for await (const { length } of source) total += length;
  return total;
}

async function* slices(source: Source, step: number, total: number): AsyncGenerator<Buffer> {
  let left = total;
  for await (const piece of source) {
    for (let start = 0; start < piece.length && left > 0; start += step) {
      const slice = piece.subarray(start, Math.min(start + step, start + left));
      left -= slice.length;
      yield slice;
    }
    if (left === 0) return;
  }
}

async function write(response: ServerResponse, chunk: Buffer): Promise<boolean> {
  if (response.destroyed) return false;
  if (!response.write(chunk)) await eventOrClose(response, 'drain');
  return !response.destroyed;
}

async function finish(response: ServerResponse): Promise<boolean> {
  if (response.destroyed) return false;
  response.end();
  if (!response.writableFinished) await eventOrClose(response, 'finish');
  return response.writableFinished;
}

async function eventOrClose(response: ServerResponse, event: 'drain' | 'finish'): Promise<void> {
  const done = new AbortController();
  const either = [event, 'close'].map((name) => once(response, name, { signal: done.signal }));
  await Promise.race(either);
  done.abort();
  await Promise.allSettled(either);
}

/** Waits, but not for a reader that has gone. */
async function pause(response: ServerResponse, ms: number): Promise<void> {
  const gone = new AbortController();
  const leave = () => gone.abort();
  response.once('close', leave);
  await wait(ms, undefined, { signal: gone.signal }).catch(() => undefined);
  response.off('close', leave);
}
