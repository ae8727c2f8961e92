import { begin, cancel, type Job, received, settle } from '@darkroom/shared/domain';
import { doubtEnd, HOUR, imageEnd, MINUTE, NOON, refusalEnd } from '@darkroom/shared/testing/factories';
import { describe, expect, it } from 'vitest';
import { openTestLedger, TENANT, type TestLedger } from '../support/ledger.ts';

const LATER = NOON + 1_000;
const half = () => 0.5;

const begun = (job: Job) => {
  const answer = begin(job, { id: 'att_1', channel: 'gemini' }, LATER);
  return answer.type === 'go' ? answer.change : undefined;
};
const start = async (test: TestLedger, job: Job) => test.write(begun(job));

/** Lets the reapers' clock move on by one. */
async function tick({ redis, key, ledger }: TestLedger): Promise<string[]> {
  await redis.del(key('tick:guard'));
  return ledger.overdueLeases(TENANT, 100);
}

describe('leases', () => {
  it('are over after their span in ticks, not a tick earlier', async () => {
    await using test = await openTestLedger({ tickMs: 5_000 });
    await start(test, await test.admit('job_1'));

    for (let n = 1; n < 12; n++) expect(await tick(test)).toEqual([]);

    expect(await tick(test)).toEqual(['job_1']);
  });

  it('age by one tick however many reapers look', async () => {
    await using test = await openTestLedger({ tickMs: 60_000 });
    await start(test, await test.admit('job_1'));

    await Promise.all(Array.from({ length: 20 }, () => test.ledger.overdueLeases(TENANT, 10)));

    expect(await test.redis.get(test.key('tick'))).toBe('1');
    expect(await test.redis.pttl(test.key('tick:guard'))).toBeLessThanOrEqual(60_000);
  });

  it('do not age while there are none', async () => {
    await using test = await openTestLedger();

    await tick(test);

    expect(await test.redis.get(test.key('tick'))).toBeNull();
  });

  it('are held by whoever renews them', async () => {
    await using test = await openTestLedger({ tickMs: 5_000 });
    await start(test, await test.admit('job_1'));

    for (let n = 0; n < 40; n++) {
      expect(await tick(test)).toEqual([]);
      expect(await test.ledger.renew({ tenant: TENANT, job: 'job_1', attempt: 'att_1' })).toBe('held');
    }
  });

  it('are never shortened by a renewal while an image is being stored', async () => {
    await using test = await openTestLedger({ tickMs: 5_000 });
    await test.write(received(await start(test, await test.admit('job_1')), 'att_1', LATER));
    const until = await test.redis.zscore(test.key('leases'), 'job_1');

    await test.ledger.renew({ tenant: TENANT, job: 'job_1', attempt: 'att_1' });

    expect(until).toBe('120');
    expect(await test.redis.zscore(test.key('leases'), 'job_1')).toBe('120');
  });

  it('are lost for an attempt that is not the job’s, and for a job that is not there', async () => {
    await using test = await openTestLedger();
    const running = await start(test, await test.admit('job_1'));
    const renew = (job: string, attempt: string) => test.ledger.renew({ tenant: TENANT, job, attempt });

    expect(await renew('job_1', 'att_2')).toBe('lost');
    expect(await renew('job_2', 'att_1')).toBe('lost');
    await test.write(settle(running, 'att_1', imageEnd(), LATER, half));
    expect(await renew('job_1', 'att_1')).toBe('lost');
    expect(await test.redis.zcard(test.key('leases'))).toBe(0);
  });

  it('stay with an attempt whose job was canceled, for its call is still out', async () => {
    await using test = await openTestLedger();
    await test.write(cancel(await start(test, await test.admit('job_1')), LATER));

    expect(await test.ledger.renew({ tenant: TENANT, job: 'job_1', attempt: 'att_1' })).toBe('held');
    expect(await test.redis.zcard(test.key('leases'))).toBe(1);
  });

  it('can be reaped only when they are over', async () => {
    await using test = await openTestLedger({ tickMs: 5_000 });
    const change = settle(await start(test, await test.admit('job_1')), 'att_1', doubtEnd(), LATER, half);
    if (!change) throw new Error('nothing to write');

    expect(await test.ledger.write(change, { leaseOver: true })).toEqual({ type: 'stale' });
    for (let n = 1; n <= 12; n++) await tick(test);
    expect(await test.ledger.write(change, { leaseOver: true })).toEqual({ type: 'written', followers: false });
    expect(await tick(test)).toEqual([]);
  });
});

