import { describe, expect, it } from 'vitest';
import {
  aJob,
  anAttempt,
  anError,
  anImage,
  aRunningJob,
  doubtEnd,
  HOUR,
  imageEnd,
  limitEnd,
  NOON,
  refusalEnd,
  rejectionEnd,
  SECOND,
  unsentEnd,
} from '../testing/factories.ts';
import { begin, hedge, received, settle } from './attempt.ts';
import { type AttemptEnd } from './attempt-end.ts';
import type { Change } from './change.ts';
import { expire } from './control.ts';
import type { Job } from './job.ts';
import { MAX_ATTEMPTS } from './next-step.ts';
import { costOf } from './price.ts';

const LATER = NOON + 10 * SECOND;
const half = () => 0.5;
const channel = 'gemini';

/** The job after `attempt` ended; fails the test when nothing changed. */
function settled(job: Job, end: AttemptEnd, attempt = 'att_1', now = LATER): Job {
  return afterOf(settle(job, attempt, end, now, half));
}

function afterOf(change: Change | undefined): Job {
  if (!change) throw new Error('expected a change');
  return change.after;
}

/** The job once a new attempt of it is out, whenever it may run. */
function begun(job: Job, id: string): Job {
  const answer = begin(job, { id, channel }, Math.max(job.state.runAt, LATER));
  if (answer.type !== 'go') throw new Error(`expected go, not ${answer.type}`);
  return answer.change.after;
}

describe('begin', () => {
  it('puts the attempt on the record before any call may leave', () => {
    const answer = begin(aJob(), { id: 'att_1', channel }, LATER);

    expect(answer).toMatchObject({
      type: 'go',
      change: {
        before: { version: 1 },
        after: {
          version: 2,
          state: {
            status: 'running',
            phase: 'generating',
            startedAt: LATER,
            open: 'att_1',
            attempts: [{ id: 'att_1', channel, model: 'gemini-nano-banana-2.1', state: 'open', startedAt: LATER }],
          },
        },
        events: ['job.started'],
        at: LATER,
      },
    });
  });

  it('keeps the time of the first start', () => {
    const job = aJob({ state: { startedAt: NOON, attempts: [anAttempt({ state: 'rejected' })] } });

    expect(begun(job, 'att_2').state.startedAt).toBe(NOON);
  });

  it('knows the attempt that holds the lease already', () => {
    expect(begin(aRunningJob('att_1'), { id: 'att_1', channel }, LATER)).toEqual({ type: 'same' });
  });

  it('knows the holder even when the job was canceled meanwhile', () => {
    const job = aRunningJob('att_1', { state: { status: 'canceled' } });

    expect(begin(job, { id: 'att_1', channel }, LATER)).toEqual({ type: 'same' });
    expect(begin(job, { id: 'att_2', channel }, LATER)).toEqual({ type: 'over' });
  });

  it.each(['succeeded', 'blocked', 'failed', 'canceled', 'expired'] as const)(
    'never starts a job that is %s',
    (status) => {
      expect(begin(aJob({ state: { status } }), { id: 'att_1', channel }, LATER)).toEqual({ type: 'over' });
    },
  );

  it('puts no attempt on the record twice, also when a reaper gave it up before the resend', () => {
    const reaped = settled(aRunningJob('att_1'), doubtEnd());

    expect(begin(reaped, { id: 'att_1', channel }, LATER)).toEqual({ type: 'over' });
  });

  it('lets one attempt at a time out', () => {
    expect(begin(aRunningJob('att_1'), { id: 'att_2', channel }, LATER)).toEqual({ type: 'busy' });
  });

  it('leaves a follower to its leader', () => {
    expect(begin(aJob({ state: { leader: 'job_x' } }), { id: 'att_1', channel }, LATER)).toEqual({ type: 'busy' });
  });

  it('leaves a held job to the operator', () => {
    expect(begin(aJob({ state: { phase: 'held' } }), { id: 'att_1', channel }, LATER)).toEqual({ type: 'busy' });
  });

  it('waits for the time of the next attempt', () => {
    const job = aJob({ state: { runAt: LATER + 1 } });

    expect(begin(job, { id: 'att_1', channel }, LATER)).toEqual({ type: 'early', runAt: LATER + 1 });
    expect(begin(job, { id: 'att_1', channel }, LATER + 1)).toMatchObject({ type: 'go' });
  });

  it('expires a job past its deadline instead of paying for it', () => {
    const job = aJob({ state: { expiresAt: LATER } });

    expect(begin(job, { id: 'att_1', channel }, LATER)).toMatchObject({
      type: 'expired',
      change: { after: { state: { status: 'expired', attempts: [] } } },
    });
  });
});

