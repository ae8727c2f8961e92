/** The provider's REST calls around batches: each made once, its answer read off the wire. */

import type { Dispatcher } from 'undici';
import type { Answer } from '../../../domain/answer.ts';
import { classify } from '../../../domain/classify.ts';
import { objectOf } from '../../../domain/lenient.ts';
import { scrub } from '../../../domain/scrub.ts';
import type { Done } from '../../../ports/batch-channel.ts';
import type { BlobSink } from '../../../ports/spool.ts';
import { asAnswer, CredentialsError } from '../../genai/credentials-error.ts';
import type { Credentials } from '../../genai/generate-content.ts';
import { exchange, type HttpRequest, reasonOf } from '../../http/exchange.ts';
import { createTurns } from '../../http/turns.ts';
import { parseJson, TEXT_MAX, toAnswer } from '../../http/wire-answer.ts';

export type NotDone = Exclude<Done<object>, { type: 'done' }>;
export type Rejected = Extract<NotDone, { type: 'rejected' }>['verdict'];

/** How one call ended; a success's body is `undefined` when it is no JSON. */
export type Reply =
  | { type: 'ok'; body: unknown; headers: Record<string, string> }
  | { type: 'refused'; answer: Answer }
  | { type: 'unsent' | 'unknown'; reason: string };

type ApiRequest = {
  method: HttpRequest['method'];
  url: URL;
  headers?: Record<string, string>;
  body?: object | Buffer;
  /** Instead of the usual time. */
  timeoutMs?: number;
};

export type Api = {
  /** Makes exactly one HTTP call, and never throws for anything the network or the provider does. */
  call(request: ApiRequest, signal: AbortSignal): Promise<Reply>;
  /** `{base}/{version}/{path}`; `under` comes before the version. */
  url(path: string, under?: 'upload' | 'download'): URL;
  /** Sent with every call. @throws what keeps credentials from being had */
  headers: (signal: AbortSignal) => Promise<Record<string, string>>;
  baseUrl: URL;
  dispatcher: Dispatcher;
};

export type ApiOptions = {
  /** The headers that say who calls. @throws when they cannot be had, a CredentialsError when they are refused: then nothing is sent */
  authorize: (signal: AbortSignal) => Credentials | Promise<Credentials>;
  /** What was given was refused. */
  refused?: (credentials: Credentials) => void;
  baseUrl: string;
  apiVersion: string;
  dispatcher: Dispatcher;
  timeoutMs: number;
};

/** A list may carry what another user of the account has in it; nobody here wants it. */
const DISCARD: BlobSink = {
  write: () => undefined,
  close: async () => ({ path: '', bytes: 0, sha256: '', crc32c: 0 }),
};

export function createApi({ authorize, refused, baseUrl, apiVersion, dispatcher, timeoutMs }: ApiOptions): Api {
  const turns = createTurns();

  const headers = async (signal: AbortSignal) => ({ ...(await authorize(signal)), 'accept-encoding': 'identity' });

  async function call(request: ApiRequest, signal: AbortSignal): Promise<Reply> {
    const { method, url, body } = request;
    const given = await headers(signal).catch(withoutCredentials);
    if ('type' in given) return given;
    const json = body !== undefined && !Buffer.isBuffer(body);
    const sent = json ? JSON.stringify(body) : body;
    const end = await exchange(
      {
        method,
        url,
        headers: { ...given, ...(json && { 'content-type': 'application/json' }), ...request.headers },
        ...(sent !== undefined && { body: sent }),
      },
      { dispatcher, turns, entry: { blob: () => DISCARD }, timeoutMs: request.timeoutMs ?? timeoutMs, signal },
    );
    if (end.type !== 'answered') return end;
    if (end.status === 401) refused?.(given);
    const parsed = parseJson(end.text);
    if (end.status < 300) return { type: 'ok', body: parsed, headers: end.headers };
    return { type: 'refused', answer: toAnswer(end, parsed === undefined ? end.text.slice(0, TEXT_MAX) : parsed) };
  }

  return {
    call,
    url: (path, under) => new URL(`${baseUrl}/${under ? `${under}/` : ''}${apiVersion}/${path}`),
    headers,
    baseUrl: new URL(baseUrl),
    dispatcher,
  };
}

function withoutCredentials(error: unknown): Exclude<Reply, { type: 'ok' }> {
  return error instanceof CredentialsError
    ? { type: 'refused', answer: asAnswer(error) }
    : { type: 'unsent', reason: reasonOf(error) };
}

/** What a reply that is no success means to the caller. */
export function notDone(reply: Exclude<Reply, { type: 'ok' }>): NotDone {
  switch (reply.type) {
    case 'refused':
      return judged(reply.answer);
    case 'unsent':
      return rejected({ code: 'upstream_unreachable', retryable: true, http: 0 }, reply.reason);
    default:
      return unknown(reply.reason);
  }
}

function judged(answer: Answer): NotDone {
  const verdict = classify(answer);
  if (verdict.type === 'rejected') return { type: 'rejected', verdict };
  return unknown(verdict.type === 'in_doubt' ? verdict.message : `the provider answered ${answer.httpStatus}`);
}

export function unknown(reason: string): NotDone {
  return { type: 'unknown', reason };
}

export function rejected(verdict: Pick<Rejected, 'code' | 'retryable' | 'http'>, message: string): NotDone {
  const words = scrub(message);
  return { type: 'rejected', verdict: { type: 'rejected', ...verdict, ...(words && { message: words }) } };
}

/** Google's error envelope, also inside an array; anybody on the way can make the other error pages. */
export function hasErrorBody({ body }: Answer): boolean {
  const { error } = objectOf(Array.isArray(body) ? body[0] : body);
  return typeof error === 'object' && error !== null;
}
