/** One free GET, for a look at credentials and models. */

import { classify } from '../../domain/classify.ts';
import { scrub } from '../../domain/scrub.ts';
import type { Verdict } from '../../domain/verdict.ts';
import type { BlobSink } from '../../ports/spool.ts';
import type { Connections } from './connections.ts';
import { parseJson, TEXT_MAX, toAnswer } from './wire-answer.ts';

/** `refused` = the credentials are; `gone` = no such model; `failed` = an error answer that says neither. */
export type Seen =
  | { type: 'ok'; body: unknown }
  | { type: 'refused' | 'gone' | 'failed'; http: number; message: string }
  | { type: 'unreachable'; reason: string };

/** What a look takes at most. */
const LOOK_MS = 15_000;

/** Nothing is kept of a look. */
const DISCARD: BlobSink = {
  write: () => undefined,
  close: async () => ({ path: '', bytes: 0, sha256: '', crc32c: 0 }),
};

/** GETs `url`. Never throws. */
export async function lookAt(
  connections: Connections,
  { url, headers }: { url: URL; headers: Record<string, string> },
  signal: AbortSignal,
): Promise<Seen> {
  const request = { method: 'GET', url, headers: { ...headers, 'accept-encoding': 'identity' } } as const;
  const end = await connections.send(request, { entry: { blob: () => DISCARD }, timeoutMs: LOOK_MS, signal });
  if (end.type !== 'answered') return { type: 'unreachable', reason: end.reason };
  const body = parseJson(end.text);
  if (end.status < 300) return { type: 'ok', body };
  const answer = toAnswer(end, body === undefined ? end.text.slice(0, TEXT_MAX) : body);
  const verdict = classify({ ...answer, plain: true });
  const message = ('message' in verdict ? verdict.message : undefined) ?? 'no words of its own';
  const known = Object.values(headers).map((value) => value.replace(/^Bearer /, ''));
  return { type: typeOf(verdict), http: end.status, message: scrub(message, known) ?? '' };
}

function typeOf(verdict: Verdict): 'refused' | 'gone' | 'failed' {
  if (verdict.type !== 'rejected') return 'failed';
  if (verdict.channelDown) return 'refused';
  // What was asked for by its own address, and is not found, is not there, whether or not the provider says what.
  const nothingFound = verdict.http === 404 && verdict.code === 'upstream_unavailable';
  return verdict.code === 'model_retired' || nothingFound ? 'gone' : 'failed';
}
