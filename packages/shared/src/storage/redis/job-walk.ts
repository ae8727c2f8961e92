import type { Redis } from 'ioredis';
import type { JobPosition, JobStatus } from '../../domain/index.ts';
import type { JobWalk, WalkQuery, WalkRange } from '../../ports/index.ts';
import { keySpace } from './keys.ts';
import { recordValues } from './record.ts';
import { createRecordReader, type OnUnreadable } from './unreadable.ts';

type TenantKeys = ReturnType<ReturnType<typeof keySpace>['of']>;

/** The walk over a tenant's jobs, on the indexes that the ledger keeps. @see JobWalk */
export function createRedisJobWalk(options: { redis: Redis; prefix?: string; onUnreadable?: OnUnreadable }): JobWalk {
  const { redis, prefix = '', onUnreadable } = options;
  const space = keySpace(prefix);
  const reader = createRecordReader(onUnreadable);
  return {
    next: async (tenant, query) => {
      const keys = space.of(tenant);
      const [only, ...more] = query.statuses;
      const index = only && !more.length ? keys.status(only) : keys.jobs;
      const passed = await pass(redis, index, query);
      const ids = passed.map(({ id }) => id);
      const met = more.length ? await idsWithin(redis, keys, query.statuses, ids) : ids;
      const rows = await Promise.all(met.map((id) => redis.hgetallBuffer(keys.job(id))));
      const jobs = rows.flatMap((row, i) => reader.readOneOfMany(tenant, met[i] ?? '', recordValues(row)) ?? []);
      const reached = passed.length < query.limit ? undefined : passed.at(-1);
      return { jobs, ...(reached && { reached }) };
    },
    count: async (tenant, { statuses, ...range }) => {
      const keys = space.of(tenant);
      const counts = await Promise.all(
        statuses.map((status) => redis.zcount(keys.status(status), minOf(range), range.createdUntil)),
      );
      return counts.reduce((sum, count) => sum + count, 0);
    },
  };
}

/** By score and never by offset: what leaves the index between two steps shifts nothing. */
async function pass(redis: Redis, index: string, query: WalkQuery): Promise<JobPosition[]> {
  const { after, createdUntil, limit } = query;
  // All of one millisecond: few, however many come in a second.
  const ties = after ? await redis.zrangebyscore(index, after.at, after.at) : [];
  const beside = ties.filter((id) => after && id < after.id).toReversed();
  const next = beside.slice(0, limit).map((id) => ({ at: after?.at ?? 0, id }));
  const rest = limit - next.length;
  if (rest === 0) return next;
  const max = after ? `(${after.at}` : createdUntil;
  const rows = await redis.zrevrangebyscore(index, max, minOf(query), 'WITHSCORES', 'LIMIT', 0, rest);
  for (let i = 0; i < rows.length; i += 2) next.push({ at: Number(rows[i + 1]), id: rows[i] ?? '' });
  return next;
}

function minOf({ createdAfter }: Pick<WalkRange, 'createdAfter'>): string {
  return createdAfter === undefined ? '-inf' : `(${createdAfter}`;
}

/** At one moment: a job that changes from one of the statuses to another is in one of them at any time. */
async function idsWithin(
  redis: Redis,
  keys: TenantKeys,
  statuses: readonly JobStatus[],
  ids: string[],
): Promise<string[]> {
  if (!ids.length) return [];
  const look = redis.multi();
  for (const status of statuses) look.zmscore(keys.status(status), ...ids);
  const answers = ((await look.exec()) ?? []).map(([error, scores]) => {
    if (error) throw error;
    return scores as (string | null)[];
  });
  return ids.filter((_, i) => answers.some((scores) => scores[i] !== null));
}
