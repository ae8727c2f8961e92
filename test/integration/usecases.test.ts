import { AppError, begin, settle, without } from '@darkroom/shared/domain';
import { ListJobsQuery, parse } from '@darkroom/shared/schemas';
import { doubtEnd, HOUR, imageEnd, NOON, SECOND } from '@darkroom/shared/testing/factories';
import {
  archiveJob,
  cancelJob,
  enqueueWakes,
  getJob,
  listJobs,
  RECHECK_MS,
  readArchive,
  releaseJob,
  submitAgain,
  toWake,
} from '@darkroom/shared/usecases';
import { describe, expect, it } from 'vitest';
import { TENANT } from '../support/ledger.ts';
import { openTestUsecases, type TestUsecases } from '../support/usecases.ts';

const MUG = { prompt: 'a red mug' };
const half = () => 0.5;

/** The code of the AppError that `promise` rejects with. */
async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  return error instanceof AppError ? error.code : `not refused: ${String(error)}`;
}

/** Gives the job an open attempt. */
async function start(test: TestUsecases, id: string): Promise<void> {
  const begun = begin(await test.read(id), { id: 'att_1', channel: 'gemini' }, test.clock.now());
  if (begun.type !== 'go') throw new Error(begun.type);
  await test.write(begun.change);
}

describe('cancel and release', () => {
  it('cancels once, and says when there is nothing to cancel', async () => {
    await using test = await openTestUsecases();
    const { job } = await test.submit(MUG);

    await cancelJob(test.deps, TENANT, job.id);

    expect(await cancelJob(test.deps, TENANT, job.id)).toMatchObject({ version: 2, state: { status: 'canceled' } });
    expect(await codeOf(cancelJob(test.deps, TENANT, 'job_0'))).toBe('not_found');
    const other = await test.submit({ prompt: 'a blue mug' });
    await test.succeed(other.job.id);
    expect(await codeOf(cancelJob(test.deps, TENANT, other.job.id))).toBe('conflict');
  });

  it('releases a held job with a new message, and makes an ended one again', async () => {
    await using test = await openTestUsecases();
    const { job } = await test.submit({ ...MUG, on_unknown_outcome: 'hold' });
    await start(test, job.id);
    await test.write(settle(await test.read(job.id), 'att_1', doubtEnd(), NOON, half));

    expect(await releaseJob(test.deps, TENANT, job.id)).toMatchObject({ state: { status: 'queued' } });
    expect(await codeOf(releaseJob(test.deps, TENANT, job.id))).toBe('conflict');
    expect(await test.messages()).toEqual([job.id, job.id]);
    const canceled = await cancelJob(test.deps, TENANT, job.id);
    expect(await releaseJob(test.deps, TENANT, job.id)).toBeUndefined();
    expect(await submitAgain(test.deps, canceled)).toMatchObject({ dedup: 'miss', job: { request: canceled.request } });
  });
});

