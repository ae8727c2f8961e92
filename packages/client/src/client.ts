/** Darkroom over HTTP: one method per route, typed by the schemas the server checks with. */

import type {
  BatchCheckView,
  BatchView,
  ItemList,
  JobView,
  ManifestRow,
  QuoteView,
  SubmitJobInput,
  TemplateList,
} from '@darkroom/shared/schemas';
import { type ActionMethods, actionMethods } from './actions.ts';
import { type ChannelMethods, channelMethods } from './channels.ts';
import { DarkroomError } from './error.ts';
import { type EventMethods, eventMethods } from './events.ts';
import { type Call, createHttp, type Http, unreachable } from './http.ts';
import { pause } from './insist.ts';
import { readLines } from './lines.ts';
import { pages } from './pages.ts';
import { createWatchedFetch, type WatchedFetch } from './silence.ts';
import { type WebhookMethods, webhookMethods } from './webhooks.ts';

export type ClientOptions = {
  /** Such as `http://127.0.0.1:8080`. */
  url: string;
  apiKey: string;
  fetch?: typeof globalThis.fetch;
  /** Milliseconds of silence after which a call, or the body of its answer, is given up as cut. Default 60 s. */
  silenceMs?: number;
};

type Options = { signal?: AbortSignal | undefined };
type Submission = Options & { idempotencyKey?: string | undefined };

/** Options of a batch whose rows are streamed; see `BatchOptions` of the OpenAPI document. */
export type BatchQuery = NonNullable<Call['query']>;

export type BatchAction = 'pause' | 'resume' | 'cancel' | 'retry-failed';

/** The rows: CSV or JSON lines, as bytes of any length. */
export type BatchInput = { type: 'text/csv' | 'application/x-ndjson'; body: ReadableStream<Uint8Array> | string };

export type Client = ActionMethods &
  ChannelMethods &
  EventMethods &
  WebhookMethods & {
    submitJob(job: SubmitJobInput, options?: Submission): Promise<JobView>;
    /** @param options.waitSeconds answer as soon as it ends, or after so long */
    getJob(id: string, options?: Options & { waitSeconds?: number }): Promise<JobView>;
    cancelJob(id: string, options?: Options): Promise<JobView>;
    quoteJob(job: SubmitJobInput, options?: Options): Promise<QuoteView>;
    listTemplates(options?: Options): Promise<TemplateList>;
    /** Checks every row and prices them; nothing is submitted. */
    checkBatch(input: BatchInput, query: BatchQuery, options?: Options): Promise<BatchCheckView>;
    submitBatch(input: BatchInput, query: BatchQuery, options?: Submission): Promise<BatchView>;
    getBatch(id: string, options?: Options): Promise<BatchView>;
    /** Pauses, resumes or cancels it, or makes its failed rows again. */
    controlBatch(id: string, action: BatchAction, options?: Options): Promise<BatchView>;
    /** The batch whenever it has changed, until it is over. Outages of the way there are sat out. */
    watchBatch(id: string, options?: Options & { everyMs?: number }): AsyncGenerator<BatchView>;
    /** All rows in their order. Short outages are sat out. */
    items(id: string, options?: Options): AsyncGenerator<ItemList['data'][number]>;
    manifest(id: string, options?: Options): AsyncGenerator<ManifestRow>;
    /** Follows a path or link of a view to its bytes. */
    download(link: string, options?: Options): Promise<Response>;
  };

const SILENCE_MS = 60_000;
/** Before it answers a submission, the server fetches what its references name. */
const FETCHING_MS = 240_000;

export function createClient(options: ClientOptions): Client {
  const { url, apiKey, silenceMs = SILENCE_MS } = options;
  const fetch = createWatchedFetch(options.fetch ?? globalThis.fetch, silenceMs);
  const http = createHttp({ url, apiKey, fetch });
  const job = (id: string) => `/v1/jobs/${encodeURIComponent(id)}`;
  const batch = (id: string) => `/v1/batches/${encodeURIComponent(id)}`;
  const getBatch: Client['getBatch'] = (id, options) => http.json(batch(id), { ...options });
  return {
    submitJob: (body, { idempotencyKey, signal } = {}) =>
      http.json('/v1/jobs', {
        method: 'POST',
        json: body,
        headers: { 'idempotency-key': idempotencyKey },
        signal,
        extraMs: FETCHING_MS,
      }),
    getJob: (id, { waitSeconds = 0, signal } = {}) =>
      http.json(job(id), { query: { wait: waitSeconds || undefined }, signal, extraMs: waitSeconds * 1_000 }),
    cancelJob: (id, options) => http.json(`${job(id)}/cancel`, { method: 'POST', ...options }),
    quoteJob: (body, options) => http.json('/v1/quotes', { method: 'POST', json: body, ...options }),
    listTemplates: (options) => http.json('/v1/templates', { ...options }),
    checkBatch: (input, query, options) =>
      http.json('/v1/batches', { ...rows(input), query: { ...query, dry_run: true }, ...options }),
    submitBatch: (input, query, { idempotencyKey, signal } = {}) =>
      http.json('/v1/batches', {
        ...rows(input),
        query,
        headers: { 'content-type': input.type, 'idempotency-key': idempotencyKey },
        signal,
      }),
    getBatch,
    controlBatch: (id, action, options) => http.json(`${batch(id)}/${action}`, { method: 'POST', ...options }),
    watchBatch: (id, options) => watch(getBatch, id, options),
    items: (id, options) => pages(http, `${batch(id)}/items`, options),
    manifest: async function* manifest(id, options) {
      const { body } = await http.send(`${batch(id)}/manifest.jsonl`, { ...options });
      if (body) for await (const line of readLines(body)) yield JSON.parse(line) as ManifestRow;
    },
    download: (link, options) => follow(http, fetch, new URL(link, url), options),
    ...actionMethods(http),
    ...channelMethods(http),
    ...eventMethods(http),
    ...webhookMethods(http),
  };
}

function rows({ type, body }: BatchInput): Call {
  return { method: 'POST', body, headers: { 'content-type': type }, extraMs: FETCHING_MS };
}

/** A link of the object store is asked without the API key, which is nobody else's business. */
async function follow(http: Http, fetch: WatchedFetch, link: URL, options: Options = {}): Promise<Response> {
  const first = link.pathname.startsWith('/v1/') ? await http.send(link.href, { ...options }) : undefined;
  const next = first ? first.headers.get('location') : link.href;
  if (first && !next) return first;
  const target = new URL(next ?? '', link);
  const response = await fetch(target, { signal: options.signal ?? null }).catch(unreachable(target.origin, options));
  if (response.ok) return response;
  throw new DarkroomError(`The link answered ${response.status}.`, { status: response.status });
}

const OVER: ReadonlySet<string> = new Set(['completed', 'canceled', 'expired']);
const EVERY_MS = 1_000;
const TROUBLE_MS_MAX = 30_000;

async function* watch(
  getBatch: Client['getBatch'],
  id: string,
  { signal, everyMs = EVERY_MS }: Options & { everyMs?: number } = {},
): AsyncGenerator<BatchView> {
  let seen = '';
  let pauseMs = everyMs;
  for (;;) {
    const view = await getBatch(id, { signal }).catch((error: unknown) => {
      if (error instanceof DarkroomError && error.retryable) return undefined;
      throw error;
    });
    pauseMs = view ? everyMs : Math.min(TROUBLE_MS_MAX, pauseMs * 2);
    const text = JSON.stringify(view);
    if (view && text !== seen) yield view;
    if (view && OVER.has(view.status)) return;
    seen = view ? text : seen;
    await pause(pauseMs, signal);
  }
}
