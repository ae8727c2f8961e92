import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  aJob,
  anImage,
  doubtEnd,
  HOUR,
  imageEnd,
  limitEnd,
  NOON,
  refusalEnd,
  rejectionEnd,
  unsentEnd,
} from '../testing/factories.ts';
import { begin, received, settle } from './attempt.ts';
import { type AttemptEnd } from './attempt-end.ts';
import type { Change } from './change.ts';
import { cancel, expire, follow, inherit, release, wait } from './control.ts';
import { isTerminal, type Job, type JobState, ON_UNKNOWN_OUTCOME } from './job.ts';
import { MAX_ATTEMPTS } from './next-step.ts';
import { costOf } from './price.ts';

/** One thing that may happen to a job, at any time and in any order. */
type Step = { name: string; ms: number; run: (job: Job, now: number) => Change | undefined };

const ATTEMPTS = Array.from({ length: 8 }, (_, n) => `att_${n}`);
const LEADER = aJob({ id: 'leader', state: { status: 'succeeded', images: [anImage('shared')] } });

const anyEnd = (): fc.Arbitrary<AttemptEnd> =>
  fc.oneof(
    fc.constantFrom('a', 'b').map((name) => imageEnd({ image: anImage(name) })),
    fc.constantFrom('content_blocked' as const, 'no_image' as const).map(refusalEnd),
    fc.boolean().map((retryable) => rejectionEnd({ retryable })),
    fc.constant(rejectionEnd({ code: 'upstream_overloaded', limit: 'overload', retryAfterMs: 5_000 })),
    fc
      .constantFrom('minute' as const, 'day' as const, 'spend' as const, 'unknown' as const)
      .map((scope) => limitEnd(scope)),
    fc.constant(unsentEnd()),
    fc.constant(doubtEnd()),
  );

const anyStep = (): fc.Arbitrary<Step> => {
  const id = fc.constantFrom(...ATTEMPTS);
  const ms = fc.oneof(fc.constant(0), fc.nat(HOUR));
  const step = (name: string, run: Step['run']) => fc.record({ name: fc.constant(name), ms, run: fc.constant(run) });
  return fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ id, ms }).map((of) => ({ name: `begin ${of.id}`, ms: of.ms, run: beginning(of.id) })),
    },
    {
      weight: 6,
      arbitrary: fc
        .record({ id, ms, end: anyEnd(), chance: fc.double({ min: 0, max: 0.999, noNaN: true }) })
        .map((of) => ({
          name: `settle ${of.id} ${of.end.type}`,
          ms: of.ms,
          run: (job: Job, now: number) => settle(job, of.id, of.end, now, () => of.chance),
        })),
    },
    {
      weight: 2,
      arbitrary: step('reap', (job, now) =>
        job.state.open ? settle(job, job.state.open, doubtEnd('reaped'), now, () => 0) : undefined,
      ),
    },
    fc.record({ id, ms }).map((of) => ({
      name: `received ${of.id}`,
      ms: of.ms,
      run: (job: Job, now: number) => received(job, of.id, now),
    })),
    step('cancel', cancel),
    step('expire', expire),
    { weight: 2, arbitrary: step('release', release) },
    step('wait', (job, now) => wait(job, 'rate_limited', now)),
    step('follow', (job, now) => follow(job, LEADER, now)),
    step('inherit', (job, now) => inherit(job, 'leader', undefined, now)),
    step('fall in behind', (job, now) => inherit(job, 'leader', 'heir', now)),
  );
};

function beginning(id: string): Step['run'] {
  return (job, now) => {
    // An attempt's id is new each time; the same one again is the same begin, sent twice.
    if (job.state.attempts.some((attempt) => attempt.id === id)) return undefined;
    const begun = begin(job, { id, channel: 'gemini' }, now);
    return begun.type === 'go' || begun.type === 'expired' ? begun.change : undefined;
  };
}

