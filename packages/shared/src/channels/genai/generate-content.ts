/**
 * `generateContent`, as Gemini and Vertex both speak it.
 *
 * The official SDK builds, names and checks the request; it is given a `fetch` that makes the one exchange itself,
 * lifts the answer's base64 into the spool, and hands back a small JSON with placeholders. What came is read off the
 * wire, never from the SDK's result: that drops headers, error details and `finishMessage`. Nor does the SDK learn any
 * credentials: they are put to the request once it is built.
 */

import type { Fetch, GoogleGenAI } from '@google/genai';
import type { JobRequest } from '../../domain/job.ts';
import type { CallOptions, Exchange } from '../../ports/channel.ts';
import type { Connections } from '../http/connections.ts';
import { type HttpRequest, reasonOf, type WireEnd } from '../http/exchange.ts';
import { keep } from '../http/keep.ts';
import { assertCarried, providerModelOf, type ServedModels } from '../http/served.ts';
import { asAnswer, CredentialsError } from './credentials-error.ts';
import { buildRequest } from './request.ts';

/** Given to the SDK, which insists on a key, and taken out of what it sends. */
export const NO_KEY = 'unused';

export type Credentials = Readonly<Record<string, string>>;

export type GenerateContentOptions = {
  gemini: GoogleGenAI;
  connections: Connections;
  /** The headers that say who calls. @throws when they cannot be had, a CredentialsError when they are refused: then nothing is sent */
  authorize: (signal: AbortSignal) => Credentials | Promise<Credentials>;
  /** The provider's model as the SDK is to name it in the path. */
  pathOf: (providerModel: string) => string;
  /** Absent = every model of the catalogue, by its own id. */
  models?: ServedModels | undefined;
  takesUris: boolean;
};

/** Makes the one call. Never throws for what network or provider do. */
export async function generateContent(
  options: GenerateContentOptions,
  request: JobRequest,
  callOptions: CallOptions,
): Promise<Exchange> {
  const { gemini, connections, authorize, pathOf, models, takesUris } = options;
  const { entry, references, timeoutMs, signal, leaving } = callOptions;
  let end: WireEnd | undefined;
  let credentials: Credentials = {};
  const fetchOnce: Fetch = async (url, init) => {
    if (end) throw new Error('one call makes one HTTP request');
    const http = toHttp(url, init, credentials);
    end = { type: 'unknown', reason: 'the exchange has not ended' };
    end = await connections.send(http, { entry, timeoutMs, signal, leaving });
    return toResponse(end);
  };
  // A compressed body could not be lifted as it comes; the provider need not work on for nobody.
  const headers = { 'accept-encoding': 'identity', 'x-server-timeout': String(Math.ceil(timeoutMs / 1_000)) };
  try {
    assertCarried(models, request, { references, takesUris });
    const model = pathOf(providerModelOf(models, request.model));
    credentials = await authorize(signal);
    await gemini.models.generateContent(
      buildRequest(request, references, { httpOptions: { fetch: fetchOnce, headers }, model }),
    );
  } catch (error) {
    if (error instanceof CredentialsError) return { type: 'answered', answer: asAnswer(error) };
    // Once the wire was reached it has said all there is; before that, the request was refused on this side.
    if (!end) return { type: 'unsent', reason: `the request was refused before it was sent: ${reasonOf(error)}` };
  }
  const plain = references.every((input) => Buffer.isBuffer(input));
  return end
    ? keep(end, callOptions, { secrets: Object.values(credentials), plain })
    : { type: 'unsent', reason: 'nothing was sent' };
}

function toHttp(url: unknown, init: RequestInit | undefined, credentials: Credentials): HttpRequest {
  if (typeof init?.body !== 'string') throw new Error('the request has no JSON body');
  const { 'x-goog-api-key': _, authorization: __, ...headers } = Object.fromEntries(new Headers(init.headers));
  return { method: 'POST', url: new URL(String(url)), headers: { ...headers, ...credentials }, body: init.body };
}

/** What the SDK gets to see; it throws for the rest, as it would for a broken connection. */
function toResponse(end: WireEnd): Response {
  if (end.type !== 'answered') throw new Error(end.reason);
  const bodiless = end.status === 204 || end.status === 205 || end.status === 304;
  const contentType = end.headers['content-type'] ?? 'application/json';
  const status = end.status <= 599 ? end.status : 599;
  return new Response(bodiless ? null : end.text, { status, headers: { 'content-type': contentType } });
}