describe('the archive', () => {
  it('holds a job that left Redis, for its own tenant only', async () => {
    await using test = await openTestUsecases();
    const { job } = await test.submit(MUG);
    const done = await test.succeed(job.id);

    await archiveJob(test, done);

    expect(await test.ledger.read(TENANT, job.id)).toBeUndefined();
    expect(await getJob(test, TENANT, job.id)).toEqual(done);
    const theirs = await getJob(test, 'other', job.id).catch((error: unknown) => error);
    const unknown = await getJob(test, 'other', 'job_unknown').catch((error: unknown) => error);
    expect(theirs).toEqual(unknown);
    expect(theirs).toMatchObject({ code: 'not_found' });
  });

  it.each(['sku-1', 'a.b:c', '..', '.'.repeat(128)])(
    'holds a job of the caller’s own id %s, and replays it',
    async (ownId) => {
      await using test = await openTestUsecases();
      await test.submit(MUG, { ownId });
      const done = await test.succeed(ownId);
      await archiveJob(test, done);

      expect(await test.submit(MUG, { ownId })).toMatchObject({ replayed: true, job: { version: done.version } });
      expect(await codeOf(test.submit({ prompt: 'a blue mug' }, { ownId }))).toBe('idempotency_key_reused');
      expect(await codeOf(getJob(test, 'other', ownId))).toBe('not_found');
    },
  );

  it('replays an idempotency key whose job left Redis', async () => {
    await using test = await openTestUsecases();
    const { job } = await test.submit(MUG, { idempotencyKey: 'key' });
    await archiveJob(test, await test.succeed(job.id));

    expect(await test.submit(MUG, { idempotencyKey: 'key' })).toMatchObject({ replayed: true, job: { id: job.id } });
  });

  it('keeps the last word on a job that changed after it was archived', async () => {
    await using test = await openTestUsecases();
    const { job } = await test.submit(MUG);
    await start(test, job.id);
    const canceled = await cancelJob(test.deps, TENANT, job.id);
    await archiveJob(test, canceled); // Its call is out, so the record stays.
    const late = await test.write(settle(await test.read(job.id), 'att_1', imageEnd(), NOON, half));

    await archiveJob(test, late);
    await archiveJob(test, late);

    expect(await getJob(test, TENANT, job.id)).toEqual(late);
    expect(await test.ledger.read(TENANT, job.id)).toBeUndefined();
  });

  it('replaces an older document, never a newer one', async () => {
    await using test = await openTestUsecases();
    const { job } = await test.submit(MUG);
    const done = await test.succeed(job.id);
    const stored = async () => (await readArchive(test.store, TENANT, job.id))?.job.version;

    await archiveJob(test, { ...done, version: done.version - 1 });
    await archiveJob(test, { ...done, version: done.version + 1 });
    expect(await stored()).toBe(done.version + 1);
    await archiveJob(test, done);

    expect(await stored()).toBe(done.version + 1);
  });

  it('takes no job whose call is out or whose twins wait', async () => {
    await using test = await openTestUsecases();
    const { job } = await test.submit(MUG);
    await start(test, job.id);
    const twin = await test.submit(MUG);
    const canceled = await cancelJob(test.deps, TENANT, job.id);

    expect(await archiveJob(test, canceled)).toBe(false);
    expect(await archiveJob(test, { ...canceled, state: without(canceled.state, 'open') })).toBe(false);

    expect(twin.job.state.leader).toBe(job.id);
    expect(await readArchive(test.store, TENANT, job.id)).toBeUndefined();
  });

  it.each(['job_0', 'job_ffffffffffff7fffbfffffffffffffff', '../../etc/passwd', '', 'a b', 'x'.repeat(129)])(
    'knows no job %j, and says so in the same words',
    async (id) => {
      await using test = await openTestUsecases();

      await expect(getJob(test, TENANT, id)).rejects.toMatchObject({
        code: 'not_found',
        message: 'There is no such job.',
      });
    },
  );
});

