import { randomUUIDv7 } from 'node:crypto';
import { batchKey, idFrom, newBatch, shardKey } from '@darkroom/shared/domain';
import { createRedisIngests } from '@darkroom/shared/storage/redis';
import { MINUTE } from '@darkroom/shared/testing/factories';
import { sweepIngests } from '@darkroom/shared/usecases';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestBatches, type TestBatches } from '../support/batches.ts';
import { TENANT } from '../support/ledger.ts';

let test: TestBatches;
beforeAll(async () => {
  test = await openTestBatches();
});
afterAll(() => test[Symbol.asyncDispose]());

const ingests = () => createRedisIngests({ redis: test.redis, prefix: test.prefix });
const sweep = () => sweepIngests({ ...test.deps, ingests: ingests() }, TENANT);

/** A body that broke off after `shards` shards, noted as the API notes it. */
async function brokenOff(shards: number): Promise<{ id: string; left: () => Promise<number> }> {
  const id = idFrom('bat', randomUUIDv7());
  await ingests().begin(TENANT, id, test.clock.now() + 10 * MINUTE);
  const keys = [...Array.from({ length: shards }, (_, n) => shardKey(id, n)), batchKey(id, 'errors.csv')];
  for (const key of keys) await test.store.put(key, Buffer.from(`of ${key}`), { contentType: 'text/plain' });
  const left = async () => (await Promise.all(keys.map((key) => test.store.head(key)))).filter(Boolean).length;
  return { id, left };
}

describe('what a body left that broke off', () => {
  it('is deleted when its time is over, and not before', async () => {
    const { left } = await brokenOff(3);
    expect([await sweep(), await left()]).toEqual([0, 4]);

    test.clock.advance(11 * MINUTE);

    expect([await sweep(), await left()]).toEqual([1, 0]);
    expect(await sweep()).toBe(0);
  });

  it('stays while somebody keeps it', async () => {
    const { id, left } = await brokenOff(1);
    test.clock.advance(9 * MINUTE);
    expect(await ingests().keep(TENANT, id, test.clock.now() + 10 * MINUTE)).toBe(true);
    test.clock.advance(9 * MINUTE);
    expect([await sweep(), await left()]).toEqual([0, 2]);

    test.clock.advance(2 * MINUTE);
    await sweep();

    expect(await left()).toBe(0);
    expect(await ingests().keep(TENANT, id, test.clock.now() + 10 * MINUTE)).toBe(false);
  });

  it('cannot be kept any more once somebody has begun to delete it', async () => {
    const { id } = await brokenOff(1);
    test.clock.advance(11 * MINUTE);

    expect(await ingests().condemned(TENANT, test.clock.now(), 10)).toEqual([id]);

    expect(await ingests().keep(TENANT, id, test.clock.now() + 10 * MINUTE)).toBe(false);
    expect(await sweep()).toBe(1);
  });

  it('is found again after a sweeper died over it', async () => {
    const { id, left } = await brokenOff(3);
    test.clock.advance(11 * MINUTE);
    await ingests().condemned(TENANT, test.clock.now(), 10);
    await test.store.delete(shardKey(id, 2));

    expect([await sweep(), await left()]).toEqual([1, 0]);
  });

  it('is not touched when it was accepted, and only its note was left behind', async () => {
    const { id, left } = await brokenOff(1);
    const now = test.clock.now();
    await test.batches.accept(
      newBatch({
        id,
        tenant: TENANT,
        createdAt: now,
        expiresAt: now + 60 * MINUTE,
        total: 1,
        invalid: 0,
        shards: [{ rows: 1, bytes: 1 }],
        estimated: 0,
        priority: 5,
        route: { lane: 'standard', reason: 'asked for' },
        metadata: {},
        tags: [],
      }),
    );
    test.clock.advance(11 * MINUTE);

    expect([await sweep(), await left()]).toEqual([1, 2]);
    expect(await sweep()).toBe(0);
  });
});
