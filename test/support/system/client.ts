/** A caller of the API that remembers what it was promised. */

import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JobView } from '@darkroom/shared/schemas';

export type Answer<T = JobView> = { status: number; headers: Headers; body: T };
export type SubmitOptions = { key?: string; id?: string; prefer?: string };
type Body = Record<string, unknown>;

const TERMINAL: ReadonlySet<string> = new Set(['succeeded', 'blocked', 'failed', 'canceled', 'expired']);

export type Client = ReturnType<typeof createClient>;

export function isOver(job: JobView): boolean {
  return TERMINAL.has(job.status);
}

/** What a terminal job showed: it must show the same for ever. */
export function endOf({ status, images, completed_at, error }: JobView): string {
  return JSON.stringify([status, completed_at, images.map(({ id, sha256 }) => [id, sha256]), error?.code]);
}

export function createClient({ url, apiKey }: { url: () => string; apiKey: string }) {
  /** Ids that were answered with a 2xx. */
  const accepted = new Set<string>();
  /** How each ended job was first seen to have ended. */
  const ends = new Map<string, string>();

  async function call<T = JobView>(
    method: string,
    path: string,
    {
      body,
      raw,
      headers = {},
      timeoutMs = 70_000,
    }: { body?: unknown; raw?: string; headers?: Record<string, string>; timeoutMs?: number } = {},
  ): Promise<Answer<T>> {
    const response = await fetch(`${url()}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${apiKey}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(raw !== undefined && { body: raw }),
      signal: AbortSignal.timeout(timeoutMs),
      redirect: 'manual',
    });
    const text = await response.text();
    const json = /[/+]json/.test(response.headers.get('content-type') ?? '') && text;
    return { status: response.status, headers: response.headers, body: (json ? JSON.parse(text) : text) as T };
  }

  async function submit(body: Body, { key, id, prefer }: SubmitOptions = {}): Promise<Answer> {
    const headers = { ...(key && { 'idempotency-key': key }), ...(prefer && { prefer }) };
    const path = id ? `/v1/jobs/${encodeURIComponent(id)}` : '/v1/jobs';
    const answer = await call(id ? 'PUT' : 'POST', path, { body, headers });
    if (answer.status < 300) note(answer.body);
    return answer;
  }

  /** Submits until it is accepted, as a careful caller does: the same key each time. */
  async function insist(body: Body, key: string, untilMs = 60_000): Promise<JobView> {
    const end = performance.now() + untilMs;
    for (let pause = 50; ; pause = Math.min(500, pause * 2)) {
      const answer = await submit(body, { key }).catch(() => undefined);
      if (answer && answer.status < 300) return answer.body;
      if (answer && answer.status < 500) throw new Error(`refused: ${answer.status} ${JSON.stringify(answer.body)}`);
      if (performance.now() > end) throw new Error(`not accepted in ${untilMs} ms`);
      await sleep(pause);
    }
  }

  async function get(id: string, query = '', headers: Record<string, string> = {}): Promise<Answer> {
    const answer = await call('GET', `/v1/jobs/${encodeURIComponent(id)}${query}`, { headers });
    if (answer.status === 200) note(answer.body);
    return answer;
  }

  /** Waits until `claim` holds of the job, through restarts of the API. */
  async function until(id: string, claim: (job: JobView) => boolean, timeoutMs = 30_000): Promise<JobView> {
    const end = performance.now() + timeoutMs;
    let last: Answer | undefined;
    let etag = '';
    for (;;) {
      const left = Math.ceil((end - performance.now()) / 1_000);
      if (left <= 0) throw new Error(`${id} did not get there in ${timeoutMs} ms: ${JSON.stringify(last?.body)}`);
      const answer = await get(
        id,
        `?wait=${Math.min(left, 20)}`,
        etag ? { 'if-none-match': etag } : { 'if-none-match': '-' },
      ).catch(() => undefined);
      if (answer?.status === 200) {
        last = answer;
        if (claim(answer.body)) return answer.body;
        etag = answer.headers.get('etag') ?? '';
      } else if (answer?.status !== 304) await sleep(50);
    }
  }

  function note(job: JobView): void {
    accepted.add(job.id);
    if (isOver(job) && !ends.has(job.id)) ends.set(job.id, endOf(job));
  }

  /** Follows a link to an image and answers with its bytes. */
  async function download(path: string): Promise<{ bytes: Buffer; sha256: string; type: string }> {
    const link = path.startsWith('http') ? path : (await call('GET', path)).headers.get('location');
    if (!link) throw new Error(`${path} leads nowhere`);
    const response = await fetch(link);
    if (!response.ok) throw new Error(`${path} answers ${response.status}`);
    const bytes = Buffer.from(await response.arrayBuffer());
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return { bytes, sha256, type: response.headers.get('content-type') ?? '' };
  }

  return {
    accepted,
    ends,
    call,
    submit,
    insist,
    get,
    until,
    download,
    /** Waits until the job is over. */
    end: (id: string, timeoutMs?: number) => until(id, isOver, timeoutMs),
    cancel: (id: string) => call('POST', `/v1/jobs/${encodeURIComponent(id)}/cancel`),
    retry: (id: string) => call('POST', `/v1/jobs/${encodeURIComponent(id)}/retry`),
  };
}