describe('received', () => {
  it('shows that only storing is left', () => {
    const change = received(aRunningJob(), 'att_1', LATER);

    expect(change).toMatchObject({
      after: { state: { status: 'running', phase: 'storing', open: 'att_1' } },
      events: [],
    });
  });

  it('says so once', () => {
    const storing = afterOf(received(aRunningJob(), 'att_1', LATER));

    expect(received(storing, 'att_1', LATER)).toBeUndefined();
  });

  it('takes no word from another attempt, nor about a job that is over', () => {
    expect(received(aRunningJob('att_1'), 'att_2', LATER)).toBeUndefined();
    expect(received(aRunningJob('att_1', { state: { status: 'canceled' } }), 'att_1', LATER)).toBeUndefined();
  });
});

describe('settle, with an image', () => {
  it('succeeds, and keeps image, words, grounding and cost', () => {
    const end = imageEnd({ text: 'Here it is.', grounding: { queries: ['mug'] }, reason: 'STOP' });

    const change = settle(aRunningJob(), 'att_1', end, LATER, half);

    expect(change?.events).toEqual(['job.succeeded']);
    expect(change?.after.state).toEqual({
      status: 'succeeded',
      createdAt: NOON,
      startedAt: NOON,
      completedAt: LATER,
      expiresAt: NOON + HOUR,
      runAt: NOON,
      estimated: 46_331,
      images: [anImage()],
      lateImages: [],
      text: 'Here it is.',
      grounding: { queries: ['mug'] },
      attempts: [anAttempt({ state: 'settled', cost: 36_100, tokens: 1_420, ms: 8_000, reason: 'STOP' })],
    });
  });

  it('forgets the error of an earlier attempt', () => {
    const job = begun(settled(aRunningJob(), rejectionEnd()), 'att_2');

    expect(settled(job, imageEnd(), 'att_2').state.error).toBeUndefined();
  });

  it.each(['canceled', 'expired'] as const)('keeps the image of a job that is %s as a late one', (status) => {
    const job = aRunningJob('att_1', { state: { status, completedAt: LATER } });

    const change = settle(job, 'att_1', imageEnd(), LATER + 1, half);

    expect(change?.events).toEqual(['image.recovered']);
    expect(change?.after.state).toMatchObject({ status, completedAt: LATER, images: [], lateImages: [anImage()] });
    expect(change?.after.state.open).toBeUndefined();
  });

  it('numbers a late image after those that are there', () => {
    const first = settled(begun(settled(aRunningJob(), doubtEnd()), 'att_2'), imageEnd(), 'att_2');

    const late = settled(first, imageEnd({ image: anImage('late') }), 'att_1');

    expect(late.state).toMatchObject({ status: 'succeeded', images: [anImage()], lateImages: [anImage('late', 1)] });
  });

  it('keeps one image when a late one is the same object', () => {
    const first = settled(begun(settled(aRunningJob(), doubtEnd()), 'att_2'), imageEnd(), 'att_2');

    expect(settled(first, imageEnd(), 'att_1').state.lateImages).toEqual([]);
  });

  it('ends a job by the image of an attempt that was in doubt, before a second call is made', () => {
    const doubtful = settled(aRunningJob(), doubtEnd());

    const change = settle(doubtful, 'att_1', imageEnd(), LATER, half);

    expect(change?.after.state).toMatchObject({ status: 'succeeded', attempts: [{ state: 'settled', cost: 36_100 }] });
    expect(change?.after.state.error).toBeUndefined();
    expect(change?.after.state.attempts[0]?.error).toBeUndefined();
    expect(costOf(afterOf(change).state)).toEqual({ actual: 36_100, inDoubt: 0 });
  });

  it('ends a job by the image of an attempt that was in doubt while a second call is out, and awaits that call', () => {
    const second = begun(settled(aRunningJob(), doubtEnd()), 'att_2');

    const first = settled(second, imageEnd(), 'att_1');
    const both = settled(first, imageEnd({ image: anImage('second') }), 'att_2');

    expect(first.state).toMatchObject({ status: 'succeeded', open: 'att_2' });
    expect(both.state).toMatchObject({ status: 'succeeded', images: [anImage()], lateImages: [anImage('second', 1)] });
    expect(both.state.open).toBeUndefined();
    expect(costOf(both.state)).toEqual({ actual: 72_200, inDoubt: 0 });
  });

  it('ends a held job by the image that was in doubt', () => {
    const held = settled(aRunningJob('att_1', { request: { onUnknownOutcome: 'hold' } }), doubtEnd());

    expect(settled(held, imageEnd()).state).toMatchObject({ status: 'succeeded', images: [anImage()] });
    expect(settled(held, imageEnd()).state.phase).toBeUndefined();
  });
});

