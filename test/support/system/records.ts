/**
 * The records as they lie in Redis and in the archive, read with plain commands.
 *
 * Nothing of the product is used to read them: a fault in its reading must not hide a fault in its writing.
 */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inflateRawSync } from 'node:zlib';
import type { Redis } from 'ioredis';

export type AttemptRecord = {
  id: string;
  lane: string;
  state: string;
  startedAt: number;
  ms?: number;
  cost?: number;
  error?: string;
};

export type ImageRecord = { n: number; key: string; sha256: string; bytes: number };

export type JobRecord = {
  id: string;
  status: string;
  prompt: string;
  open: string;
  leader?: string;
  /** The caller's batch that it is a row of, and under which key. */
  row?: { batch: string; key: string };
  attempts: AttemptRecord[];
  images: ImageRecord[];
  lateImages: ImageRecord[];
  archived: boolean;
};

export type TenantRecords = {
  tenant: string;
  jobs: JobRecord[];
  totals: Record<string, number>;
  /** How many members each of the lists of unfinished business has. */
  pending: Record<string, number>;
  /** Ids by the status whose list they are on. */
  listed: Map<string, string[]>;
  /** Jobs that are rows are counted by status in place of being listed. */
  rows: Record<string, number>;
  events: { type: string; job: string }[];
};

const LISTS = ['wakes', 'leases', 'handoffs', 'deadlines'] as const;
/** What a record of form 1 may point back to, before its id. */
const FORM_1 = [
  '"upstream":{"channel":"gemini","http":429,"finishReason":"IMAGE_SAFETY","blockReason":"PROHIBITED_CONTENT","quotaId":"","message":"',
  '"status":"expired","status":"canceled","status":"blocked","status":"failed","state":"rejected","state":"in_doubt","error":"provider_',
  '"error":{"code":"content_blocked","detail":"The ","leader":"job_","source":"joined","source":"cache","warnings":["phase":"held"',
  '"text":"","grounding":{"webSearchQueries":["","searchEntryPoint":{"renderedContent":"<div>","groundingChunks":[{"web":{"uri":"https://","title":"',
  '"safety":[{"category":"HARM_CATEGORY_DANGEROUS_CONTENT","threshold":"BLOCK_ONLY_HIGH"},{"category":"HARM_CATEGORY_HARASSMENT","threshold":"BLOCK_NONE"},',
  '"references":[{"key":"assets/","sha256":"","mime":"image/jpeg","bytes":1,"width":1024,"height":1024,"role":"object","role":"character","role":"style","name":"',
  '"size":"512","size":"2K","size":"4K","aspectRatio":"16:9","aspectRatio":"1:1","aspectRatio":"9:16","seed":1,"thinking":"high","tools":["google_search"],',
  '"maxCost":100000,"cache":{"ttlMs":86400000},"onUnknownOutcome":"hold","dedup":false,"image/webp',
  ' photograph of a person in the background with soft light, portrait, landscape, high detail, illustration in the style of',
  '{"request":{"prompt":"A ","model":"gemini-3-pro-image","model":"gemini-2.5-flash-image","model":"gemini-3.1-flash-image","size":"1K",',
  '"references":[],"tools":[],"safety":[],"lane":"standard","priority":5,"onUnknownOutcome":"retry","dedup":{"windowMs":60000},"tags":["","metadata":{}},',
  '"state":{"status":"succeeded","createdAt":17,"expiresAt":17,"runAt":17,"attempts":[{"id":"att_0","channel":"gemini","model":"gemini-nano-banana-2.1",',
  '"lane":"standard","state":"settled","startedAt":17,"ms":1,"cost":3,"tokens":1,"reason":"answered by gemini-3.1-flash-image"}],"estimated":3,',
  '"images":[{"n":0,"mime":"image/png","width":1024,"height":1024,"bytes":1,"sha256":"","key":"results/2026/.jpg"}],"lateImages":[],"startedAt":17,"completedAt":17}}',
].join('');
const STATUSES = ['queued', 'running', 'succeeded', 'blocked', 'failed', 'canceled', 'expired'];

export async function readTenants(redis: Redis, prefix: string, objects: string): Promise<TenantRecords[]> {
  const tenants = await redis.smembers(`${prefix}tenants`);
  const archived = await readArchive(objects);
  return Promise.all(tenants.map((tenant) => readTenant(redis, prefix, tenant, archived.get(tenant) ?? [])));
}