describe('wake-ups', () => {
  it('are looked at again when their message may be lost, and not before', async () => {
    await using test = await openTestLedger();
    await test.admit('job_1');

    await test.ledger.enqueued(TENANT, [{ id: 'job_1', version: 1, recheckAt: NOON + MINUTE }]);

    expect(await test.ledger.dueWakes(TENANT, NOON + MINUTE - 1, 10)).toEqual([]);
    expect(await test.ledger.dueWakes(TENANT, NOON + MINUTE, 10)).toEqual([{ id: 'job_1', version: 1 }]);
  });

  it('never come back for a version that is gone', async () => {
    await using test = await openTestLedger();
    await start(test, await test.admit('job_1'));

    await test.ledger.enqueued(TENANT, [{ id: 'job_1', version: 1, recheckAt: NOON }]);
    await test.ledger.enqueued(TENANT, []);

    expect(await test.ledger.dueWakes(TENANT, Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
  });

  it('know ids with a colon', async () => {
    await using test = await openTestLedger();
    await test.admit('sku:1:2');

    expect(await test.ledger.dueWakes(TENANT, NOON, 10)).toEqual([{ id: 'sku:1:2', version: 1 }]);
  });
});

describe('list', () => {
  it('skips and repeats nothing, though all jobs came at the same moment', async () => {
    await using test = await openTestLedger();
    const ids = Array.from({ length: 450 }, (_, n) => `job_${String(n).padStart(3, '0')}`);
    await Promise.all(ids.map((id) => test.admit(id)));

    const seen: string[] = [];
    for (let after: { at: number; id: string } | undefined; ; ) {
      const page = await test.ledger.list(TENANT, { limit: 70, ...(after && { after }) });
      seen.push(...page.map(({ id }) => id));
      const last = page.at(-1);
      if (page.length < 70 || !last) break;
      after = { at: last.state.createdAt, id: last.id };
    }

    expect(seen).toEqual(ids.toReversed());
  });

  it('is newest first, by status and from a time on', async () => {
    await using test = await openTestLedger();
    for (let n = 0; n < 6; n++) await test.admit(`job_${n}`, { state: { createdAt: NOON + n } });
    await test.write(cancel(await test.read('job_3'), LATER));
    const ids = async (query: object) => (await test.ledger.list(TENANT, { limit: 10, ...query })).map(({ id }) => id);

    expect(await ids({})).toEqual(['job_5', 'job_4', 'job_3', 'job_2', 'job_1', 'job_0']);
    expect(await ids({ limit: 2 })).toEqual(['job_5', 'job_4']);
    expect(await ids({ status: 'canceled' })).toEqual(['job_3']);
    expect(await ids({ status: 'queued', createdAfter: NOON + 1 })).toEqual(['job_5', 'job_4', 'job_2']);
    expect(await test.ledger.list('another', { limit: 10 })).toEqual([]);
  });

  it('knows how many of the queued jobs are ahead', async () => {
    await using test = await openTestLedger();
    for (let n = 0; n < 3; n++) await test.admit(`job_${n}`, { state: { createdAt: NOON + n } });

    expect(await test.ledger.position(TENANT, 'job_2')).toBe(2);
    await start(test, await test.read('job_0'));
    expect(await test.ledger.position(TENANT, 'job_2')).toBe(1);
    expect(await test.ledger.position(TENANT, 'job_0')).toBeUndefined();
  });
});

describe('dueSince', () => {
  it('is the time of the job that should have run longest ago', async () => {
    await using test = await openTestLedger();
    await test.admit('job_1', { state: { createdAt: NOON - 9, runAt: NOON + MINUTE } });
    await test.admit('job_2', { state: { createdAt: NOON - 8, runAt: NOON + 7 } });
    await test.admit('job_3', { state: { createdAt: NOON - 7, runAt: NOON + 5 } });

    expect(await test.ledger.dueSince(TENANT, NOON + 4)).toBeUndefined();
    expect(await test.ledger.dueSince(TENANT, NOON + 9)).toBe(NOON + 5);
  });

  it('is the same before and after the message was sent', async () => {
    await using test = await openTestLedger();
    await test.admit('job_1');

    await test.ledger.enqueued(TENANT, [{ id: 'job_1', version: 1, recheckAt: NOON + HOUR }]);

    expect(await test.ledger.dueSince(TENANT, NOON + MINUTE)).toBe(NOON);
  });

  it('knows nothing of jobs that are held, parked or follow another, however many', async () => {
    await using test = await openTestLedger();
    await start(test, await test.admit('job_0'));
    await test.admit('held', { state: { phase: 'held' } });
    await test.admit('parked', { state: { phase: 'parked' } });
    for (let n = 0; n < 220; n++)
      await test.admit(`twin_${n}`, { state: { leader: 'job_0' } }, { type: 'join', leader: 'job_0' });
    expect(await test.ledger.dueSince(TENANT, NOON + HOUR)).toBeUndefined();

    await test.admit('waits', { state: { createdAt: NOON + 1, runAt: NOON + 1 } });

    expect(await test.ledger.dueSince(TENANT, NOON + HOUR)).toBe(NOON + 1);
  });
});

describe('forget', () => {
  it('leaves nothing of a finished job but events and sums', async () => {
    await using test = await openTestLedger();
    const running = await start(test, await test.admit('job_1', { request: { dedup: { windowMs: 1 } } }));
    const ended = await test.write(settle(running, 'att_1', refusalEnd('content_blocked'), LATER, half));

    await test.ledger.forget(ended);

    const left = new Set(Object.keys(await test.dump()));
    for (const kept of ['events', 'totals', 'tick', 'tick:guard'])
      left.delete(test.key(kept).slice(test.prefix.length));
    expect([...left]).toEqual([]);
    expect(await test.ledger.read(TENANT, 'job_1')).toBeUndefined();
  });

  it('keeps a job that changed, that has a call out or whose followers wait', async () => {
    await using test = await openTestLedger();
    const first = await test.write(cancel(await start(test, await test.admit('job_1')), LATER));
    const stale = await start(test, await test.admit('job_2'));
    await test.write(cancel(stale, LATER));
    const leader = await test.admit('job_3');
    await test.admit('job_4', { state: { leader: 'job_3' } }, { type: 'join', leader: 'job_3' });
    const ended = await test.write(cancel(leader, LATER));

    for (const job of [first, stale, ended]) await test.ledger.forget(job);

    expect((await test.ledger.list(TENANT, { limit: 10 })).map(({ id }) => id)).toHaveLength(4);
    expect(await test.ledger.followers(TENANT, 'job_3', 10)).toEqual(['job_4']);
    expect(await test.ledger.dueRetention(TENANT, Date.now() + 2 * HOUR, 10)).toHaveLength(3);
  });
});