const anyJob = () =>
  fc
    .record({
      policy: fc.constantFrom(...ON_UNKNOWN_OUTCOME),
      maxCost: fc.option(fc.integer({ min: 46_331, max: 200_000 }), { nil: undefined }),
      follower: fc.boolean(),
    })
    .map(({ policy, maxCost, follower }) =>
      aJob({
        request: { onUnknownOutcome: policy, ...(maxCost !== undefined && { maxCost }) },
        state: { expiresAt: NOON + 100 * HOUR, ...(follower && { leader: 'leader', source: 'joined', estimated: 0 }) },
      }),
    );

/** Runs the steps; hands each change to `check`. */
function play(job: Job, steps: Step[], check: (change: Change, step: Step, now: number) => void): Job {
  let now = NOON;
  return steps.reduce((before, step) => {
    now += step.ms;
    const change = step.run(before, now);
    if (!change) return before;
    check(change, step, now);
    return change.after;
  }, job);
}

/** How some job can come to a change for which `holds` does not; `undefined` when none was found. */
function violation(holds: (change: Change) => boolean): string | undefined {
  const steps = fc.array(anyStep(), { maxLength: 60, size: 'max' });
  const property = fc.property(anyJob(), steps, (job, path) => {
    const taken: string[] = [];
    play(job, path, (change, step) => {
      taken.push(step.name);
      if (!holds(change)) throw new Error(`after ${taken.join(', ')}: ${JSON.stringify(change.after.state)}`);
    });
  });
  return fc.defaultReportMessage(fc.check(property, { numRuns: 400 }));
}

const ids = (job: Job) => job.state.attempts.map(({ id }) => id);
const isFree = (error: string | undefined) => error === 'upstream_rate_limited' || error === 'upstream_quota_exhausted';

