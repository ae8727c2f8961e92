import type { JobPosition } from '@darkroom/shared/domain';
import type { WalkQuery } from '@darkroom/shared/ports';
import { createRedisJobWalk } from '@darkroom/shared/storage/redis';
import { NOON } from '@darkroom/shared/testing/factories';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openTestLedger, TENANT, type TestLedger } from '../../support/ledger.ts';

let test: TestLedger;

beforeEach(async () => {
  test = await openTestLedger();
});
afterEach(() => test[Symbol.asyncDispose]());

const QUEUED: WalkQuery = { statuses: ['queued'], createdUntil: NOON, limit: 7 };

/** Ids in the order they are met. `between` is done behind each step. */
async function walkAll(query: WalkQuery, between: (met: string[]) => Promise<unknown> = async () => undefined) {
  const walk = createRedisJobWalk({ redis: test.redis, prefix: test.prefix });
  const met: string[] = [];
  for (let after: JobPosition | undefined, more = true; more; ) {
    const step = await walk.next(TENANT, { ...query, ...(after && { after }) });
    met.push(...step.jobs.map(({ id }) => id));
    after = step.reached;
    more = after !== undefined;
    await between(met);
  }
  return met;
}

/** Thirty jobs, ten of each of three instants. */
async function thirty(): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < 30; n++) {
    const id = `own-${String(n).padStart(2, '0')}`;
    await test.admit(id, { state: { createdAt: NOON - 20 + 10 * Math.floor(n / 10) } });
    ids.push(id);
  }
  return ids;
}

it('meets every job once, newest first, however many share a moment', async () => {
  const ids = await thirty();

  expect(await walkAll(QUEUED)).toEqual(ids.toReversed());
  expect(await walkAll({ ...QUEUED, statuses: ['queued', 'running'] })).toEqual(ids.toReversed());
  expect(await walkAll({ ...QUEUED, createdUntil: NOON - 1, createdAfter: NOON - 20 })).toEqual(
    ids.slice(10, 20).toReversed(),
  );
});

it('counts what it would meet', async () => {
  await thirty();
  const walk = createRedisJobWalk({ redis: test.redis, prefix: test.prefix });

  expect(await walk.count(TENANT, { statuses: ['queued', 'running'], createdUntil: NOON })).toBe(30);
  expect(await walk.count(TENANT, { statuses: ['queued'], createdUntil: NOON - 1, createdAfter: NOON - 20 })).toBe(10);
});

it('passes over no job because others left meanwhile', async () => {
  const ids = await thirty();
  const leave = (met: string[]) => test.redis.zrem(test.key('jobs:queued'), ...met, '-');

  expect(await walkAll(QUEUED, leave)).toEqual(ids.toReversed());
});

it('looks at the records of those statuses alone, and survives one that cannot be read', async () => {
  const ids = await thirty();
  await test.redis.zrem(test.key('jobs:queued'), ids[3] ?? '');
  await test.redis.hset(test.key(`job:${ids[4]}`), 't', 'no state');

  const met = await walkAll({ ...QUEUED, statuses: ['queued', 'running'] });

  expect(met).toEqual(ids.filter((_, n) => n !== 3 && n !== 4).toReversed());
});
