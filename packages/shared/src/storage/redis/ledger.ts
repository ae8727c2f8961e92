import type { Redis } from 'ioredis';
import { isAwaitingWake, JOB_STATUSES, type Job, type JobStatus } from '../../domain/index.ts';
import type { Ledger, ListQuery, Totals, Wake } from '../../ports/index.ts';
import { createAdmissions } from './admissions.ts';
import { IDEMPOTENCY_MS, writeArgs } from './arguments.ts';
import { type KeySpace, keySpace } from './keys.ts';
import { leaseTicks } from './lease.ts';
import { createNonces } from './nonces.ts';
import { recordValues } from './record.ts';
import { loadScript, type ScriptArg } from './scripts.ts';
import { createRecordReader, type OnUnreadable, type RecordReader } from './unreadable.ts';

export type LedgerOptions = {
  redis: Redis;
  /** Put before every key; empty outside tests. */
  prefix?: string;
  /** How long a finished job stays in Redis. */
  tailMs?: number;
  /** Most jobs of one tenant that may wait. */
  backlogMax?: number;
  /** Length of a lease tick. */
  tickMs?: number;
  onUnreadable?: OnUnreadable;
  /** Epoch milliseconds. */
  now?: () => number;
};

const HOUR_MS = 3_600_000;
/** Rows looked at in one step of a listing. */
const LIST_STEP = 200;
/** Queued jobs looked at for the one that has been due longest. */
const DUE_LOOK_MAX = 1_000;

/** The job records in Redis. Every method may be sent twice. @see Ledger */
export function createRedisLedger(options: LedgerOptions): Ledger {
  const { redis, prefix = '', tailMs = 24 * HOUR_MS, backlogMax = 1_000_000, tickMs = 5_000, now = Date.now } = options;
  const space = keySpace(prefix);
  const newNonce = createNonces();
  const reader = createRecordReader(options.onUnreadable);
  const look: Look = { redis, space, reader };
  const script = Object.fromEntries(
    ['write', 'renew', 'tick', 'unfollow', 'handed-off', 'forget'].map((name) => [name, loadScript(redis, name)]),
  );
  const run = async (name: string, keys: string[], args: ScriptArg[]) => {
    const loaded = script[name];
    if (!loaded) throw new RangeError(`no such script: ${name}`);
    return loaded(keys, args);
  };
  const read = async (tenant: string, id: string) =>
    reader.read(tenant, id, recordValues(await redis.hgetallBuffer(space.of(tenant).job(id))));

  return {
    admit: createAdmissions(loadScript(redis, 'admit', 'first-answer'), space, { tailMs, backlogMax, newNonce }),
    recall: async (tenant, idempotencyKey) => {
      const value = await redis.get(space.of(tenant).idempotency(idempotencyKey));
      const at = value?.indexOf('|') ?? -1;
      return value && at > 0 ? { bodyHash: value.slice(0, at), id: value.slice(at + 1) } : undefined;
    },
    remember: async (tenant, idempotencyKey, { id, bodyHash }) => {
      await redis.set(space.of(tenant).idempotency(idempotencyKey), `${bodyHash}|${id}`, 'PX', IDEMPOTENCY_MS, 'NX');
    },
    read,
    twin: async (tenant, fingerprint) => (await redis.get(space.of(tenant).fingerprint(fingerprint))) ?? undefined,
    bodyHash: async (tenant, id) => (await redis.hget(space.of(tenant).job(id), 'h')) ?? undefined,
    write: async (change, condition) => {
      const { keys, args } = writeArgs(space, change, {
        tailMs,
        tickMs,
        nonce: newNonce(),
        leaseOver: condition?.leaseOver ?? false,
      });
      const [result, followers] = (await run('write', keys, args)) as string[];
      if (result === 'written') return { type: 'written', followers: followers === '1' };
      return { type: result === 'poor' ? 'poor' : 'stale' };
    },
    renew: async ({ tenant, job, attempt }) => {
      const keys = space.of(tenant);
      const ticks = leaseTicks(tickMs, false);
      return (await run('renew', [keys.job(job), keys.leases, keys.tick], [job, attempt, ticks])) === 1
        ? 'held'
        : 'lost';
    },
    list: (tenant, query) => list(look, tenant, query),
    position: async (tenant, id) => (await redis.zrank(space.of(tenant).status('queued'), id)) ?? undefined,
    totals: async (tenant) => parseTotals(await redis.hgetall(space.of(tenant).totals)),
    countByStatus: async (tenant) => {
      const keys = space.of(tenant);
      const [rows, ...counts] = await Promise.all([
        redis.hgetall(keys.rowStatuses),
        ...JOB_STATUSES.map((status) => redis.zcard(keys.status(status))),
      ]);
      const both = JOB_STATUSES.map((status, i) => [status, (counts[i] ?? 0) + Number(rows[status] ?? 0)]);
      return Object.fromEntries(both) as Record<JobStatus, number>;
    },
    tenants: () => redis.smembers(space.tenants),
    unreadable: () => reader.count(),

    enqueued: async (tenant, wakes) => {
      if (!wakes.length) return;
      const members = wakes.flatMap(({ id, version, recheckAt }) => [String(recheckAt), `${version}:${id}`]);
      await redis.zadd(space.of(tenant).wakes, 'XX', ...members);
    },
    dueWakes: async (tenant, now, limit) => {
      const members = await redis.zrangebyscore(space.of(tenant).wakes, '-inf', now, 'LIMIT', 0, limit);
      return members.map(parseWake);
    },
    latestWakes: async (tenant, after, limit) => {
      const members = await redis.zrevrangebyscore(space.of(tenant).wakes, '+inf', `(${after}`, 'LIMIT', 0, limit);
      return members.map(parseWake);
    },
    dueSince: (tenant, now) => dueSince(look, tenant, now),
    dueDeadlines: (tenant, now, limit) =>
      redis.zrangebyscore(space.of(tenant).deadlines, '-inf', now, 'LIMIT', 0, limit),
    overdueLeases: async (tenant, limit) => {
      const keys = space.of(tenant);
      return (await run('tick', [keys.tick, keys.tickGuard, keys.leases], [tickMs, limit])) as string[];
    },
    dueHandoffs: (tenant, limit) => redis.zrange(space.of(tenant).handoffs, '0', String(limit - 1)),
    followers: async (tenant, leader, limit) => {
      // A step of a sparse set may come back empty; only a cursor of 0 says that there is nothing more.
      for (let cursor = '0'; ; ) {
        const [next, members] = await redis.sscan(space.of(tenant).followers(leader), cursor, 'COUNT', limit);
        if (members.length || next === '0') return members.slice(0, limit);
        cursor = next;
      }
    },
    unfollow: async (tenant, leader, id, heir) => {
      const keys = space.of(tenant);
      const to = heir ?? leader;
      await run(
        'unfollow',
        [keys.followers(leader), keys.followers(to), keys.job(to), keys.handoffs],
        [id, heir ?? '', now()],
      );
    },
    handedOff: async (tenant, leader) => {
      const keys = space.of(tenant);
      await run('handed-off', [keys.followers(leader), keys.handoffs], [leader]);
    },
    dueRetention: (tenant, now, limit) =>
      redis.zrangebyscore(space.of(tenant).retention, '-inf', now, 'LIMIT', 0, limit),
    retainUntil: async (tenant, id, at) => {
      await redis.zadd(space.of(tenant).retention, 'XX', 'GT', at, id);
    },
    forget: async (job) => {
      const keys = space.of(job.tenant);
      await run(
        'forget',
        [
          keys.job(job.id),
          keys.jobs,
          keys.status(job.state.status),
          keys.retention,
          keys.deadlines,
          keys.followers(job.id),
          keys.rowStatuses,
        ],
        [job.id, job.version, now() + HOUR_MS, job.request.batch ? job.state.status : ''],
      );
    },
  };
}

