/** What came off the wire, as the rest of the system reads it. */

import type { Answer } from '../../domain/answer.ts';
import type { WireAnswer } from './exchange.ts';
import { waitHeader } from './wait-header.ts';

/** Of a body that is no JSON no more is kept. */
export const TEXT_MAX = 64 << 10;
const HEADERS_KEPT = ['content-type', 'date', 'server', 'server-timing', 'via', 'x-request-id'];
const HEADER_MAX = 500;

/**
 * The answer for a record: few headers, and `body` in place of the text. An error's `retry-after` is in seconds, whichever
 * header said it.
 */
export function toAnswer(end: Omit<WireAnswer, 'type' | 'text' | 'framed'>, body: unknown): Answer {
  const kept = HEADERS_KEPT.flatMap((name) => {
    const value = end.headers[name];
    return value === undefined ? [] : [[name, value.slice(0, HEADER_MAX)]];
  });
  const wait = end.status >= 400 ? waitHeader(end.headers) : undefined;
  const headers = { ...Object.fromEntries(kept), ...(wait !== undefined && { 'retry-after': wait }) };
  return { httpStatus: end.status, headers, body, blobs: end.blobs, ms: end.ms };
}

/** The JSON of `text`; `undefined` when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
