import { withCrashPoints } from '@darkroom/shared/observability';
import { createRedisChanges } from '@darkroom/shared/storage/redis';
import { HOUR } from '@darkroom/shared/testing/factories';
import { archiveBatch, enlistRows, getBatch, jobsOfRows, loadBatch, mindBatch } from '@darkroom/shared/usecases';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aRow, openTestBatches, type TestBatches } from '../../support/batches.ts';
import { TENANT } from '../../support/ledger.ts';
import { testRedisUrl } from '../../support/redis.ts';

let test: TestBatches;
beforeEach(async () => {
  test = await openTestBatches();
});
afterEach(() => test[Symbol.asyncDispose]());

const use = (owner: string, bodyHash = 'body') => ({ key: 'key', bodyHash, owner });

/** A batch of two rows, one of which brought an image and one none. */
async function completed() {
  const batch = await test.accept([{}, {}]);
  await test.settle(batch.id);
  await test.succeed((await test.job(batch, 'row-0')).id);
  await test.fail((await test.job(batch, 'row-1')).id);
  return test.settle(batch.id);
}

describe('an idempotency key', () => {
  it('is kept by whoever is in the middle of its body', async () => {
    const { batches } = test;

    expect(await batches.reserve(TENANT, 'key', 'one', 60_000)).toBe('reserved');
    expect(await batches.reserve(TENANT, 'key', 'one', 60_000)).toBe('reserved');
    expect(await batches.reserve(TENANT, 'key', 'two', 60_000)).toBe('busy');
    await batches.release(TENANT, 'key', 'two');
    expect(await batches.reserve(TENANT, 'key', 'two', 60_000)).toBe('busy');
    await batches.release(TENANT, 'key', 'one');
    expect(await batches.reserve(TENANT, 'key', 'two', 60_000)).toBe('reserved');
  });

  it('stands for one batch and its body', async () => {
    const { batches } = test;
    const [first, second] = [await test.accept([{}]), await test.accept([{}])].map((batch, n) => ({
      ...batch,
      id: `bat_${String(n).repeat(32)}`,
    }));
    if (!first || !second) throw new Error('two were accepted');
    await batches.reserve(TENANT, 'key', 'one', 60_000);

    expect(await batches.accept(second, use('two'))).toEqual({ type: 'busy' });
    expect(await batches.accept(first, use('one'))).toEqual({ type: 'created' });
    expect(await batches.accept(second, use('two'))).toEqual({ type: 'replayed', id: first.id });
    expect(await batches.accept(second, use('two', 'another body'))).toEqual({ type: 'reused', id: first.id });
    expect(await batches.reserve(TENANT, 'key', 'two', 60_000)).toBe('used');
    expect(await batches.read(TENANT, second.id)).toBeUndefined();
  });
});

describe('a script that is sent twice', () => {
  it('accepts a batch once, with the same answer', async () => {
    await test.accept([{}]);
    const once = await test.dump();

    const { first, second } = await test.resend();

    expect(second).toEqual(first);
    expect(await test.dump()).toEqual(once);
  });

  it('changes a batch once, with the same answer', async () => {
    const { id } = await test.accept([{}]);
    await test.control(id, 'cancel');
    await mindBatch(test.deps, TENANT, id);
    const once = await test.dump();

    const { first, second } = await test.resend();

    expect([first, second]).toEqual([1, 1]);
    expect(await test.dump()).toEqual(once);
  });

  it('makes a job once', async () => {
    const batch = await test.accept([{}]);
    const { batches } = test;
    const stop = new Error('stop');
    const crash = () => {
      throw stop;
    };
    const deps = { ...test.deps, batches: withCrashPoints(batches, crash, { enlist: { after: 'batch.enlisted' } }) };
    await expect(loadBatch(deps, TENANT, batch.id)).rejects.toBe(stop);
    const once = await test.dump();

    expect((await test.resend()).second).toEqual(['known']);
    expect(await test.dump()).toEqual(once);
  });
});