async function readTenant(redis: Redis, prefix: string, tenant: string, archived: JobRecord[]): Promise<TenantRecords> {
  const tag = `${prefix}{t:${tenant}}:`;
  const hashes = await keysOf(redis, `${tag}job:*`);
  const live = await Promise.all(
    hashes.map(async (key) => toRecord(key.slice(`${tag}job:`.length), await redis.hgetallBuffer(key))),
  );
  const ids = new Set(live.map(({ id }) => id));
  const totals = await redis.hgetall(`${tag}totals`);
  const sizes = await Promise.all(LISTS.map((list) => redis.zcard(`${tag}${list}`)));
  const listed = await Promise.all(
    STATUSES.map(async (status) => [status, await redis.zrange(`${tag}jobs:${status}`, '0', '-1')] as const),
  );
  return {
    tenant,
    jobs: [...live, ...archived.filter(({ id }) => !ids.has(id))],
    totals: numbers(totals),
    pending: {
      ...Object.fromEntries(LISTS.map((list, i) => [list, sizes[i] ?? 0])),
      followers: (await keysOf(redis, `${tag}followers:*`)).length,
    },
    listed: new Map(listed),
    rows: numbers(await redis.hgetall(`${tag}rows`)),
    events: await readEvents(redis, `${tag}events`),
  };
}

function numbers(fields: Record<string, string>): Record<string, number> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, Number(value)]));
}

async function readEvents(redis: Redis, key: string): Promise<TenantRecords['events']> {
  const rows = await redis.xrange(key, '-', '+');
  return rows.map(([, [, type = '', , job = '']]) => ({ type, job }));
}

function toRecord(id: string, fields: Record<string, Buffer>): JobRecord {
  const { request, state } = contentOf(id, fields);
  const text = (name: string) => fields[name]?.toString() ?? '';
  return { ...fromState(id, request, state), status: text('s'), open: text('a') };
}

type RequestOnDisk = { prompt?: string; batch?: { id: string; key: string } };
type ContentOnDisk = { request: RequestOnDisk; state: StateOnDisk };

/**
 * Of a job that is over for good, and of a batch's row, one text holds both, in the form that its first byte names: it
 * begins in the field `t` and goes on in `1`, `2` …, of which the last may be left over from a longer one.
 */
export function contentOf(id: string, fields: Record<string, Buffer>): ContentOnDisk {
  const { r, t } = fields;
  if (t?.[0] === 1) {
    const pieces = [t.subarray(1)];
    for (let n = 1, piece = fields[n]; piece; piece = fields[++n]) pieces.push(piece);
    const dictionary = Buffer.from(FORM_1 + id);
    return JSON.parse(inflateRawSync(Buffer.concat(pieces), { dictionary }).toString()) as ContentOnDisk;
  }
  return { request: JSON.parse(String(r ?? '{}')), state: JSON.parse(String(t ?? '{}')) };
}

type StateOnDisk = {
  status?: string;
  open?: string;
  leader?: string;
  attempts?: AttemptRecord[];
  images?: ImageRecord[];
  lateImages?: ImageRecord[];
};

function fromState(id: string, { prompt = '', batch }: RequestOnDisk, state: StateOnDisk): JobRecord {
  const { status = '', open = '', leader, attempts = [], images = [], lateImages = [] } = state;
  const row = batch && { row: { batch: batch.id, key: batch.key } };
  return { id, prompt, status, open, attempts, images, lateImages, archived: false, ...(leader && { leader }), ...row };
}

/** Finished jobs in the folder store, by tenant. */
async function readArchive(objects: string): Promise<Map<string, JobRecord[]>> {
  const found = new Map<string, JobRecord[]>();
  const root = join(objects, 'jobs');
  const names = await readdir(root, { recursive: true }).catch(() => []);
  for (const name of names.filter((path) => path.endsWith('.json'))) {
    const document = await readFile(join(root, name), 'utf8').then(JSON.parse, () => undefined);
    const job = document?.job as { id: string; tenant: string; request: RequestOnDisk; state: StateOnDisk } | undefined;
    if (!job) continue;
    const record = { ...fromState(job.id, job.request, job.state), archived: true };
    found.set(job.tenant, [...(found.get(job.tenant) ?? []), record]);
  }
  return found;
}

export async function keysOf(redis: Redis, pattern: string): Promise<string[]> {
  const escaped = pattern.replaceAll(/[[\]?]/g, String.raw`\$&`);
  const found = new Set<string>();
  let cursor = '0';
  do {
    const [next, keys] = await redis.scan(cursor, 'MATCH', escaped, 'COUNT', 1_000);
    for (const key of keys) found.add(key);
    cursor = next;
  } while (cursor !== '0');
  return [...found];
}
