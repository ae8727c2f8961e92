import { describe, expect, it } from 'vitest';
import {
  aJob,
  anImage,
  aRunningJob,
  doubtEnd,
  imageEnd,
  limitEnd,
  NOON,
  refusalEnd,
  rejectionEnd,
  SECOND,
} from '../testing/factories.ts';
import { begin, hedge, settle } from './attempt.ts';
import type { AttemptEnd } from './attempt-end.ts';
import type { Job } from './job.ts';
import type { Onward } from './next-step-ways.ts';
import { costOf } from './price.ts';

const LATER = NOON + 10 * SECOND;
const FLASH = 'gemini-nano-banana-2.1';
const LITE = 'gemini-3.1-flash-lite-image';
const next = { model: LITE, estimated: 40_000 };

function settled(job: Job, attempt: string, end: AttemptEnd, onward: Onward = {}): Job {
  const change = settle(job, attempt, end, LATER, () => 0.5, onward);
  if (!change) throw new Error('expected a change');
  return change.after;
}

function begun(job: Job, id: string, channel: string): Job {
  const answer = begin(job, { id, channel }, Math.max(job.state.runAt, LATER));
  if (answer.type !== 'go') throw new Error(`expected go, not ${answer.type}`);
  return answer.change.after;
}

function hedged(job: Job, more: { estimate?: number } = {}): Job {
  const change = hedge(job, 'att_1', { id: 'att_2', channel: 'vertex', estimate: 50_000, ...more }, LATER);
  if (!change) throw new Error('expected a change');
  return change.after;
}

describe('a failure, when another channel can be called', () => {
  it.each([
    ['a fault', rejectionEnd()],
    ['a refusal by a limit', limitEnd('minute', 34_000)],
    ['a day that is used up', limitEnd('day')],
    ['an answer without an image', refusalEnd('no_image')],
    ['a lost answer', doubtEnd()],
  ])('goes on at once after %s', (_, end) => {
    const job = settled(aRunningJob(), 'att_1', end, { elsewhere: true });

    expect(job.state).toMatchObject({ status: 'queued', runAt: LATER });
  });

  it.each(['upstream_auth', 'model_retired', 'upstream_quota_exhausted'] as const)(
    'waits after %s for another channel that has no room yet, unless another model of its chain can make it',
    (code) => {
      const end = rejectionEnd({ code, retryable: false });

      expect(settled(aRunningJob(), 'att_1', end, { later: true }).state).toMatchObject({ status: 'queued' });
      expect(settled(aRunningJob(), 'att_1', end, { later: true, next }).state).toMatchObject({ model: LITE });
      expect(settled(aRunningJob(), 'att_1', end).state).toMatchObject({ status: 'failed' });
    },
  );

  it.each(['upstream_auth', 'model_retired', 'upstream_quota_exhausted'] as const)(
    'goes on at once after %s, which would end it otherwise',
    (code) => {
      const end = rejectionEnd({ code, retryable: false });

      expect(settled(aRunningJob(), 'att_1', end, { elsewhere: true }).state).toMatchObject({ status: 'queued' });
      expect(settled(aRunningJob(), 'att_1', end).state).toMatchObject({ status: 'failed' });
    },
  );

  it('ends what no channel would take', () => {
    const end = rejectionEnd({ code: 'upstream_rejected', retryable: false });

    expect(settled(aRunningJob(), 'att_1', end, { elsewhere: true, next }).state.status).toBe('failed');
  });
});

describe('the next model of the chain', () => {
  it('takes over after the third failure of the one before, at its own price', () => {
    let job = aJob();
    for (const n of [1, 2, 3]) job = settled(begun(job, `att_${n}`, 'gemini'), `att_${n}`, rejectionEnd(), { next });

    expect(job.state).toMatchObject({ status: 'queued', model: LITE, estimated: 40_000, runAt: LATER });
    expect(begun(job, 'att_4', 'gemini').state.attempts.map(({ model }) => model)).toEqual([FLASH, FLASH, FLASH, LITE]);
  });

  it('takes over at once when no channel can be called for the one before', () => {
    const job = settled(aRunningJob(), 'att_1', rejectionEnd(), { next, stuck: true });

    expect(job.state).toMatchObject({ status: 'queued', model: LITE });
  });

  it('is not asked while another channel has the model', () => {
    const job = settled(aRunningJob(), 'att_1', rejectionEnd(), { next, elsewhere: true });

    expect(job.state.model).toBeUndefined();
  });

  it('is not made when max_cost has no room for it', () => {
    const rich = aRunningJob('att_1', { request: { maxCost: 39_000 } });

    expect(settled(rich, 'att_1', rejectionEnd(), { next, stuck: true }).state.status).toBe('failed');
  });
});

