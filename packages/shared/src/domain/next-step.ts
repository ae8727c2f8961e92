/**
 * What a job does next once an attempt of it has ended. Pure, like `attempt.ts`.
 *
 * `job` is the record as it was, `base` its state with the attempt closed.
 */

import type { AttemptEnd } from './attempt-end.ts';
import { backoffDelay, limitDelay } from './backoff.ts';
import { type Change, changeTo, type EventType, without } from './change.ts';
import type { ErrorCode } from './errors.ts';
import { type EpochMs, isTerminal, type Job, type JobError, type JobState, laneOf, modelOf } from './job.ts';
import { finish, giveUp, moveOn, type Onward, payableNext, requeue } from './next-step-ways.ts';

/** Attempts that may be charged to one job: rejected by a fault of the provider or of the request. */
export const MAX_ATTEMPTS = 10;
/** 200s without an image that a job may see before it ends. */
const MAX_NO_IMAGE = 2;
/** Attempts with unknown outcome after which a job is not sent again, under the policy `retry`. */
const MAX_DOUBTS = 2;
/** Failed calls of a model before the next one of the chain takes over, while some channel could still make it. */
const MODEL_TRIES = 3;
/** A call refused by a limit is looked at again after this; how long the limit lasts is for the quota to say. */
const LIMIT_LOOK_MS = 1_000;

/** When, by what chance, and where to from here. */
export type At = { now: EpochMs; random: () => number; onward: Onward };

/** A paid image: the job's result while it waits for one, and kept beside the end it came to otherwise. */
export function afterImage(
  job: Job,
  base: JobState,
  end: Extract<AttemptEnd, { type: 'image' }>,
  now: EpochMs,
): Change {
  const waiting = !isTerminal(base.status) && !base.leader;
  return waiting ? succeed(job, base, end, now) : keepLate(job, base, end, now);
}

function succeed(job: Job, base: JobState, end: Extract<AttemptEnd, { type: 'image' }>, now: EpochMs): Change {
  const next: JobState = {
    ...without(base, 'phase', 'error'),
    status: 'succeeded',
    completedAt: now,
    images: [end.image],
    ...(end.text && { text: end.text }),
    ...(end.grounding !== undefined && { grounding: end.grounding }),
  };
  return changeTo(job, next, ['job.succeeded'], now);
}

function keepLate(job: Job, base: JobState, end: Extract<AttemptEnd, { type: 'image' }>, now: EpochMs): Change {
  const known = [...base.images, ...base.lateImages].some(({ key }) => key === end.image.key);
  const lateImages = known
    ? base.lateImages
    : [...base.lateImages, { ...end.image, n: base.images.length + base.lateImages.length }];
  return changeTo(job, { ...base, lateImages }, ['image.recovered'], now);
}

/** Paid for, and no image: blocked for good, or once more as long as that is rare. */
export function afterRefusal(
  job: Job,
  base: JobState,
  end: Extract<AttemptEnd, { type: 'refused' }>,
  { now, random, onward }: At,
): Change {
  if (end.code === 'content_blocked') return finish(job, base, 'blocked', end.error, now);
  const seen = base.attempts.filter(({ error, model }) => error === 'no_image' && model === modelOf(job)).length;
  if (seen >= MAX_NO_IMAGE) return giveUp(job, base, end.error, { now, onward });
  return requeue(job, base, now + (onward.elsewhere ? 0 : backoffDelay(seen, random)), end.error, now);
}

/** Not paid for: another try, unless none could end otherwise. */
export function afterRejection(
  job: Job,
  base: JobState,
  end: Extract<AttemptEnd, { type: 'rejected' }>,
  at: At,
): Change {
  const { verdict, error } = end;
  const { now, onward } = at;
  const { limit, retryAfterMs } = verdict;
  if (!verdict.retryable) {
    const ours = verdict.channelDown || verdict.ofInput || PLACE_FAULTS.has(error.code);
    const waits = onward.elsewhere || (onward.later && !payableNext(job, base, onward));
    return ours && waits ? requeue(job, base, now, error, now) : giveUp(job, base, error, at);
  }
  if (!limit || limit === 'overload') return retry(job, base, { error, retryAfterMs }, at);
  const parked = limit === 'day';
  const next: JobState = {
    ...base,
    status: 'queued',
    phase: parked ? 'parked' : 'rate_limited',
    runAt: limitedUntil(),
  };
  return changeTo(job, next, parked ? ['quota.parked'] : [], now);

  /** In the standard lane it stands in line, which waits as long as the limit does; a pool knows of no limits. */
  function limitedUntil(): EpochMs {
    if (onward.elsewhere) return now;
    const tries = rejectionsLike(error.code, base);
    return now + (laneOf(job) === 'batch' ? limitDelay(limit ?? 'unknown', retryAfterMs, tries, now) : LIMIT_LOOK_MS);
  }
}

