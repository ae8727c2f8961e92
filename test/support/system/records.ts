/**
 * The records as they lie in Redis and in the archive, read with plain commands.
 *
 * Nothing of the product is used to read them: a fault in its reading must not hide a fault in its writing.
 */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { contentOf, type RequestOnDisk, type StateOnDisk } from './content.ts';

export type AttemptRecord = {
  id: string;
  channel: string;
  model: string;
  lane: string;
  /** Sent beside another that was slow. */
  hedge?: true;
  providerBatch?: string;
  state: string;
  startedAt: number;
  ms?: number;
  cost?: number;
  error?: string;
};

export type ImageRecord = {
  n: number;
  key: string;
  sha256: string;
  bytes: number;
  model?: string;
  placeholder?: true;
};

export type JobRecord = {
  id: string;
  status: string;
  prompt: string;
  /** The attempt that is out, or `-` for one that no worker holds a lease of. */
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