describe('settle, without an image', () => {
  it('is blocked for good when the model refused', () => {
    const change = settle(aRunningJob(), 'att_1', refusalEnd('content_blocked'), LATER, half);

    expect(change?.events).toEqual(['job.blocked']);
    expect(change?.after.state).toMatchObject({
      status: 'blocked',
      completedAt: LATER,
      error: { code: 'content_blocked' },
      attempts: [{ state: 'settled', error: 'content_blocked', cost: 2_400, reason: 'IMAGE_OTHER' }],
    });
  });

  it('tries once more after no image, then fails with the reason', () => {
    const once = settled(aRunningJob(), refusalEnd());
    const twice = settle(begun(once, 'att_2'), 'att_2', refusalEnd(), LATER, half);

    expect(once.state).toMatchObject({ status: 'queued', phase: 'backoff', runAt: LATER + 500 });
    expect(twice?.events).toEqual(['job.failed']);
    expect(twice?.after.state).toMatchObject({ status: 'failed', error: { code: 'no_image' } });
    expect(costOf(afterOf(twice).state).actual).toBe(4_800);
  });

  it('makes no second try that could pass max_cost', () => {
    const tight = aRunningJob('att_1', { request: { maxCost: 48_730 } });
    const enough = aRunningJob('att_1', { request: { maxCost: 48_731 } });

    expect(settled(tight, refusalEnd()).state).toMatchObject({ status: 'failed', error: { code: 'no_image' } });
    expect(settled(enough, refusalEnd()).state.status).toBe('queued');
  });
});

