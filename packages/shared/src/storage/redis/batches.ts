import type { Redis } from 'ioredis';
import { type Batch, type BatchTotals, JOB_STATUSES, type JobStatus, type Tenant } from '../../domain/index.ts';
import type { BatchAdmission, Batches, CachedResult, Enlisted } from '../../ports/index.ts';
import { acceptArgs, enlistArgs, writeBatchArgs } from './batch-arguments.ts';
import { type KeySpace, keySpace } from './keys.ts';
import { createNonces } from './nonces.ts';
import { loadScript } from './scripts.ts';

export type BatchesOptions = {
  redis: Redis;
  /** Put before every key; empty outside tests. */
  prefix?: string;
  /** How long a batch that is over, and the finished job of a row, stay in Redis. */
  tailMs?: number;
};

const DAY_MS = 86_400_000;
/** Batches looked at in one step of a listing. */
const LIST_STEP = 100;

/** The records of batches in Redis. Every method may be sent twice. @see Batches */
export function createRedisBatches({ redis, prefix = '', tailMs = DAY_MS }: BatchesOptions): Batches {
  const space = keySpace(prefix);
  const newNonce = createNonces();
  const accept = loadScript(redis, 'accept-batch', 'first-answer');
  const write = loadScript(redis, 'write-batch');
  const enlist = loadScript(redis, 'enlist');
  const forget = loadScript(redis, 'forget-batch');
  const reserve = loadScript(redis, 'reserve');
  const letGo = loadScript(redis, 'let-go');
  const read = async (tenant: Tenant, id: string) => parseBatch(await redis.hget(space.of(tenant).batch(id), 'b'));

  return {
    reserve: async (tenant, key, owner, ms) => {
      const answer = await reserve([space.of(tenant).batchIdempotency(key)], [`~${owner}`, ms]);
      return answer as 'reserved' | 'busy' | 'used';
    },
    release: async (tenant, key, owner) => {
      await letGo([space.of(tenant).batchIdempotency(key)], [`~${owner}`]);
    },
    accept: async (batch, idempotency) => {
      const { keys, args } = acceptArgs(space, batch, newNonce(), idempotency);
      return parseAdmission((await accept(keys, args)) as string[]);
    },
    read,
    write: async (change) => {
      const { keys, args } = writeBatchArgs(space, change, { tailMs, nonce: newNonce() });
      return (await write(keys, args)) === 1;
    },
    totals: async (tenant, id) => parseTotals(await redis.hgetall(space.of(tenant).batchTotals(id))),
    carriedBy: async (tenant, id, chunk) => {
      await redis.hset(space.of(tenant).batchTotals(id), chunk, '1');
    },
    list: (tenant, query) => list(redis, space, tenant, query),
    open: async () => {
      const tenants = await redis.smembers(space.tenants);
      const open = await Promise.all(tenants.map((tenant) => redis.zrange(space.of(tenant).openBatches, '0', '-1')));
      return tenants.flatMap((tenant, i) => (open[i] ?? []).map((id) => ({ tenant, id })));
    },
    paused: async (tenant) => new Set(await redis.smembers(space.of(tenant).pausedBatches)),
    hold: async (tenant, id, work, ms) => {
      const key = space.of(tenant).batchHold(id, work);
      const owner = newNonce();
      if (!(await redis.set(key, owner, 'PX', ms, 'NX'))) return undefined;
      return { [Symbol.asyncDispose]: async () => void (await letGo([key], [owner])) };
    },
    enlist: async (batch, enlistment) => {
      const { keys, args } = enlistArgs(space, batch, enlistment, tailMs);
      return parseEnlisted((await enlist(keys, args)) as string[]);
    },
    generations: (batch, from, count) => generations(redis, space, batch, from, count),
    dueRetention: (tenant, now, limit) =>
      redis.zrangebyscore(space.of(tenant).pastBatches, '-inf', now, 'LIMIT', 0, limit),
    forget: async ({ tenant, id, version, generation }) => {
      const keys = space.of(tenant);
      const bits = Array.from({ length: generation + 1 }, (_, n) => keys.batchBits(id, n));
      const all = [keys.batch(id), keys.batches, keys.pastBatches, keys.batchTotals(id), ...bits];
      return (await forget(all, [id, version])) === 1;
    },
  };
}