describe('whatever happens to a job', () => {
  it('a terminal status never changes, nor what the job ended with', () => {
    const end = ({ status, completedAt, images, error }: JobState) => ({ status, completedAt, images, error });

    expect(
      violation(
        ({ before, after }) =>
          !isTerminal(before.state.status) || isDeepStrictEqual(end(before.state), end(after.state)),
      ),
    ).toBeUndefined();
  });

  it('a job is over exactly when it has an end, and has an image exactly when it succeeded', () => {
    expect(
      violation(({ after: { state } }) => {
        const over = isTerminal(state.status);
        const succeeded = state.status === 'succeeded';
        return (
          over === (state.completedAt !== undefined) &&
          state.images.length === (succeeded ? 1 : 0) &&
          !(over && state.phase) &&
          !(over && !succeeded && !state.error) &&
          !(succeeded && state.error)
        );
      }),
    ).toBeUndefined();
  });

  it('at most one attempt is out, and it is the one that holds the lease', () => {
    expect(
      violation(({ after: { state } }) => {
        const open = state.attempts.filter((attempt) => attempt.state === 'open').map(({ id }) => id);
        return (
          isDeepStrictEqual(open, state.open ? [state.open] : []) &&
          !(state.status === 'running' && !state.open) &&
          !(state.status === 'queued' && state.open)
        );
      }),
    ).toBeUndefined();
  });

  it('each call is out, settled, rejected or in doubt, and costs something exactly when it may be billed', () => {
    expect(
      violation(({ after: { state } }) =>
        state.attempts.every((attempt) => {
          const billed = attempt.state === 'settled' || attempt.state === 'in_doubt';
          return billed === (attempt.cost !== undefined) && (attempt.state !== 'in_doubt' || attempt.cost === 46_331);
        }),
      ),
    ).toBeUndefined();
  });

  it('no cost is ever negative', () => {
    expect(
      violation(({ after }) => costOf(after.state).actual >= 0 && costOf(after.state).inDoubt >= 0),
    ).toBeUndefined();
  });

  it('no retry risks more than max_cost allows', () => {
    expect(
      violation(({ before, after: { request, state } }) => {
        const retried = before.state.status === 'running' && state.phase === 'backoff';
        const { actual, inDoubt } = costOf(state);
        return !retried || actual + inDoubt + state.estimated <= (request.maxCost ?? Number.POSITIVE_INFINITY);
      }),
    ).toBeUndefined();
  });

  it('no attempt but a refusal by a limit ever leaves the record', () => {
    expect(
      violation(({ before, after }) => {
        const kept = new Set(ids(after));
        return before.state.attempts.every(({ id, error }) => kept.has(id) || isFree(error));
      }),
    ).toBeUndefined();
  });

  it('attempts charged for faults never pass MAX_ATTEMPTS', () => {
    expect(
      violation(({ after: { state } }) => {
        const faults = state.attempts.filter((attempt) => attempt.state === 'rejected' && !isFree(attempt.error));
        return state.status !== 'queued' || faults.length < MAX_ATTEMPTS;
      }),
    ).toBeUndefined();
  });

  it('the version grows by one, and nothing but the state changes', () => {
    expect(
      violation(({ before, after }) =>
        isDeepStrictEqual({ ...after, state: before.state }, { ...before, version: before.version + 1 }),
      ),
    ).toBeUndefined();
  });

  it('the record that was decided from is left as it was', () => {
    fc.assert(
      fc.property(anyJob(), fc.array(anyStep(), { maxLength: 30 }), (job, steps) => {
        const copy = structuredClone(job);

        play(job, steps, () => undefined);

        expect(job).toEqual(copy);
      }),
    );
  });

  it('the same settle again changes nothing, and no other end changes one that is known', () => {
    const steps = fc.array(anyStep(), { maxLength: 40, size: 'max' });
    fc.assert(
      fc.property(anyJob(), steps, anyEnd(), anyEnd(), (start, path, first, second) => {
        const job = play(start, path, () => undefined);
        const changed = ids(job).filter((id) => {
          const once = settle(job, id, first, NOON, () => 0)?.after ?? job;
          const known = once.state.attempts.some((attempt) => attempt.id === id && attempt.state !== 'in_doubt');
          return settle(once, id, first, NOON + 1, () => 0) ?? (known && settle(once, id, second, NOON + 1, () => 0));
        });

        expect(changed).toEqual([]);
        expect(settle(job, 'att_nobody_knows', first, NOON, () => 0)).toBeUndefined();
      }),
    );
  });

  it('every other decision, repeated, changes nothing either', () => {
    const decisions = [
      cancel,
      expire,
      release,
      (job: Job, now: number) => wait(job, 'parked', now),
      (job: Job, now: number) => follow(job, LEADER, now),
      (job: Job, now: number) => inherit(job, 'leader', undefined, now),
      (job: Job, now: number) => inherit(job, 'leader', 'heir', now),
    ];
    fc.assert(
      fc.property(
        anyJob(),
        fc.array(anyStep(), { maxLength: 30 }),
        fc.constantFrom(...decisions),
        (start, path, decide) => {
          const job = play(start, path, () => undefined);
          const once = decide(job, NOON)?.after ?? job;

          expect(decide(once, NOON)).toBeUndefined();
        },
      ),
    );
  });

  it('the record stays bounded however long limits keep the job waiting', () => {
    const scope = fc.constantFrom('minute' as const, 'day' as const, 'unknown' as const);
    fc.assert(
      fc.property(fc.array(scope, { minLength: 31, maxLength: 80, size: 'max' }), (scopes) => {
        const job = scopes.reduce(
          (before, limit, n) => {
            const begun = begin(before, { id: `att_${n}`, channel: 'gemini' }, before.state.runAt);
            const running = begun.type === 'go' ? begun.change.after : before;
            return settle(running, `att_${n}`, limitEnd(limit), running.state.runAt, () => 0)?.after ?? before;
          },
          aJob({ state: { expiresAt: NOON + 10_000 * HOUR } }),
        );

        expect(job.state).toMatchObject({ status: 'queued', attempts: { length: 30 } });
      }),
      { numRuns: 50 },
    );
  });
});