describe('settle, after an error answer', () => {
  it('fails at once when the same call would end the same way', () => {
    const change = settle(
      aRunningJob(),
      'att_1',
      rejectionEnd({ code: 'upstream_rejected', retryable: false }),
      LATER,
      half,
    );

    expect(change?.events).toEqual(['job.failed']);
    expect(change?.after.state).toMatchObject({
      status: 'failed',
      error: anError('upstream_rejected'),
      attempts: [{ state: 'rejected', error: 'upstream_rejected', ms: 400 }],
    });
    expect(change?.after.state.attempts[0]?.cost).toBeUndefined();
  });

  it('backs off after a fault, at least as long as the provider asked', () => {
    expect(settled(aRunningJob(), rejectionEnd()).state.runAt).toBe(LATER + 500);
    expect(settled(aRunningJob(), rejectionEnd({ retryAfterMs: 7_000 })).state.runAt).toBe(LATER + 7_000);
  });

  it('keeps the words of the provider on the attempt', () => {
    const end = rejectionEnd();
    if (end.type === 'rejected') end.error = { ...end.error, upstream: { channel, message: 'Internal error.' } };

    expect(settled(aRunningJob(), end).state.attempts[0]?.reason).toBe('Internal error.');
  });

  it('gives up after MAX_ATTEMPTS of a fault', () => {
    let job = aJob();
    for (let n = 1; n <= MAX_ATTEMPTS; n++) {
      expect(job.state.status).toBe('queued');
      job = settled(begun(job, `att_${n}`), rejectionEnd(), `att_${n}`);
    }

    expect(job.state).toMatchObject({ status: 'failed', attempts: { length: MAX_ATTEMPTS } });
  });

  it.each([
    ['an overload', rejectionEnd({ code: 'upstream_overloaded', limit: 'overload', http: 503 })],
    ['a way there that is cut', unsentEnd()],
  ])('outlasts %s, backing off by up to a minute, until the deadline', (_, end) => {
    let job = aJob();
    for (let n = 1; n <= 5 * MAX_ATTEMPTS; n++) job = settled(begun(job, `att_${n}`), end, `att_${n}`);

    expect(job.state).toMatchObject({ status: 'queued', phase: 'backoff', runAt: LATER + 30_000 });
  });

  it('counts faults and refusals by a limit apart: many of one do not lengthen the wait for the other', () => {
    const overload = rejectionEnd({ code: 'upstream_overloaded', limit: 'overload', http: 503 });
    let job = aJob();
    for (let n = 1; n <= 5; n++) job = settled(begun(job, `att_${n}`), overload, `att_${n}`);

    job = settled(begun(job, 'att_6'), rejectionEnd(), 'att_6');
    expect(job.state).toMatchObject({ status: 'queued', runAt: LATER + 500 }); // The first fault.

    job = settled(begun(job, 'att_7'), overload, 'att_7');
    expect(job.state.runAt).toBe(LATER + 16_000); // The sixth refusal.
  });

  it('never charges a 429 as an attempt', () => {
    let job = aJob();
    for (let n = 1; n <= 5 * MAX_ATTEMPTS; n++)
      job = settled(begun(job, `att_${n}`), limitEnd('minute', SECOND), `att_${n}`);

    expect(job.state).toMatchObject({ status: 'queued', phase: 'rate_limited' });
  });

  it('stands in line again after a refusal by a limit: the line waits as long as the limit lasts', () => {
    const change = settle(aRunningJob(), 'att_1', limitEnd('minute', 34_000), LATER, half);

    expect(change?.events).toEqual([]);
    expect(change?.after.state).toMatchObject({ status: 'queued', phase: 'rate_limited', runAt: LATER + SECOND });
  });

  it('says so when the limit is that of a day', () => {
    const change = settle(aRunningJob(), 'att_1', limitEnd('day', 2_000), LATER, half);

    expect(change?.events).toEqual(['quota.parked']);
    expect(change?.after.state).toMatchObject({ phase: 'parked', runAt: LATER + SECOND });
  });

  it('waits as long as the limit says in the batch lane, whose pool knows of no limits', () => {
    const inBatch = { route: { lane: 'batch' as const, reason: 'test' } };
    const change = settle(aRunningJob('att_1', { state: inBatch }), 'att_1', limitEnd('minute', 34_000), LATER, half);

    expect(change?.after.state).toMatchObject({ runAt: LATER + 34_000 });
  });
});