/** Written by this program from this very type; the record is not an edge. */
function parseBatch(text: string | null): Batch | undefined {
  return text === null ? undefined : (JSON.parse(text) as Batch);
}

function parseAdmission([type, id = '']: string[]): BatchAdmission {
  switch (type) {
    case 'created':
    case 'busy':
      return { type };
    case 'replayed':
    case 'reused':
      return { type, id };
    default:
      throw new Error(`unexpected answer of accept-batch.lua: ${type}`);
  }
}

function parseEnlisted([type, value = '']: string[]): Enlisted {
  switch (type) {
    case 'created':
    case 'gone':
    case 'known':
    case 'stale':
      return { type };
    case 'twin':
      return { type, id: value };
    case 'cached':
      return { type, result: JSON.parse(value) as CachedResult };
    default:
      throw new Error(`unexpected answer of enlist.lua: ${type}`);
  }
}

function parseTotals(fields: Record<string, string>): BatchTotals {
  const number = (name: string) => Number(fields[name] ?? 0);
  const byStatus = JOB_STATUSES.map((status) => [status, number(status)]);
  return {
    counts: {
      ...(Object.fromEntries(byStatus) as Record<JobStatus, number>),
      deduplicated: number('deduplicated'),
    },
    costs: { actual: number('actual'), inDoubt: number('in_doubt') },
    providerBatches: Object.keys(fields)
      .filter((name) => name.startsWith('pb_'))
      .toSorted(),
    openEstimated: number('open_estimated'),
    enlisted: number('enlisted'),
    next: number('next'),
    made: number('made'),
    rescued: number('rescued'),
  };
}

/** Newest first; ties in time by id, descending, so that a cursor never skips or repeats a batch. */
async function list(
  redis: Redis,
  space: KeySpace,
  tenant: Tenant,
  { after, limit }: Parameters<Batches['list']>[1],
): Promise<Batch[]> {
  const keys = space.of(tenant);
  const found: Batch[] = [];
  for (let offset = 0; found.length < limit; offset += LIST_STEP) {
    const max = after ? after.at : '+inf';
    const rows = await redis.zrevrangebyscore(keys.batches, max, '-inf', 'WITHSCORES', 'LIMIT', offset, LIST_STEP);
    const ids = rows.filter((_, i) => i % 2 === 0);
    const fresh = ids.filter((id, i) => !after || Number(rows[2 * i + 1]) < after.at || id < after.id);
    const texts = await Promise.all(fresh.map((id) => redis.hget(keys.batch(id), 'b')));
    found.push(...texts.flatMap((text) => parseBatch(text) ?? []));
    if (ids.length < LIST_STEP) break;
  }
  return found.slice(0, limit);
}

/** Read off the rows' bits, newest generation first. */
async function generations(
  redis: Redis,
  space: KeySpace,
  { tenant, id, generation }: Batch,
  from: number,
  count: number,
): Promise<(number | undefined)[]> {
  const found = Array.from<number | undefined>({ length: count });
  const [first, last] = [from >> 3, (from + count - 1) >> 3];
  for (let n = generation; n >= 0; n--) {
    const bits = await redis.getrangeBuffer(space.of(tenant).batchBits(id, n), first, last);
    for (let i = 0; i < count; i++) {
      const row = from + i;
      const byte = bits[(row >> 3) - first] ?? 0;
      if (found[i] === undefined && byte & (0x80 >> (row & 7))) found[i] = n;
    }
  }
  return found;
}