describe('a placeholder', () => {
  const placeholder = { ...anImage(), placeholder: true as const };

  it('ends a job that nothing else can, at no cost', () => {
    const end = rejectionEnd({ code: 'upstream_auth', retryable: false });
    const job = settled(aRunningJob(), 'att_1', end, { placeholder });

    expect(job.state).toMatchObject({ status: 'succeeded', images: [{ placeholder: true }] });
    expect(costOf(job.state)).toEqual({ actual: 0, inDoubt: 0 });
  });

  it('stands for no refused content and no request that is wrong', () => {
    const wrong = rejectionEnd({ code: 'upstream_rejected', retryable: false });

    expect(settled(aRunningJob(), 'att_1', wrong, { placeholder }).state.status).toBe('failed');
    expect(settled(aRunningJob(), 'att_1', refusalEnd('content_blocked'), { placeholder }).state.status).toBe(
      'blocked',
    );
  });
});

describe('hedge', () => {
  it('puts a second call beside the first, which keeps the lease', () => {
    const job = hedged(aRunningJob());

    expect(job.state).toMatchObject({ status: 'running', open: 'att_1' });
    expect(job.state.attempts).toMatchObject([{ id: 'att_1' }, { id: 'att_2', channel: 'vertex', hedge: true }]);
  });

  it('makes no third call, and none that max_cost has no room for', () => {
    const poor = aRunningJob('att_1', { request: { maxCost: 60_000 }, state: { estimated: 50_000 } });

    expect(hedge(hedged(aRunningJob()), 'att_1', { id: 'att_3', channel: 'x', estimate: 1 }, LATER)).toBeUndefined();
    expect(hedge(poor, 'att_1', { id: 'att_2', channel: 'vertex', estimate: 50_000 }, LATER)).toBeUndefined();
  });

  it.each([
    ['att_1', 'att_2'],
    ['att_2', 'att_1'],
  ])('succeeds with the image of %s, and keeps that of %s as a late one, both paid', (first, second) => {
    const won = settled(hedged(aRunningJob()), first, imageEnd({ cost: 30_000 }));
    const both = settled(won, second, imageEnd({ cost: 50_000, image: { ...anImage(), key: 'other' } }));

    expect(won.state).toMatchObject({ status: 'succeeded', open: second });
    expect(both.state).toMatchObject({ status: 'succeeded', images: [{}], lateImages: [{ key: 'other' }] });
    expect(both.state.open).toBeUndefined();
    expect(costOf(both.state)).toEqual({ actual: 80_000, inDoubt: 0 });
  });

  it('goes on with the second call when the first fails, and decides by that', () => {
    const alone = settled(hedged(aRunningJob()), 'att_1', rejectionEnd({ retryable: false }));

    expect(alone.state).toMatchObject({ status: 'running', phase: 'generating', open: 'att_2' });
    expect(settled(alone, 'att_2', imageEnd()).state).toMatchObject({ status: 'succeeded' });
    expect(settled(alone, 'att_2', rejectionEnd()).state).toMatchObject({ status: 'queued' });
  });

  it('leaves the first call alone when the second fails', () => {
    const job = settled(hedged(aRunningJob()), 'att_2', rejectionEnd({ retryable: false }));

    expect(job.state).toMatchObject({ status: 'running', open: 'att_1' });
  });

  it.each(['hold', 'fail'] as const)(
    'is not sent again under %s when one call was lost and the other refused',
    (policy) => {
      const both = hedged(aRunningJob('att_1', { request: { onUnknownOutcome: policy } }));

      for (const [lost, refused] of [
        ['att_1', 'att_2'],
        ['att_2', 'att_1'],
      ] as const) {
        const ended = settled(settled(both, lost, doubtEnd()), refused, rejectionEnd());
        expect(ended.state).toMatchObject(
          policy === 'hold' ? { status: 'queued', phase: 'held' } : { status: 'failed' },
        );
        expect(ended.state.error).toMatchObject({ code: 'outcome_unknown' });
      }
    },
  );

  it('counts two calls that were lost together as one doubt', () => {
    const both = hedged(aRunningJob('att_1', { request: { onUnknownOutcome: 'retry' } }));
    const again = settled(settled(both, 'att_1', doubtEnd()), 'att_2', doubtEnd());

    expect(again.state.status).toBe('queued');
    expect(settled(begun(again, 'att_3', 'gemini'), 'att_3', doubtEnd()).state.status).toBe('failed');
  });

  it('counts a second call that was lost alone as a doubt, too', () => {
    const both = hedged(aRunningJob('att_1', { request: { onUnknownOutcome: 'retry' } }));
    const once = settled(settled(both, 'att_1', rejectionEnd()), 'att_2', doubtEnd());

    expect(once.state.status).toBe('queued');
    expect(settled(begun(once, 'att_3', 'gemini'), 'att_3', doubtEnd()).state.status).toBe('failed');
  });

  it('counts a lost call at what it was expected to cost there', () => {
    const job = settled(hedged(aRunningJob(), { estimate: 70_000 }), 'att_2', doubtEnd());

    expect(costOf(job.state)).toEqual({ actual: 0, inDoubt: 70_000 });
  });
});
