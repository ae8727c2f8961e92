/** One way to speak to the server: the key in a header, every refusal an error, redirects to links followed without the key. */

import type { Problem } from '@darkroom/shared/schemas';
import { DarkroomError } from './error.ts';
import type { WatchedFetch } from './silence.ts';

export type Call = {
  method?: string;
  query?: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;
  headers?: Readonly<Record<string, string | undefined>>;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as it is; a stream is read once, so such a call is never repeated. */
  body?: ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer> | string;
  signal?: AbortSignal | undefined;
  /** Milliseconds that the answer may take longer than others. */
  extraMs?: number;
};

export type Http = {
  /** @throws DarkroomError for any answer but 2xx, 304 and a redirect */
  send(path: string, call?: Call): Promise<Response>;
  json<T>(path: string, call?: Call): Promise<T>;
};

export function createHttp(options: { url: string; apiKey: string; fetch: WatchedFetch }): Http {
  const { url, apiKey, fetch } = options;
  const send = async (path: string, call: Call = {}): Promise<Response> => {
    const asked = fetch(addressOf(path, url, call.query), initOf(call, apiKey), call.extraMs);
    const response = await asked.catch(unreachable(url, call));
    if (response.ok || (response.status >= 300 && response.status < 400)) return response;
    throw await refusal(response).catch(unreachable(url, call));
  };
  return {
    send,
    json: async <T>(path: string, call?: Call) => {
      const response = await send(path, call);
      const text = await response.text().catch(unreachable(url, call));
      try {
        return JSON.parse(text) as T;
      } catch (cause) {
        throw new DarkroomError(`What answers at ${url} is not Darkroom.`, { status: response.status, cause });
      }
    },
  };
}

/** What to make of a call that was cut before or inside of its answer. */
export function unreachable(url: string, { signal }: Pick<Call, 'signal'> = {}): (cause: unknown) => never {
  return (cause) => {
    if (signal?.aborted || cause instanceof DarkroomError) throw cause;
    throw new DarkroomError(`${url} cannot be reached.`, { status: 0, cause });
  };
}

function addressOf(path: string, base: string, query: Call['query'] = {}): URL {
  const address = new URL(path, base);
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? (value as readonly string[]) : [value]) {
      if (one !== undefined) address.searchParams.append(name, String(one));
    }
  }
  return address;
}

function initOf(
  { method = 'GET', headers = {}, json, body, signal }: Call,
  apiKey: string,
): Parameters<WatchedFetch>[1] {
  const sent = Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return {
    method,
    // A signed link must not be asked with the key.
    redirect: 'manual',
    headers: {
      authorization: `Bearer ${apiKey}`,
      ...(json !== undefined && { 'content-type': 'application/json' }),
      ...Object.fromEntries(sent),
    },
    ...(json !== undefined && { body: JSON.stringify(json) }),
    ...(body !== undefined && { body, ...(body instanceof ReadableStream && { duplex: 'half' }) }),
    signal: signal ?? null,
  };
}

async function refusal(response: Response): Promise<DarkroomError> {
  const text = await response.text();
  const problem = problemOf(text);
  return new DarkroomError(problem?.detail ?? `The server answered ${response.status}.`, {
    status: response.status,
    retryAfterMs: 1_000 * (Number(response.headers.get('retry-after')) || 0),
    ...(problem && { problem }),
  });
}

function problemOf(text: string): Problem | undefined {
  try {
    const body = JSON.parse(text) as Partial<Problem>;
    return typeof body.code === 'string' && typeof body.detail === 'string' ? (body as Problem) : undefined;
  } catch {
    return undefined;
  }
}
