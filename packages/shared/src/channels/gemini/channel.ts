/**
 * The Gemini API, reached with a key.
 *
 * The official SDK builds, names and checks the request; it is given a `fetch` that makes the one exchange itself,
 * lifts the answer's base64 into the spool, and hands back a small JSON with placeholders. What came is read off the
 * wire, never from the SDK's result: that drops headers, error details and `finishMessage`.
 */

import { type Fetch, GoogleGenAI } from '@google/genai';
import type { JobRequest } from '../../domain/job.ts';
import { failSpan, type SpanFacts, tellSpan, withSpan } from '../../observability/trace.ts';
import type { CallOptions, Channel, Exchange } from '../../ports/channel.ts';
import { type Connect, createDispatcher } from '../http/dispatcher.ts';
import { exchange, type HttpRequest, reasonOf, type WireEnd } from '../http/exchange.ts';
import { createPreconnect } from '../http/preconnect.ts';
import { createTurns } from '../http/turns.ts';
import { parseJson, TEXT_MAX, toAnswer } from '../http/wire-answer.ts';
import { buildRequest } from './request.ts';

export const GEMINI_BASE_URL = 'https://generativelanguage.googleapis.com';

export type GeminiChannelOptions = {
  apiKey: string;
  /** Without a version and without a trailing slash. */
  baseUrl?: string;
  apiVersion: 'v1beta' | 'v1';
  /** How sockets are opened; given by a caller that guards addresses. */
  connect?: Connect;
};

/** A channel named `gemini`. Opens no connection before the first call; disposing ends its connections. */
export function createGeminiChannel(options: GeminiChannelOptions): Channel & AsyncDisposable {
  const { apiKey, baseUrl = GEMINI_BASE_URL, apiVersion, connect } = options;
  const connections = createPreconnect(connect);
  const dispatcher = createDispatcher(connections.connect);
  const turns = createTurns();
  const host = new URL(baseUrl).hostname;
  // Everything is passed, so that no environment variable can send calls elsewhere.
  const gemini = new GoogleGenAI({ apiKey, vertexai: false, apiVersion, httpOptions: { baseUrl, apiVersion } });

  const call = (request: JobRequest, callOptions: CallOptions) =>
    withSpan('gemini generateContent', { kind: 'client', facts: factsOf(request, host) }, async () => {
      const ended = await callOnce(request, callOptions);
      tellEnd(ended);
      return ended;
    });

  async function callOnce(request: JobRequest, callOptions: CallOptions): Promise<Exchange> {
    const { entry, references, timeoutMs, signal } = callOptions;
    let end: WireEnd | undefined;
    const fetchOnce: Fetch = async (url, init) => {
      if (end) throw new Error('one call makes one HTTP request');
      const http = toHttp(url, init);
      end = { type: 'unknown', reason: 'the exchange has not ended' };
      end = await exchange(http, { dispatcher, turns, entry, timeoutMs, signal });
      return toResponse(end);
    };
    // A compressed body could not be lifted as it comes; the provider need not work on for nobody.
    const headers = { 'accept-encoding': 'identity', 'x-server-timeout': String(Math.ceil(timeoutMs / 1_000)) };
    try {
      await gemini.models.generateContent(buildRequest(request, references, { fetch: fetchOnce, headers }));
    } catch (error) {
      // Once the wire was reached it has said all there is; before that, the request was refused on this side.
      if (!end) return { type: 'unsent', reason: `the request was refused before it was sent: ${reasonOf(error)}` };
    }
    return end ? keep(end, callOptions) : { type: 'unsent', reason: 'nothing was sent' };
  }

  return {
    id: 'gemini',
    preconnect: () => connections.preconnect(),
    call,
    [Symbol.asyncDispose]: async () => {
      connections.close();
      await dispatcher.destroy();
    },
  };
}

function factsOf({ model, references }: JobRequest, host: string): SpanFacts {
  return {
    'gen_ai.operation.name': 'generate_content',
    'gen_ai.provider.name': 'gcp.gemini',
    'gen_ai.request.model': model,
    'server.address': host,
    'darkroom.references': references.length,
  };
}

function tellEnd(ended: Exchange): void {
  if (ended.type !== 'answered') return failSpan(ended.type);
  const { httpStatus: status } = ended.answer;
  tellSpan({ 'http.response.status_code': status });
  if (status >= 300) failSpan(String(status));
}

function toHttp(url: unknown, init: RequestInit | undefined): HttpRequest {
  if (typeof init?.body !== 'string') throw new Error('the request has no JSON body');
  return {
    method: 'POST',
    url: new URL(String(url)),
    headers: Object.fromEntries(new Headers(init.headers)),
    body: init.body,
  };
}

/** What the SDK gets to see; it throws for the rest, as it would for a broken connection. */
function toResponse(end: WireEnd): Response {
  if (end.type !== 'answered') throw new Error(end.reason);
  const bodiless = end.status === 204 || end.status === 205 || end.status === 304;
  const contentType = end.headers['content-type'] ?? 'application/json';
  const status = end.status <= 599 ? end.status : 599;
  return new Response(bodiless ? null : end.text, { status, headers: { 'content-type': contentType } });
}

/** The end of the exchange for the caller; a success only once it is durable. */
async function keep(end: WireEnd, { entry, signal }: CallOptions): Promise<Exchange> {
  if (end.type !== 'answered') return end;
  const body = parseJson(end.text);
  const success = end.status < 300;
  if (body === undefined && success && !end.framed) {
    return { type: 'unknown', reason: 'the connection ended within the answer' };
  }
  const answer = toAnswer(end, body === undefined ? end.text.slice(0, TEXT_MAX) : body);
  if (!success) return { type: 'answered', answer };
  try {
    await entry.commit(answer, signal);
    return { type: 'answered', answer };
  } catch (error) {
    return { type: 'unknown', reason: `a whole answer arrived and could not be kept: ${reasonOf(error)}` };
  }
}
