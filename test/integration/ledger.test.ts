import { begin, cancel, expire, type Job, release, settle, wait } from '@darkroom/shared/domain';
import {
  aJob,
  anImage,
  doubtEnd,
  HOUR,
  imageEnd,
  limitEnd,
  MINUTE,
  NOON,
  refusalEnd,
  rejectionEnd,
  SECOND,
} from '@darkroom/shared/testing/factories';
import { describe, expect, it } from 'vitest';
import { openTestLedger, TENANT, type TestLedger } from '../support/ledger.ts';

const LATER = NOON + 1_000;
const half = () => 0.5;
const LEAD = { type: 'lead' } as const;

const begun = (job: Job, attempt = 'att_1', now = LATER) => {
  const answer = begin(job, { id: attempt, channel: 'gemini' }, now);
  return answer.type === 'go' ? answer.change : undefined;
};
const start = async (test: TestLedger, job: Job, attempt?: string) => test.write(begun(job, attempt));

describe('admit', () => {
  it('makes the job durable: record, indexes, wake-up and event', async () => {
    await using test = await openTestLedger();

    const job = await test.admit('job_1');

    expect(await test.read('job_1')).toEqual(job);
    expect(await test.ledger.countByStatus(TENANT)).toMatchObject({ queued: 1, running: 0 });
    expect(await test.ledger.dueWakes(TENANT, NOON, 10)).toEqual([{ id: 'job_1', version: 1 }]);
    expect(await test.ledger.dueDeadlines(TENANT, NOON + HOUR, 10)).toEqual(['job_1']);
    expect(await test.redis.xrange(test.key('events'), '-', '+')).toMatchObject([
      [{}, ['t', 'job.queued', 'j', 'job_1']],
    ]);
  });

  it('tells a replay from a reuse, by key and by id', async () => {
    await using test = await openTestLedger();
    const job = aJob({ id: 'job_1' });
    await test.ledger.admit({ job, bodyHash: 'body', idempotencyKey: 'key', mode: LEAD });
    const again = (id: string, bodyHash: string, idempotencyKey?: string) =>
      test.ledger.admit({ job: aJob({ id }), bodyHash, mode: LEAD, ...(idempotencyKey && { idempotencyKey }) });

    expect(await again('job_2', 'body', 'key')).toEqual({ type: 'replayed', id: 'job_1' });
    expect(await again('job_2', 'other', 'key')).toEqual({ type: 'reused', id: 'job_1' });
    expect(await again('job_1', 'body')).toEqual({ type: 'replayed', id: 'job_1' });
    expect(await again('job_1', 'other')).toEqual({ type: 'reused', id: 'job_1' });
    expect(await test.ledger.recall(TENANT, 'key')).toEqual({ id: 'job_1', bodyHash: 'body' });
    expect(await test.ledger.recall(TENANT, 'unheard of')).toBeUndefined();
    expect(await test.ledger.bodyHash(TENANT, 'job_1')).toBe('body');
  });

  it('replays a job under its own id and key that has moved on, instead of claiming to have made it', async () => {
    await using test = await openTestLedger();
    const submission = { job: aJob({ id: 'sku-1' }), bodyHash: 'body', idempotencyKey: 'key', mode: LEAD };
    await test.ledger.admit(submission);
    await start(test, await test.read('sku-1'));

    expect(await test.ledger.admit(submission)).toEqual({ type: 'replayed', id: 'sku-1' });
  });

  it('writes nothing beside a twin, a cached result or a full backlog', async () => {
    await using test = await openTestLedger({ backlogMax: 1 });
    await test.admit('job_1', { fingerprint: 'fp' });
    await test.redis.set(
      test.key('cache:cached'),
      JSON.stringify({ id: 'job_0', at: NOON, state: { images: [anImage()] } }),
    );
    const before = await test.dump();
    const admit = (fingerprint: string, request = {}) =>
      test.ledger.admit({ job: aJob({ id: 'job_2', fingerprint, request }), bodyHash: '-', mode: LEAD });

    expect(await admit('fp')).toEqual({ type: 'twin', id: 'job_1' });
    expect(await admit('cached', { cache: { ttlMs: HOUR } })).toMatchObject({
      type: 'cached',
      result: { id: 'job_0', at: NOON },
    });
    expect(await admit('another')).toEqual({ type: 'full' });
    expect(await test.dump()).toEqual(before);
  });

  it('looks for no twin when the caller wants a variant, and for no cached result unless asked', async () => {
    await using test = await openTestLedger();
    await test.admit('job_1', { fingerprint: 'fp' });
    await test.redis.set(test.key('cache:fp'), '{}');

    await test.admit('job_2', { fingerprint: 'fp', request: { dedup: false } });

    expect(await test.ledger.twin(TENANT, 'fp')).toBe('job_1');
  });

  it('lets nobody join a twin that is over', async () => {
    await using test = await openTestLedger();
    await test.write(cancel(await test.admit('job_1'), LATER));
    const job = aJob({ id: 'job_2', state: { leader: 'job_1' } });

    const admission = await test.ledger.admit({ job, bodyHash: '-', mode: { type: 'join', leader: 'job_1' } });

    expect(admission).toEqual({ type: 'gone' });
    expect(await test.ledger.read(TENANT, 'job_2')).toBeUndefined();
  });

  it('makes one job of 50 parallel submissions with one idempotency key', async () => {
    await using test = await openTestLedger();

    const admissions = await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        test.ledger.admit({ job: aJob({ id: `job_${n}` }), bodyHash: 'body', idempotencyKey: 'key', mode: LEAD }),
      ),
    );

    const created = admissions.findIndex(({ type }) => type === 'created');
    expect(admissions.filter(({ type }) => type === 'created')).toHaveLength(1);
    expect(admissions.filter(({ type }) => type !== 'created')).toEqual(
      Array.from({ length: 49 }, () => ({ type: 'replayed', id: `job_${created}` })),
    );
    expect(await test.ledger.list(TENANT, { limit: 100 })).toHaveLength(1);
  });
});