/** Refusals that another channel need not share. */
const PLACE_FAULTS: ReadonlySet<ErrorCode> = new Set(['upstream_auth', 'model_retired', 'upstream_quota_exhausted']);

/** Not one byte left: nothing was spent, and an outage of the way there is no fault of the job. */
export function afterUnsent(job: Job, base: JobState, at: At): Change {
  const error: JobError = { code: 'upstream_unreachable', detail: 'The provider could not be reached.' };
  return retry(job, base, { error }, at);
}

/**
 * Another attempt, as long as money and time allow: at once where another channel can make it. Tries that are charged are
 * bounded besides; the others go on until the deadline, since an outage of half an hour must not fail whoever was tried
 * meanwhile.
 */
function retry(
  job: Job,
  base: JobState,
  { error, retryAfterMs = 0 }: { error: JobError; retryAfterMs?: number | undefined },
  at: At,
): Change {
  const { now, random, onward } = at;
  const tries = rejectionsLike(error.code, base);
  if (!isUncharged(error.code) && tries >= MAX_ATTEMPTS) return giveUp(job, base, error, at);
  if (onward.elsewhere) return requeue(job, base, now, error, now);
  const next = payableNext(job, base, onward);
  if (next && (onward.stuck || failuresOf(base, modelOf(job)) >= MODEL_TRIES))
    return moveOn(job, base, next, error, now);
  return requeue(job, base, now + Math.max(retryAfterMs, backoffDelay(Math.max(tries, 1), random)), error, now);
}

const UNCHARGED: ReadonlySet<ErrorCode> = new Set([
  'upstream_rate_limited',
  'upstream_quota_exhausted',
  'upstream_overloaded',
  'upstream_unreachable',
]);

/** Refused by a limit, or never sent: it cost nothing and is charged to nobody. */
export function isUncharged(code: ErrorCode | undefined): boolean {
  return code !== undefined && UNCHARGED.has(code);
}

/** How many attempts were rejected by something that is charged, or is not, as `code` is. */
function rejectionsLike(code: ErrorCode, { attempts }: JobState): number {
  return attempts.filter(({ state, error }) => state === 'rejected' && isUncharged(error) === isUncharged(code)).length;
}

/** Calls of the model that came to nothing, through whatever channel. */
function failuresOf({ attempts }: JobState, model: string): number {
  return attempts.filter((one) => one.model === model && (one.state === 'rejected' || one.state === 'in_doubt')).length;
}

/** Nobody saw the end of a call that counts as spent: the caller has said what is to happen then. */
export function afterDoubt(
  job: Job,
  base: JobState,
  end: Extract<AttemptEnd, { type: 'in_doubt' }>,
  { now, onward }: At,
): Change {
  const error: JobError = {
    code: 'outcome_unknown',
    detail: `The answer to a paid call was lost (${end.reason}); it is counted as spent.`,
  };
  const events: EventType[] = ['attempt.in_doubt'];
  if (job.request.onUnknownOutcome === 'hold') {
    return changeTo(job, { ...base, status: 'queued', phase: 'held', error }, events, now);
  }
  const isLost = (n: number) => base.attempts[n]?.state === 'in_doubt';
  // A worker that dies leaves the call beside in doubt, too, and a job must outlive one such death.
  const doubts = base.attempts.filter(({ hedge }, n) => isLost(n) && !(hedge && isLost(n - 1))).length;
  const again = job.request.onUnknownOutcome === 'retry' && doubts < MAX_DOUBTS;
  const change = again ? requeue(job, base, now, error, now) : giveUp(job, base, error, { now, onward });
  return { ...change, events: [...events, ...change.events] };
}
