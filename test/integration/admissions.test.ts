import { aJob, HOUR, NOON } from '@darkroom/shared/testing/factories';
import { describe, expect, it } from 'vitest';
import { openTestLedger, TENANT, type TestLedger } from '../support/ledger.ts';

const LEAD = { type: 'lead' } as const;

/** Submits all of them in one turn, as requests that arrive together do. */
function together(
  test: TestLedger,
  submissions: (Partial<Parameters<TestLedger['ledger']['admit']>[0]> & { id: string })[],
) {
  return Promise.all(
    submissions.map(({ id, ...more }) => {
      const job = aJob({ id, fingerprint: `fp-${id}` });
      return test.ledger.admit({ job, bodyHash: 'body', mode: LEAD, ...more });
    }),
  );
}

const created = (answers: { type: string }[]) => answers.filter(({ type }) => type === 'created').length;

describe('submissions that come together', () => {
  it('are all recorded and indexed, however many', async () => {
    await using test = await openTestLedger();
    const ids = Array.from({ length: 150 }, (_, n) => `job_${n}`);

    const answers = await together(
      test,
      ids.map((id) => ({ id, idempotencyKey: `key-${id}` })),
    );

    expect(created(answers)).toBe(150);
    expect(await test.ledger.countByStatus(TENANT)).toMatchObject({ queued: 150 });
    expect(await test.ledger.dueWakes(TENANT, NOON, 200)).toHaveLength(150);
    expect(await test.ledger.dueDeadlines(TENANT, NOON + HOUR, 200)).toHaveLength(150);
    expect(await test.redis.xlen(test.key('events'))).toBe(150);
    for (const id of ids) expect(await test.read(id)).toMatchObject({ id, version: 1 });
    expect(await test.ledger.recall(TENANT, 'key-job_149')).toEqual({ id: 'job_149', bodyHash: 'body' });
  });

  it('know of each other, in their order: keys, ids and twins', async () => {
    await using test = await openTestLedger();
    const twin = aJob({ id: 'job_twin', fingerprint: 'fp-job_1' });

    const answers = await together(test, [
      { id: 'job_1', idempotencyKey: 'key' },
      { id: 'job_2', idempotencyKey: 'key' },
      { id: 'job_3', idempotencyKey: 'key', bodyHash: 'other' },
      { id: 'job_1' },
      { id: 'job_twin', job: twin },
      { id: 'job_follower', mode: { type: 'join', leader: 'job_1' } },
      { id: 'job_4' },
    ]);

    expect(answers).toEqual([
      { type: 'created' },
      { type: 'replayed', id: 'job_1' },
      { type: 'reused', id: 'job_1' },
      { type: 'replayed', id: 'job_1' },
      { type: 'twin', id: 'job_1' },
      { type: 'created' },
      { type: 'created' },
    ]);
    expect(await test.ledger.followers(TENANT, 'job_1', 10)).toEqual(['job_follower']);
    expect(await test.ledger.countByStatus(TENANT)).toMatchObject({ queued: 3 });
  });

  it('are each counted against the backlog', async () => {
    await using test = await openTestLedger({ backlogMax: 3 });
    await test.admit('job_0');

    const answers = await together(
      test,
      ['job_1', 'job_2', 'job_3', 'job_4'].map((id) => ({ id })),
    );

    expect(answers.map(({ type }) => type)).toEqual(['created', 'created', 'full', 'full']);
    expect(await test.ledger.countByStatus(TENANT)).toMatchObject({ queued: 3 });
  });

  it('stay with their tenants', async () => {
    await using test = await openTestLedger();

    const answers = await together(test, [
      { id: 'job_1' },
      { id: 'job_1', job: aJob({ id: 'job_1', tenant: 'other', fingerprint: 'fp-job_1' }) },
    ]);

    expect(created(answers)).toBe(2);
    expect(await test.ledger.read('other', 'job_1')).toMatchObject({ tenant: 'other' });
    expect(await test.ledger.countByStatus('other')).toMatchObject({ queued: 1 });
  });

  it('are all told when the call fails', async () => {
    await using test = await openTestLedger();
    await test.redis.set(test.key('jobs:queued'), 'no index');

    const answers = await Promise.allSettled(['job_1', 'job_2'].map((id) => together(test, [{ id }])));

    expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });
});