describe('settle, when nobody saw the end', () => {
  it('counts the estimate as spent and sends it once more', () => {
    const change = settle(aRunningJob(), 'att_1', doubtEnd(), LATER, half);

    expect(change?.events).toEqual(['attempt.in_doubt']);
    expect(change?.after.state).toMatchObject({
      status: 'queued',
      phase: 'backoff',
      runAt: LATER,
      attempts: [
        { state: 'in_doubt', cost: 46_331, error: 'outcome_unknown', reason: 'the connection was cut', ms: 2_000 },
      ],
    });
  });

  it('counts the call beside a slow one as no doubt of its own: both may have died with one worker', () => {
    const beside = hedge(aRunningJob(), 'att_1', { id: 'att_2', channel: 'other', estimate: 46_331 }, LATER);

    const first = settled(afterOf(beside), doubtEnd());
    const change = settle(first, 'att_2', doubtEnd(), LATER, half);

    expect(change?.after.state).toMatchObject({
      status: 'queued',
      runAt: LATER,
      attempts: [{ state: 'in_doubt' }, { state: 'in_doubt', hedge: true }],
    });
  });

  it('stops after the second doubt', () => {
    const again = begun(settled(aRunningJob(), doubtEnd()), 'att_2');

    const change = settle(again, 'att_2', doubtEnd(), LATER, half);

    expect(change?.events).toEqual(['attempt.in_doubt', 'job.failed']);
    expect(change?.after.state).toMatchObject({ status: 'failed', error: { code: 'outcome_unknown' } });
    expect(costOf(afterOf(change).state)).toEqual({ actual: 0, inDoubt: 92_662 });
  });

  it('fails at once when the caller said so', () => {
    const job = aRunningJob('att_1', { request: { onUnknownOutcome: 'fail' } });

    expect(settled(job, doubtEnd()).state).toMatchObject({ status: 'failed', error: { code: 'outcome_unknown' } });
  });

  it('is held for the operator when the caller said so', () => {
    const change = settle(
      aRunningJob('att_1', { request: { onUnknownOutcome: 'hold' } }),
      'att_1',
      doubtEnd(),
      LATER,
      half,
    );

    expect(change?.events).toEqual(['attempt.in_doubt']);
    expect(change?.after.state).toMatchObject({ status: 'queued', phase: 'held', error: { code: 'outcome_unknown' } });
  });

  it('sends nothing again that could pass max_cost', () => {
    const job = aRunningJob('att_1', { request: { maxCost: 92_661 } });

    expect(settled(job, doubtEnd()).state.status).toBe('failed');
  });

  it.each([
    ['a fault', rejectionEnd(), 'rejected', 0],
    ['a refusal', refusalEnd('content_blocked'), 'settled', 2_400],
    ['a call that never left', unsentEnd(), 'rejected', 0],
  ] as const)('takes a doubt back when it turns out to be %s, and decides nothing by it', (_, end, state, actual) => {
    const second = begun(settled(aRunningJob(), doubtEnd()), 'att_2');

    const change = settle(second, 'att_1', end, LATER, half);

    expect(change?.events).toEqual([]);
    expect(change?.after.state).toMatchObject({
      status: 'running',
      open: 'att_2',
      attempts: [{ state }, { state: 'open' }],
    });
    expect(costOf(afterOf(change).state)).toEqual({ actual, inDoubt: 0 });
  });

  it('lets a held job be decided by the answer that was in doubt', () => {
    const held = settled(aRunningJob('att_1', { request: { onUnknownOutcome: 'hold' } }), doubtEnd());

    expect(settled(held, refusalEnd('content_blocked')).state).toMatchObject({ status: 'blocked' });
    expect(settled(held, rejectionEnd()).state).toMatchObject({ status: 'queued', phase: 'backoff' });
    expect(settled(held, rejectionEnd({ retryable: false })).state).toMatchObject({ status: 'failed' });
    expect(settled(held, limitEnd('minute')).state).toMatchObject({ status: 'queued', phase: 'rate_limited' });
    expect(settled(held, limitEnd('minute')).state.error).toBeUndefined();
  });

  it('keeps a job held while another of its calls is in doubt', () => {
    const attempts = [anAttempt({ id: 'att_0', state: 'in_doubt', cost: 1 }), anAttempt({ id: 'att_1' })];
    const held = settled(
      aRunningJob('att_1', { request: { onUnknownOutcome: 'hold' }, state: { attempts } }),
      doubtEnd(),
    );

    expect(settled(held, rejectionEnd()).state).toMatchObject({ status: 'queued', phase: 'held' });
  });
});

