/**
 * The records as they lie in Redis and in the archive, read with plain commands.
 *
 * Nothing of the product is used to read them: a fault in its reading must not hide a fault in its writing.
 */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Redis } from 'ioredis';

export type AttemptRecord = {
  id: string;
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
    hashes.map(async (key) => toRecord(key.slice(`${tag}job:`.length), await redis.hgetall(key))),
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
    totals: Object.fromEntries(Object.entries(totals).map(([name, value]) => [name, Number(value)])),
    pending: {
      ...Object.fromEntries(LISTS.map((list, i) => [list, sizes[i] ?? 0])),
      followers: (await keysOf(redis, `${tag}followers:*`)).length,
    },
    listed: new Map(listed),
    events: await readEvents(redis, `${tag}events`),
  };
}

async function readEvents(redis: Redis, key: string): Promise<TenantRecords['events']> {
  const rows = await redis.xrange(key, '-', '+');
  return rows.map(([, [, type = '', , job = '']]) => ({ type, job }));
}

function toRecord(id: string, fields: Record<string, string>): JobRecord {
  const request = JSON.parse(fields['r'] ?? '{}') as { prompt?: string };
  const state = JSON.parse(fields['t'] ?? '{}') as StateOnDisk;
  return { ...fromState(id, request.prompt ?? '', state), status: fields['s'] ?? '', open: fields['a'] ?? '' };
}

type StateOnDisk = {
  status?: string;
  open?: string;
  leader?: string;
  attempts?: AttemptRecord[];
  images?: ImageRecord[];
  lateImages?: ImageRecord[];
};

function fromState(id: string, prompt: string, state: StateOnDisk): JobRecord {
  const { status = '', open = '', leader, attempts = [], images = [], lateImages = [] } = state;
  return { id, prompt, status, open, attempts, images, lateImages, archived: false, ...(leader && { leader }) };
}

/** Finished jobs in the folder store, by tenant. */
async function readArchive(objects: string): Promise<Map<string, JobRecord[]>> {
  const found = new Map<string, JobRecord[]>();
  const root = join(objects, 'jobs');
  const names = await readdir(root, { recursive: true }).catch(() => []);
  for (const name of names.filter((path) => path.endsWith('.json'))) {
    const document = await readFile(join(root, name), 'utf8').then(JSON.parse, () => undefined);
    const job = document?.job as
      | { id: string; tenant: string; request: { prompt: string }; state: StateOnDisk }
      | undefined;
    if (!job) continue;
    const record = { ...fromState(job.id, job.request.prompt, job.state), archived: true };
    found.set(job.tenant, [...(found.get(job.tenant) ?? []), record]);
  }
  return found;
}

async function keysOf(redis: Redis, pattern: string): Promise<string[]> {
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
