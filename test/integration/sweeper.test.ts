import { begin } from '@darkroom/shared/domain';
import { createLog } from '@darkroom/shared/observability';
import type { ObjectStore } from '@darkroom/shared/ports';
import { HOUR, NOON, SECOND } from '@darkroom/shared/testing/factories';
import { cancelJob, readArchive } from '@darkroom/shared/usecases';
import { describe, expect, it } from 'vitest';
import { archiveOnce } from '../../apps/worker/src/sweeper/archive.ts';
import { sweepOnce } from '../../apps/worker/src/sweeper/sweep.ts';
import { TENANT } from '../support/ledger.ts';
import { openTestUsecases, type TestUsecases } from '../support/usecases.ts';

const log = createLog({ level: 'silent', program: 'test' });
const running = new AbortController().signal;
const DAY = 24 * HOUR;

/** Time for everything that is over to leave Redis; the ledger's default tail. */
const TAIL = DAY + HOUR;

async function openTest() {
  const test = await openTestUsecases();
  await test.redis.sadd(`${test.prefix}tenants`, TENANT);
  return test;
}

const letGo = async () => undefined;
const isPaused = async () => false;
const sweep = (test: TestUsecases) => sweepOnce({ ...test, letGo, isPaused, random: () => 0.5, log });
const archive = (test: TestUsecases, store: ObjectStore = test.store) => archiveOnce({ ...test, store, log }, running);
/** Makes the record one that nobody can read. */
const spoil = ({ redis, key }: TestUsecases, id: string) => redis.hset(key(`job:${id}`), 't', '{');
const ids = (count: number) => Array.from({ length: count }, (_, n) => `job_${String(n).padStart(3, '0')}`);

async function start(test: TestUsecases, id: string) {
  const begun = begin(await test.read(id), { id: `att_${id}`, channel: 'gemini' }, NOON);
  if (begun.type === 'go') await test.write(begun.change);
}

/** A finished job of each id, oldest first. */
async function finished(test: TestUsecases, names: string[]) {
  for (const id of names) {
    await test.admit(id, { state: { expiresAt: NOON + 2 * DAY } });
    await cancelJob(test.deps, TENANT, id);
  }
}

describe('a record that cannot be read', () => {
  it('keeps no other job in Redis for ever', async () => {
    await using test = await openTest();
    await finished(test, ['job_1', 'job_2']);
    await spoil(test, 'job_1');
    test.clock.advance(TAIL);

    expect(await archive(test)).toBe(1);

    expect(await readArchive(test.store, TENANT, 'job_2')).toMatchObject({ job: { id: 'job_2' } });
    expect(await test.ledger.dueRetention(TENANT, test.clock.now(), 10)).toEqual([]);
    expect(await test.ledger.dueRetention(TENANT, test.clock.now() + 600 * SECOND, 10)).toEqual(['job_1']);
  });

  it('does not stop other deadlines', async () => {
    await using test = await openTest();
    for (const [n, id] of ['job_1', 'job_2'].entries()) await test.admit(id, { state: { expiresAt: NOON + n } });
    await spoil(test, 'job_1');
    test.clock.advance(SECOND);

    await sweep(test);

    expect(await test.read('job_2')).toMatchObject({ state: { status: 'expired' } });
  });

  it('does not stop the reaper', async () => {
    await using test = await openTest();
    for (const id of ['job_1', 'job_2']) {
      await test.admit(id);
      await start(test, id);
    }
    await spoil(test, 'job_1');
    await test.redis.set(test.key('tick'), 100);

    await sweep(test);

    expect(await test.read('job_2')).toMatchObject({ state: { attempts: [{ state: 'in_doubt' }] } });
  });

  it('does not stop hand-overs', async () => {
    await using test = await openTest();
    for (const id of ['job_1', 'job_2']) {
      await test.admit(id, {}, { type: 'lead' });
      await test.admit(`${id}_twin`, { state: { leader: id } }, { type: 'join', leader: id });
      const before = await test.read(id);
      await test.write({
        before,
        after: { ...before, version: 2, state: { ...before.state, status: 'blocked' } },
        events: [],
        at: NOON,
      });
    }
    await spoil(test, 'job_1');

    await sweep(test);

    expect(await test.ledger.dueHandoffs(TENANT, 10)).toEqual(['job_1']);
  });

  it('does not stop wake-ups', async () => {
    await using test = await openTest();
    for (const id of ['job_1', 'job_2']) await test.admit(id);
    await spoil(test, 'job_1');
    test.clock.advance(10 * SECOND);

    await sweep(test);

    expect(await test.messages()).toEqual(['job_2']);
  });
});

describe('lost wake-ups', () => {
  it('are sent again in one round, however many there are', async () => {
    await using test = await openTest();
    await Promise.all(ids(450).map((id) => test.admit(id)));
    test.clock.advance(10 * SECOND);

    await sweep(test);

    expect(await test.messages()).toHaveLength(450);
  });

  it('leave time for the other repairs', async () => {
    await using test = await openTest();
    await Promise.all(ids(450).map((id) => test.admit(id)));
    test.clock.advance(10 * SECOND);
    const slow = { now: () => (test.clock.advance(600), test.clock.now()) };

    await sweepOnce({ ...test, letGo, isPaused, clock: slow, random: () => 0.5, log });

    expect(await test.messages()).toHaveLength(200);
  });
});

describe('the archive', () => {
  it('leaves a job alone while a call of it is out, and writes nothing', async () => {
    await using test = await openTest();
    await test.admit('job_1');
    await start(test, 'job_1');
    await cancelJob(test.deps, TENANT, 'job_1');
    test.clock.advance(TAIL);

    expect(await archive(test)).toBe(0);

    expect(await readArchive(test.store, TENANT, 'job_1')).toBeUndefined();
    expect(await test.ledger.dueRetention(TENANT, test.clock.now(), 10)).toEqual([]);
    expect(await test.ledger.read(TENANT, 'job_1')).toBeDefined();
  });

  it('writes eight documents side by side, and more than a page in one round', async () => {
    await using test = await openTest();
    await finished(test, ids(210));
    test.clock.advance(TAIL);
    let out = 0;
    let most = 0;
    const full = Promise.withResolvers<void>();
    const store: ObjectStore = {
      ...test.store,
      put: async (...args) => {
        most = Math.max(most, ++out);
        if (most === 8) full.resolve();
        await full.promise;
        return test.store.put(...args).finally(() => out--);
      },
    };

    expect(await archive(test, store)).toBe(210);

    expect(most).toBe(8);
  });

  it('is not waited for by the repairs', async () => {
    await using test = await openTest();
    await finished(test, ['job_1']);
    test.clock.advance(TAIL);

    expect(Object.keys(await sweep(test))).not.toContain('archive');

    expect(await test.ledger.dueRetention(TENANT, test.clock.now(), 10)).toEqual(['job_1']);
  });
});