describe('settle, by an attempt that has no say', () => {
  const ENDS = [imageEnd(), refusalEnd(), rejectionEnd(), limitEnd('minute'), unsentEnd(), doubtEnd()];

  it('changes nothing for an attempt that is not on the record', () => {
    for (const end of ENDS) expect(settle(aRunningJob('att_1'), 'att_2', end, LATER, half)).toBeUndefined();
  });

  it('changes nothing the second time', () => {
    for (const end of ENDS) {
      const once = settled(aRunningJob(), end);

      expect(settle(once, 'att_1', end, LATER, half)).toBeUndefined();
    }
  });

  it('records the end of a canceled call and leaves the job canceled', () => {
    const canceled = aRunningJob('att_1', { state: { status: 'canceled' } });

    for (const end of [refusalEnd(), rejectionEnd(), unsentEnd(), doubtEnd()]) {
      const change = settle(canceled, 'att_1', end, LATER, half);

      expect(change?.events).toEqual(end.type === 'in_doubt' ? ['attempt.in_doubt'] : []);
      expect(change?.after.state.status).toBe('canceled');
      expect(change?.after.state.open).toBeUndefined();
    }
  });
});

describe('expire', () => {
  it('ends a job at its deadline, not a moment earlier', () => {
    const job = aJob({ state: { expiresAt: LATER } });

    expect(expire(job, LATER - 1)).toBeUndefined();
    expect(expire(job, LATER)).toMatchObject({
      after: { state: { status: 'expired', completedAt: LATER, error: { code: 'deadline_exceeded' } } },
      events: ['job.expired'],
    });
  });

  it('says whether anything can have been spent', () => {
    const fresh = expire(aJob({ state: { expiresAt: LATER } }), LATER);
    const tried = expire(aRunningJob('att_1', { state: { expiresAt: LATER } }), LATER);

    expect(fresh?.after.state.error?.detail).toContain('nothing was spent');
    expect(tried?.after.state.error?.detail).not.toContain('nothing was spent');
    expect(tried?.after.state.open).toBe('att_1');
  });

  it('leaves an ended job alone', () => {
    expect(expire(aJob({ state: { status: 'succeeded', expiresAt: NOON } }), LATER)).toBeUndefined();
  });
});

describe('the record', () => {
  it('stays bounded by dropping the oldest refusals by a limit', () => {
    let job = aJob({ state: { expiresAt: NOON + 1_000 * HOUR } });
    for (let n = 1; n <= 100; n++)
      job = settled(begun(job, `att_${n}`), limitEnd('minute', 0), `att_${n}`, job.state.runAt + 1);

    expect(job.state.attempts).toHaveLength(30);
    expect(job.state.attempts.at(-1)?.id).toBe('att_100');
  });

  it('keeps every paid attempt while it drops refusals', () => {
    let job = settled(begun(aJob({ state: { expiresAt: NOON + 1_000 * HOUR } }), 'att_0'), doubtEnd(), 'att_0');
    for (let n = 1; n <= 100; n++)
      job = settled(begun(job, `att_${n}`), limitEnd('minute', 0), `att_${n}`, job.state.runAt + 1);

    expect(job.state.attempts[0]).toMatchObject({ id: 'att_0', state: 'in_doubt' });
    expect(costOf(job.state)).toEqual({ actual: 0, inDoubt: 46_331 });
  });
});