function parseWake(member: string): Wake {
  const at = member.indexOf(':');
  return { version: Number(member.slice(0, at)), id: member.slice(at + 1) };
}

function parseTotals(fields: Record<string, string>): Totals {
  const number = (name: string) => Number(fields[name] ?? 0);
  return {
    calls: number('calls'),
    settled: number('settled'),
    rejected: number('rejected'),
    inDoubt: number('in_doubt'),
    actualCost: number('actual'),
    inDoubtCost: number('in_doubt_cost'),
  };
}

type Look = { redis: Redis; space: KeySpace; reader: RecordReader };

/** Newest first; ties in time by id, descending, so that a cursor never skips or repeats a job. */
async function list(look: Look, tenant: string, query: ListQuery): Promise<Job[]> {
  const { redis, space } = look;
  const keys = space.of(tenant);
  const index = query.status ? keys.status(query.status) : keys.jobs;
  const min = query.createdAfter === undefined ? '-inf' : `(${query.createdAfter}`;
  const end = query.createdBefore === undefined ? '+inf' : `(${query.createdBefore}`;
  const max = query.after ? query.after.at : end;
  const found: Job[] = [];
  for (let offset = 0; found.length < query.limit; offset += LIST_STEP) {
    const rows = await redis.zrevrangebyscore(index, max, min, 'WITHSCORES', 'LIMIT', offset, LIST_STEP);
    const ids = rows.filter((_, i) => i % 2 === 0);
    const fresh = ids.filter(
      (id, i) => !query.after || Number(rows[2 * i + 1]) < query.after.at || id < query.after.id,
    );
    found.push(...(await readMany(look, tenant, fresh)));
    if (ids.length < LIST_STEP) break;
  }
  return found.slice(0, query.limit);
}

/**
 * In the order of creation, since a wake-up that was sent is listed by the time of its re-check. A page is enough unless
 * hundreds of jobs in front have a reason to wait.
 */
async function dueSince(look: Look, tenant: string, now: number): Promise<number | undefined> {
  const { redis, space } = look;
  for (let from = 0; from < DUE_LOOK_MAX; from += LIST_STEP) {
    const ids = await redis.zrange(space.of(tenant).status('queued'), String(from), String(from + LIST_STEP - 1));
    const jobs = await readMany(look, tenant, ids);
    const due = jobs.filter(({ state }) => isAwaitingWake(state) && state.phase !== 'parked' && state.runAt <= now);
    if (due.length) return Math.min(...due.map(({ state }) => state.runAt));
    if (ids.length < LIST_STEP) return undefined;
  }
  return undefined;
}

async function readMany({ redis, space, reader }: Look, tenant: string, ids: string[]): Promise<Job[]> {
  const keys = space.of(tenant);
  const rows = await Promise.all(ids.map((id) => redis.hgetallBuffer(keys.job(id))));
  return rows.flatMap((row, i) => reader.readOneOfMany(tenant, ids[i] ?? '', recordValues(row)) ?? []);
}
