import { begin, cancel, follow, type Job, received, settle } from '@darkroom/shared/domain';
import type { Submission } from '@darkroom/shared/ports';
import { aJob, doubtEnd, imageEnd, MINUTE, NOON, rejectionEnd } from '@darkroom/shared/testing/factories';
import { describe, expect, it } from 'vitest';
import { openTestLedger, TENANT, type TestLedger } from '../support/ledger.ts';

const LATER = NOON + 1_000;
const half = () => 0.5;

const fresh = (id = 'job_1') => aJob({ id, fingerprint: 'fp' });
const submission = (more: Partial<Submission> = {}): Submission => ({
  job: fresh(),
  bodyHash: 'body',
  mode: { type: 'lead' },
  ...more,
});

/** Gives the job an open attempt. */
async function start(test: TestLedger, job: Job, attempt = 'att_1'): Promise<Job> {
  const begun = begin(job, { id: attempt, channel: 'gemini' }, LATER);
  if (begun.type !== 'go') throw new Error(begun.type);
  return test.write(begun.change);
}

/** Moves the reapers' clock until every lease is over. */
async function outliveLeases(test: TestLedger): Promise<void> {
  for (let n = 0; n <= 12; n++) {
    await test.redis.del(test.key('tick:guard'));
    await test.ledger.overdueLeases(TENANT, 10);
  }
}

/** What is sent last is the script under test. */
const CASES: Record<string, (test: TestLedger) => Promise<unknown>> = {
  'admit: a job of its own': ({ ledger }) => ledger.admit(submission()),
  'admit: with an idempotency key': ({ ledger }) => ledger.admit(submission({ idempotencyKey: 'key' })),
  'admit: a key that was used before': async ({ ledger }) => {
    await ledger.admit(submission({ idempotencyKey: 'key' }));
    return ledger.admit(submission({ job: fresh('job_2'), idempotencyKey: 'key' }));
  },
  'admit: a key that was used with another body': async ({ ledger }) => {
    await ledger.admit(submission({ idempotencyKey: 'key' }));
    return ledger.admit(submission({ job: fresh('job_2'), bodyHash: 'another', idempotencyKey: 'key' }));
  },
  'admit: an id that was used before': async ({ ledger }) => {
    await ledger.admit(submission());
    return ledger.admit(submission());
  },
  'admit: a twin': async ({ ledger }) => {
    await ledger.admit(submission());
    return ledger.admit(submission({ job: fresh('job_2') }));
  },
  'admit: in the place of a twin': async ({ ledger }) => {
    await ledger.admit(submission());
    return ledger.admit(submission({ job: fresh('job_2'), mode: { type: 'lead', past: 'job_1' } }));
  },
  'admit: a follower': async ({ ledger }) => {
    await ledger.admit(submission());
    const follower = aJob({ id: 'job_2', state: { leader: 'job_1' } });
    return ledger.admit(submission({ job: follower, mode: { type: 'join', leader: 'job_1' } }));
  },
  'admit: a follower of nobody': ({ ledger }) => ledger.admit(submission({ mode: { type: 'join', leader: 'job_0' } })),
  'admit: a job that has its result already': ({ ledger }) =>
    ledger.admit(
      submission({
        job: aJob({ id: 'job_1', state: { status: 'succeeded', completedAt: NOON } }),
        mode: { type: 'alone' },
      }),
    ),
  'write: an attempt begins': async (test) => start(test, await test.admit('job_1')),
  'write: an image is there, with a cache to fill and a follower to tell': async (test) => {
    const job = await start(test, await test.admit('job_1', { request: { cache: { ttlMs: MINUTE } } }));
    await test.admit('job_2', { state: { leader: 'job_1' } }, { type: 'join', leader: 'job_1' });
    return test.write(settle(job, 'att_1', imageEnd(), LATER, half));
  },
  'write: an attempt failed and is put off': async (test) =>
    test.write(settle(await start(test, await test.admit('job_1')), 'att_1', rejectionEnd(), LATER, half)),
  'write: a stale version': async (test) => {
    const job = await test.admit('job_1');
    await start(test, job);
    const change = cancel(job, LATER);
    return change && test.ledger.write(change);
  },
  'write: a lease that is over': async (test) => {
    const job = await start(test, await test.admit('job_1'));
    await outliveLeases(test);
    const change = settle(job, 'att_1', doubtEnd(), LATER, half);
    return change && test.ledger.write(change, { leaseOver: true });
  },
  'write: a lease that is not': async (test) => {
    const change = settle(await start(test, await test.admit('job_1')), 'att_1', doubtEnd(), LATER, half);
    return change && test.ledger.write(change, { leaseOver: true });
  },
  'write: a follower ends': async (test) => {
    const leader = await test.write(cancel(await test.admit('job_1'), LATER));
    const follower = await test.admit('job_2', { state: { leader: 'job_1' } }, { type: 'alone' });
    const blocked: Job = { ...leader, state: { ...leader.state, status: 'blocked' } };
    return test.write(follow(follower, blocked, LATER));
  },
  'renew: a lease that is held': async (test) => {
    await start(test, await test.admit('job_1'));
    return test.ledger.renew({ tenant: TENANT, job: 'job_1', attempt: 'att_1' });
  },
  'renew: a lease of somebody else': async (test) => {
    await start(test, await test.admit('job_1'));
    return test.ledger.renew({ tenant: TENANT, job: 'job_1', attempt: 'att_2' });
  },
  'tick: a lease is not over yet': async (test) => {
    await start(test, await test.admit('job_1'));
    return test.ledger.overdueLeases(TENANT, 10);
  },
  'tick: a lease is over': async (test) => {
    await start(test, await test.admit('job_1'));
    await outliveLeases(test);
    return test.ledger.overdueLeases(TENANT, 10);
  },
  'unfollow: out': async (test) => {
    await test.admit('job_1');
    await test.admit('job_2', { state: { leader: 'job_1' } }, { type: 'join', leader: 'job_1' });
    return test.ledger.unfollow(TENANT, 'job_1', 'job_2');
  },
  'unfollow: to an heir that is over': async (test) => {
    await test.write(cancel(await test.admit('job_1'), LATER));
    return test.ledger.unfollow(TENANT, 'job_0', 'job_2', 'job_1');
  },
  'handed-off': async (test) => {
    const leader = await test.admit('job_1');
    await test.admit('job_2', { state: { leader: 'job_1' } }, { type: 'join', leader: 'job_1' });
    await test.write(cancel(leader, LATER));
    await test.ledger.unfollow(TENANT, 'job_1', 'job_2');
    return test.ledger.handedOff(TENANT, 'job_1');
  },
  'forget: a finished job': async (test) =>
    test.ledger.forget(await test.write(cancel(await test.admit('job_1'), LATER))),
  'forget: a job that changed since': async (test) => {
    const job = await start(test, await test.admit('job_1'));
    const storing = await test.write(received(job, 'att_1', LATER));
    await test.write(cancel(storing, LATER));
    return test.ledger.forget(job);
  },
};

describe('a script whose reply was lost and that is sent again', () => {
  it.each(Object.entries(CASES))('answers the same and leaves the same behind (%s)', async (_, send) => {
    await using test = await openTestLedger();
    await send(test);
    const before = await test.dump();

    const { first, second } = await test.resend();

    expect(second).toEqual(first);
    expect(await test.dump()).toEqual(before);
  });
});
