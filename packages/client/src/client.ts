/** Darkroom over HTTP: one method per route, typed by the schemas the server checks with. */

import type { JobView, SubmitJobInput } from '@darkroom/shared/schemas';

export type ClientOptions = {
  /** Such as `http://127.0.0.1:8080`. */
  url: string;
  apiKey: string;
  fetch?: typeof globalThis.fetch;
};

export type Client = {
  submitJob(job: SubmitJobInput, options?: { idempotencyKey?: string; signal?: AbortSignal }): Promise<JobView>;
  getJob(id: string, options?: { waitSeconds?: number; signal?: AbortSignal }): Promise<JobView>;
};

/** @throws Error with the problem's detail when the server refuses */
export function createClient({ url, apiKey, fetch = globalThis.fetch }: ClientOptions): Client {
  const call = async <T>(
    path: string,
    init: Omit<RequestInit, 'headers'> & { headers?: Record<string, string> },
  ): Promise<T> => {
    const response = await fetch(new URL(path, url), {
      ...init,
      headers: { authorization: `Bearer ${apiKey}`, ...init.headers },
    });
    const body = (await response.json()) as T & { detail?: string };
    if (!response.ok) throw new Error(body.detail ?? `HTTP ${response.status}`);
    return body;
  };
  return {
    submitJob: (job, { idempotencyKey, signal } = {}) =>
      call('/v1/jobs', {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(idempotencyKey && { 'idempotency-key': idempotencyKey }),
        },
        body: JSON.stringify(job),
        signal: signal ?? null,
      }),
    getJob: (id, { waitSeconds = 0, signal } = {}) =>
      call(`/v1/jobs/${encodeURIComponent(id)}${waitSeconds ? `?wait=${waitSeconds}` : ''}`, {
        signal: signal ?? null,
      }),
  };
}