describe('write', () => {
  it('lets one of 20 parallel writers win', async () => {
    await using test = await openTestLedger();
    const job = await test.admit('job_1');

    const written = await Promise.all(
      Array.from({ length: 20 }, (_, n) => {
        const change = begun(job, `att_${n}`);
        if (!change) throw new Error('not begun');
        return test.ledger.write(change);
      }),
    );

    const winner = written.findIndex(({ type }) => type === 'written');
    expect(written.filter(({ type }) => type === 'stale')).toHaveLength(19);
    expect((await test.read('job_1')).state).toMatchObject({ open: `att_${winner}`, attempts: { length: 1 } });
    expect(await test.ledger.totals(TENANT)).toMatchObject({ calls: 1 });
  });

  it('writes nothing for an attempt that is no longer the job’s', async () => {
    await using test = await openTestLedger();
    const running = await start(test, await test.admit('job_1'));
    const reaped = await test.write(settle(running, 'att_1', doubtEnd(), LATER, half));
    await start(test, reaped, 'att_2');
    const before = await test.dump();

    const late = settle(running, 'att_1', imageEnd(), LATER, half);

    expect(late && (await test.ledger.write(late))).toEqual({ type: 'stale' });
    expect(await test.dump()).toEqual(before);
  });

  it('moves the job from one status list to the next', async () => {
    await using test = await openTestLedger();
    const statuses = async () =>
      Object.entries(await test.ledger.countByStatus(TENANT)).flatMap(([status, count]) => (count ? [status] : []));

    const running = await start(test, await test.admit('job_1'));
    expect(await statuses()).toEqual(['running']);
    const queued = await test.write(settle(running, 'att_1', rejectionEnd(), LATER, half));
    expect(await statuses()).toEqual(['queued']);
    await test.write(cancel(queued, LATER));

    expect(await statuses()).toEqual(['canceled']);
    expect(await test.ledger.dueDeadlines(TENANT, Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
    expect(await test.ledger.dueRetention(TENANT, LATER + 24 * HOUR, 10)).toEqual(['job_1']);
    expect(await test.ledger.dueRetention(TENANT, LATER + 24 * HOUR - 1, 10)).toEqual([]);
  });

  it('has a wake-up for a waiting version, and for no other', async () => {
    await using test = await openTestLedger();
    const due = () => test.ledger.dueWakes(TENANT, Number.MAX_SAFE_INTEGER, 10);
    const job = await test.admit('job_1', { request: { onUnknownOutcome: 'hold' } });

    const running = await start(test, job);
    expect(await due()).toEqual([]);
    const limited = await test.write(settle(running, 'att_1', limitEnd('minute', MINUTE), LATER, half));
    expect(await due()).toEqual([{ id: 'job_1', version: 3 }]);
    expect(await test.ledger.dueWakes(TENANT, LATER + SECOND - 1, 10)).toEqual([]);
    const again = await test.write(begun(limited, 'att_2', LATER + MINUTE));
    const held = await test.write(settle(again, 'att_2', doubtEnd(), LATER, half));
    expect(await due()).toEqual([]);
    await test.write(release(held, LATER));

    expect(await due()).toEqual([{ id: 'job_1', version: 6 }]);
  });

  it('keeps a fingerprint for its window after a success', async () => {
    await using test = await openTestLedger();
    const running = await start(test, await test.admit('job_1', { fingerprint: 'fp' }));
    expect(await test.redis.pttl(test.key('fp:fp'))).toBe(-1);

    await test.write(settle(running, 'att_1', imageEnd(), LATER, half));

    const left = await test.redis.pttl(test.key('fp:fp'));
    expect(left).toBeGreaterThan(MINUTE - 5 * SECOND);
    expect(left).toBeLessThanOrEqual(MINUTE);
    expect(await test.ledger.twin(TENANT, 'fp')).toBe('job_1');
  });

  it.each([
    ['failed', (job: Job) => settle(job, 'att_1', rejectionEnd({ retryable: false }), LATER, half)],
    ['blocked', (job: Job) => settle(job, 'att_1', refusalEnd('content_blocked'), LATER, half)],
    ['canceled', (job: Job) => cancel(job, LATER)],
    ['expired', (job: Job) => expire(job, NOON + HOUR)],
  ] as const)('frees the fingerprint of a job that %s', async (status, end) => {
    await using test = await openTestLedger();
    const running = await start(test, await test.admit('job_1', { fingerprint: 'fp' }));

    const ended = await test.write(end(running));

    expect(ended.state.status).toBe(status);
    expect(await test.ledger.twin(TENANT, 'fp')).toBeUndefined();
  });

  it.each([
    ['keeps the fingerprint of a job in doubt that is sent again', 'retry', 'job_1'],
    ['gives up the fingerprint of a job that waits for its operator: others did not choose to', 'hold', undefined],
  ] as const)('%s', async (_, onUnknownOutcome, twin) => {
    await using test = await openTestLedger();
    const running = await start(test, await test.admit('job_1', { fingerprint: 'fp', request: { onUnknownOutcome } }));

    await test.write(settle(running, 'att_1', doubtEnd(), LATER, half));

    expect(await test.ledger.twin(TENANT, 'fp')).toBe(twin);
  });

  it('never frees a fingerprint that another job has by now', async () => {
    await using test = await openTestLedger();
    const first = await start(test, await test.admit('job_1', { fingerprint: 'fp' }));
    const canceled = await test.write(cancel(first, LATER));
    await test.admit('job_2', { fingerprint: 'fp' });

    await test.write(settle(canceled, 'att_1', imageEnd(), LATER, half));

    expect(await test.ledger.twin(TENANT, 'fp')).toBe('job_2');
    expect(await test.redis.pttl(test.key('fp:fp'))).toBe(-1);
  });

  it('caches a result for as long as its caller said', async () => {
    await using test = await openTestLedger();
    const job = await test.admit('job_1', { fingerprint: 'fp', request: { dedup: false, cache: { ttlMs: MINUTE } } });
    await test.write(settle(await start(test, job), 'att_1', imageEnd({ text: 'Here.' }), LATER, half));
    const request = { dedup: false, cache: { ttlMs: HOUR } } as const;

    const admission = await test.ledger.admit({
      job: aJob({ id: 'job_2', fingerprint: 'fp', request }),
      bodyHash: '-',
      mode: LEAD,
    });

    expect(admission).toEqual({
      type: 'cached',
      result: { id: 'job_1', at: LATER, state: { images: [anImage()], text: 'Here.' } },
    });
    expect(await test.redis.pttl(test.key('cache:fp'))).toBeLessThanOrEqual(MINUTE);
  });

  it('says whether twins wait for this end, now and until they were told', async () => {
    await using test = await openTestLedger();
    const running = await start(test, await test.admit('job_1'));
    await test.admit('job_2', { state: { leader: 'job_1' } }, { type: 'join', leader: 'job_1' });
    const write = async (change: ReturnType<typeof cancel>) => change && test.ledger.write(change);

    // A canceled job's call is out: its image may still come.
    expect(await write(cancel(running, LATER))).toEqual({ type: 'written', followers: false });
    expect(await test.ledger.dueHandoffs(TENANT, 10)).toEqual([]);
    const canceled = await test.read('job_1');
    expect(await write(settle(canceled, 'att_1', imageEnd(), LATER, half))).toEqual({
      type: 'written',
      followers: true,
    });
    expect(await test.ledger.dueHandoffs(TENANT, 10)).toEqual(['job_1']);
  });
});

it('keeps tenants apart, down to ids and keys they happen to share', async () => {
  await using test = await openTestLedger();
  const other = aJob({ id: 'sku-1', tenant: 'other' });
  await test.ledger.admit({ job: aJob({ id: 'sku-1' }), bodyHash: 'body', idempotencyKey: 'key', mode: LEAD });

  expect(await test.ledger.admit({ job: other, bodyHash: 'theirs', idempotencyKey: 'key', mode: LEAD })).toEqual({
    type: 'created',
  });
  expect(await test.ledger.read('third', 'sku-1')).toBeUndefined();
  expect(await test.ledger.totals('other')).toMatchObject({ calls: 0 });
  expect(wait(other, 'parked', LATER)).toBeDefined();
});

describe('a job at rest', () => {
  it('is one packed field, and stays readable when a late image is added to it', async () => {
    await using test = await openTestLedger();
    const job = await test.admit('job_1', { request: { onUnknownOutcome: 'fail' } });
    const running = await start(test, job);
    const failed = await test.write(settle(running, 'att_1', doubtEnd(), LATER, half));
    const atRest = await test.redis.hmget(test.key('job:job_1'), 'r');

    const late = await test.write(settle(failed, 'att_1', imageEnd({ image: anImage('late') }), LATER, half));

    expect(atRest).toEqual(['']);
    expect(await test.redis.hmget(test.key('job:job_1'), 'r')).toEqual(['']);
    expect(await test.read('job_1')).toEqual(late);
    expect(late).toMatchObject({ request: job.request, state: { status: 'failed', lateImages: [anImage('late')] } });
  });
});