describe('the outbox', () => {
  it('sends one message for one version, however often it is pushed', async () => {
    await using test = await openTestUsecases();
    const { job } = await test.submit(MUG);
    for (let n = 0; n < 5; n++) test.outbox.push(job);
    await test.outbox.flush();

    test.outbox.push(job);

    expect(await test.messages()).toEqual([job.id]);
  });

  it('sends a lost message again once it is overdue', async () => {
    await using test = await openTestUsecases();
    const { job } = await test.submit(MUG);
    await test.loseMessages();
    const sweep = async () => {
      const due = await test.ledger.dueWakes(TENANT, test.clock.now(), 10);
      await enqueueWakes(test, await Promise.all(due.map(async ({ id }) => toWake(await test.read(id)))));
      return due.length;
    };

    test.clock.advance(RECHECK_MS - SECOND);
    expect([await sweep(), await test.messages()]).toEqual([0, []]);
    test.clock.advance(SECOND);
    expect([await sweep(), await test.messages()]).toEqual([1, [job.id]]);
    expect(await sweep()).toBe(0);
  });

  it('looks at each version again in its own time, however late another of its batch is due', async () => {
    await using test = await openTestUsecases();
    const soon = await test.admit('job_1');
    const late = await test.admit('job_2', { state: { runAt: NOON + HOUR } });

    await enqueueWakes(test, [toWake(soon), toWake(late)]);

    expect(await test.ledger.dueWakes(TENANT, NOON + RECHECK_MS, 10)).toEqual([{ id: 'job_1', version: 1 }]);
    expect(await test.ledger.dueWakes(TENANT, NOON + HOUR + RECHECK_MS - 1, 10)).toHaveLength(1);
    expect(await test.ledger.dueWakes(TENANT, NOON + HOUR + RECHECK_MS, 10)).toHaveLength(2);
  });

  it('looks ever more seldom at a job that waits long, and at least every quarter of an hour', async () => {
    await using test = await openTestUsecases();
    const job = await test.admit('job_1');
    const untilNextLook = async (waitedMs: number) => {
      test.clock.advance(NOON + waitedMs - test.clock.now());
      await enqueueWakes(test, [toWake(job)]);
      return Number(await test.redis.zscore(test.key('wakes'), '1:job_1')) - test.clock.now();
    };

    expect(await untilNextLook(0)).toBe(RECHECK_MS);
    expect(await untilNextLook(2 * RECHECK_MS)).toBe(2 * RECHECK_MS);
    expect(await untilNextLook(HOUR)).toBe(900 * SECOND);
  });

  it('finds a job whose message was never sent', async () => {
    await using test = await openTestUsecases();

    await test.admit('job_1');

    expect(await test.ledger.dueWakes(TENANT, test.clock.now(), 10)).toEqual([{ id: 'job_1', version: 1 }]);
  });
});

describe('listJobs', () => {
  const pagesOf = async (test: TestUsecases, query: Record<string, string>) => {
    const pages: string[][] = [];
    for (let after: string | undefined; ; ) {
      const page = await listJobs(test.ledger, TENANT, parse(ListJobsQuery, { ...query, ...(after && { after }) }));
      pages.push(page.jobs.map(({ id }) => id));
      after = page.nextCursor;
      if (!after) return pages;
    }
  };

  it('pages through all jobs, and no job twice', async () => {
    await using test = await openTestUsecases();
    await Promise.all(Array.from({ length: 25 }, (_, n) => test.admit(`job_${String(n).padStart(2, '0')}`)));

    const pages = await pagesOf(test, { limit: '10' });

    expect(pages.map((page) => page.length)).toEqual([10, 10, 5]);
    expect(new Set(pages.flat()).size).toBe(25);
  });

  it('filters by tag, model or its alias, lane and metadata', async () => {
    await using test = await openTestUsecases();
    await test.admit('job_1', { request: { tags: ['summer'], metadata: { sku: '1', constructor: 'x' } } });
    await test.admit('job_2', { request: { tags: ['winter'], model: 'gemini-3-pro-image' } });

    expect(await pagesOf(test, { tag: 'summer' })).toEqual([['job_1']]);
    expect(await pagesOf(test, { model: 'pro' })).toEqual([['job_2']]);
    expect(await pagesOf(test, { model: 'gemini-nano-banana-2.1' })).toEqual([['job_1']]);
    expect(await pagesOf(test, { lane: 'standard', 'metadata[sku]': '1' })).toEqual([['job_1']]);
    expect(await pagesOf(test, { 'metadata[sku]': '2' })).toEqual([[]]);
    expect(await pagesOf(test, { 'metadata[constructor]': 'x' })).toEqual([['job_1']]);
    expect(await pagesOf(test, { 'metadata[__proto__]': 'x' })).toEqual([[]]);
  });

  it.each(['toString', 'constructor', 'batch', 'metadata', 'metadata[]', 'Status'])(
    'refuses the filter %s by name',
    async (name) => {
      await using test = await openTestUsecases();

      await expect(pagesOf(test, { [name]: 'x' })).rejects.toMatchObject({ code: 'invalid_request', param: name });
    },
  );

  it.each(['', 'x', 'MTIz', Buffer.from('1795176000000 ').toString('base64url')])(
    'refuses %j as a cursor',
    async (after) => {
      await using test = await openTestUsecases();

      await expect(pagesOf(test, { after, limit: '1' })).rejects.toMatchObject({
        code: 'invalid_request',
        param: 'after',
      });
    },
  );
});