describe('of two writers', () => {
  it('one is first, and the other is told', async () => {
    const batch = await test.accept([{}]);
    const change = { batch: { ...batch, version: 2, name: 'one' }, events: [] };

    expect(await test.batches.write(change)).toBe(true);
    expect(await test.batches.write({ ...change, batch: { ...change.batch, name: 'two' } })).toBe(false);
    expect(await test.batch(batch.id)).toMatchObject({ name: 'one', version: 2 });
  });

  it('who ends a batch is told when a job was made meanwhile', async () => {
    const batch = await test.accept([{}]);

    expect(await test.batches.write({ batch: { ...batch, version: 2 }, events: [], made: 1 })).toBe(false);
    expect(await test.batches.write({ batch: { ...batch, version: 2 }, events: [], made: 0 })).toBe(true);
  });

  it('whoever makes jobs of an older version makes none', async () => {
    const batch = await test.accept([{}]);
    await test.control(batch.id, 'pause');

    expect(await enlistRows(test.deps, batch, [{ row: aRow(0, 'standard'), generation: 0 }])).toBe(false);

    expect(await test.totals(batch.id)).toMatchObject({ made: 0, enlisted: 0 });
  });
});

describe('a change of a batch', () => {
  it('is news to whoever watches it, and an event in its own list', async () => {
    const subscriber = new Redis(testRedisUrl(), { lazyConnect: true });
    await subscriber.connect();
    const { redis, prefix } = test;
    const changes = await createRedisChanges({ redis, subscriber, prefix });
    const batch = await test.accept([{}]);
    const heard = new Promise<void>((resolve) => changes.watch(TENANT, batch.id, resolve));

    await test.control(batch.id, 'cancel');
    await test.settle(batch.id);
    await heard;

    expect(await changes.eventsOf(TENANT, batch.id)).toMatchObject([{ type: 'batch.canceled' }]);
    subscriber.disconnect();
  });
});

describe('batches', () => {
  it('are listed newest first, and no page repeats or skips one', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) {
      ids.unshift((await test.accept([{}])).id);
      if (n % 2) test.clock.advance(1_000);
    }
    const seen: string[] = [];
    for (let after: { at: number; id: string } | undefined; ; ) {
      const page = await test.batches.list(TENANT, { limit: 2, ...(after && { after }) });
      seen.push(...page.map(({ id }) => id));
      const last = page.at(-1);
      if (!last) break;
      after = { at: last.createdAt, id: last.id };
    }

    expect(seen).toEqual(ids);
  });

  it('leave Redis once their tail is over, and are read on', async () => {
    const batch = await completed();
    const before = await getBatch(test.deps, TENANT, batch.id);
    expect(await test.batches.dueRetention(TENANT, test.clock.now() + 23 * HOUR, 10)).toEqual([]);
    expect(await test.batches.dueRetention(TENANT, test.clock.now() + 24 * HOUR, 10)).toEqual([batch.id]);

    expect(await archiveBatch(test.deps, TENANT, batch.id)).toBe(true);

    expect(await test.batches.read(TENANT, batch.id)).toBeUndefined();
    expect(Object.keys(await test.dump()).filter((key) => key.includes(batch.id))).toEqual([]);
    expect(await getBatch(test.deps, TENANT, batch.id)).toEqual(before);
    const jobs = await jobsOfRows(test.deps, batch, [aRow(0, 'standard'), aRow(1, 'standard')]);
    expect(jobs.map((job) => job?.state.status)).toEqual(['succeeded', 'failed']);
    await expect(test.control(batch.id, 'retry-failed')).rejects.toMatchObject({ code: 'conflict' });
    await expect(getBatch(test.deps, 'another', batch.id)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('that went on after a document was written have it replaced', async () => {
    const batch = await completed();
    const dies = { ...test.batches, forget: () => Promise.reject(new Error('dead')) };
    await expect(archiveBatch({ ...test.deps, batches: dies }, TENANT, batch.id)).rejects.toThrow('dead');
    await test.control(batch.id, 'retry-failed');
    await test.settle(batch.id);
    expect(await archiveBatch(test.deps, TENANT, batch.id)).toBe(false);
    await test.succeed((await test.job(batch, 'row-1', 1)).id);
    const over = await test.settle(batch.id);

    expect(await archiveBatch(test.deps, TENANT, batch.id)).toBe(true);

    expect(await getBatch(test.deps, TENANT, batch.id)).toMatchObject({
      batch: over,
      totals: { counts: { succeeded: 2 } },
    });
  });

  it.each(['bat_0', 'job_01a1fbb251ca7be583c77d490862da44', 'bat_01a1fbb251ca7be583c77d490862da44'])(
    'are not found under %s',
    async (id) => {
      await expect(getBatch(test.deps, TENANT, id)).rejects.toMatchObject({ code: 'not_found', param: 'id' });
    },
  );
});
