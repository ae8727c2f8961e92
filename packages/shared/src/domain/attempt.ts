/**
 * The attempt's life, decided. Pure: time, chance and ids are arguments.
 *
 * Each function takes the record as it is and answers with the change to write, or `undefined` when there is nothing
 * (left) to do: so a repeated message, a resent script or a second worker changes nothing.
 *
 * An attempt is named by its id. One that is not on the job's record may write nothing; one that was given up as in
 * doubt may still report, and then the doubt is resolved: its image is kept, its cost moves from doubt to fact.
 */

import { backoffDelay, limitDelay } from './backoff.ts';
import { type Change, changeTo, type EventType, without } from './change.ts';
import type { ErrorCode } from './errors.ts';
import { unreachable } from './errors.ts';
import type { Attempt, AttemptId, EpochMs, Job, JobError, JobState, Micros, StoredImage } from './job.ts';
import { isTerminal } from './job.ts';
import type { Verdict } from './verdict.ts';

/** Attempts that may be charged to one job: rejected by a fault, not by a limit. */
export const MAX_ATTEMPTS = 6;
/** 200s without an image that a job may see before it ends. */
const MAX_NO_IMAGE = 2;
/** Attempts with unknown outcome after which a job is not sent again, under the policy `retry`. */
const MAX_DOUBTS = 2;
/** Attempts kept on the record; older refusals by a limit are dropped from it, since they cost nothing. */
const MAX_RECORDED = 30;

/** How one attempt ended. `cost` in micro-dollars, `ms` the call's duration. */
export type AttemptEnd =
  | ({ type: 'image'; image: StoredImage; text?: string; grounding?: unknown } & Answered)
  | ({ type: 'refused'; code: 'content_blocked' | 'no_image'; error: JobError } & Answered)
  | { type: 'rejected'; verdict: Extract<Verdict, { type: 'rejected' }>; error: JobError; ms: number }
  /** Not one byte left: nothing can have been billed. */
  | { type: 'unsent'; reason: string; ms: number }
  | { type: 'in_doubt'; reason: string; ms?: number };

type Answered = { cost: Micros; tokens: number; ms: number; reason?: string };

export type Begun =
  | { type: 'go'; change: Change }
  /** This very attempt holds the lease already. */
  | { type: 'same' }
  | { type: 'over' }
  /** Another attempt holds the lease, or the job waits for its twin or for an operator. */
  | { type: 'busy' }
  | { type: 'early'; runAt: EpochMs }
  | { type: 'expired'; change: Change };

/** Starts an attempt: from here on the record says that a paid call may be out. */
export function begin(job: Job, attempt: { id: AttemptId; channel: string }, now: EpochMs): Begun {
  const { state, request } = job;
  if (state.open === attempt.id) return { type: 'same' };
  if (isTerminal(state.status)) return { type: 'over' };
  if (state.open || state.leader || state.phase === 'held') return { type: 'busy' };
  const expired = expire(job, now);
  if (expired) return { type: 'expired', change: expired };
  if (state.runAt > now) return { type: 'early', runAt: state.runAt };
  const started: Attempt = {
    id: attempt.id,
    channel: attempt.channel,
    model: request.model,
    lane: request.lane,
    state: 'open',
    startedAt: now,
  };
  const next: JobState = {
    ...state,
    status: 'running',
    phase: 'generating',
    startedAt: state.startedAt ?? now,
    open: attempt.id,
    attempts: trim([...state.attempts, started]),
  };
  return { type: 'go', change: changeTo(job, next, ['job.started'], now) };
}

/** The paid bytes are in the spool: what is left is storing, however long that takes. */
export function received(job: Job, attempt: AttemptId, now: EpochMs): Change | undefined {
  const { state } = job;
  if (state.open !== attempt || state.status !== 'running' || state.phase === 'storing') return undefined;
  return changeTo(job, { ...state, phase: 'storing' }, [], now);
}

/** The job once `attempt` has ended. */
export function settle(
  job: Job,
  attempt: AttemptId,
  end: AttemptEnd,
  now: EpochMs,
  random: () => number,
): Change | undefined {
  const recorded = job.state.attempts.find(({ id }) => id === attempt);
  const news = recorded && isNews(recorded, end);
  if (!news) return undefined;
  const closed = closeAttempt(job.state, attempt, end);
  // A held job waits for nothing but this: once no call is in doubt any more, the answer decides.
  const resolved = job.state.phase === 'held' && closed.attempts.every(({ state }) => state !== 'in_doubt');
  const base = resolved ? without(closed, 'phase', 'error') : closed;
  const current = job.state.open === attempt || resolved;
  const waiting = !isTerminal(base.status) && !base.leader;
  if (end.type === 'image') return waiting ? succeed(job, base, end, now) : keepLate(job, base, end, now);
  // A verdict about an attempt that is not the current one informs the ledger; the current one decides the job.
  if (!waiting || !current) return changeTo(job, base, [], now);
  switch (end.type) {
    case 'refused':
      return afterRefusal(job, base, end, now, random);
    case 'rejected':
      return afterRejection(job, base, end, now, random);
    case 'unsent':
      return retryCharged(
        job,
        base,
        { code: 'upstream_unreachable', detail: 'The provider could not be reached.' },
        now,
        random,
      );
    case 'in_doubt':
      return afterDoubt(job, base, end, now);
    default:
      return unreachable(end);
  }
}

/** Open attempts take any end; doubtful ones take a known end; ended ones take none. */
function isNews(recorded: Attempt, end: AttemptEnd): boolean {
  if (recorded.state === 'open') return true;
  return recorded.state === 'in_doubt' && end.type !== 'in_doubt';
}

function closeAttempt(state: JobState, id: AttemptId, end: AttemptEnd): JobState {
  const attempts = state.attempts.map((attempt) =>
    attempt.id === id ? ended(attempt, end, state.estimated) : attempt,
  );
  const closed = { ...state, attempts };
  if (state.open !== id) return closed;
  return without(closed, 'open', 'phase');
}

function ended(attempt: Attempt, end: AttemptEnd, estimated: Micros): Attempt {
  const bare: Attempt = { ...attempt };
  delete bare.reason;
  delete bare.cost;
  delete bare.error;
  const ms = end.ms === undefined ? {} : { ms: end.ms };
  switch (end.type) {
    case 'image':
    case 'refused':
      return {
        ...bare,
        ...ms,
        state: 'settled',
        cost: end.cost,
        tokens: end.tokens,
        ...(end.type === 'refused' && { error: end.code }),
        ...(end.reason && { reason: end.reason }),
      };
    case 'rejected':
      return { ...bare, ...ms, state: 'rejected', error: end.verdict.code, ...reason(end.error.upstream?.message) };
    case 'unsent':
      return { ...bare, ...ms, state: 'rejected', error: 'upstream_unreachable', reason: end.reason };
    case 'in_doubt':
      // Counted as spent until somebody knows better.
      return { ...bare, ...ms, state: 'in_doubt', cost: estimated, error: 'outcome_unknown', reason: end.reason };
    default:
      return unreachable(end);
  }
}

function reason(text: string | undefined): { reason?: string } {
  return text ? { reason: text } : {};
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

function afterRefusal(
  job: Job,
  base: JobState,
  end: Extract<AttemptEnd, { type: 'refused' }>,
  now: EpochMs,
  random: () => number,
): Change {
  if (end.code === 'content_blocked') return finish(job, base, 'blocked', end.error, now);
  const seen = base.attempts.filter(({ error }) => error === 'no_image').length;
  if (seen >= MAX_NO_IMAGE) return finish(job, base, 'failed', end.error, now);
  return requeue(job, base, now + backoffDelay(seen, random), end.error, now);
}

function afterRejection(
  job: Job,
  base: JobState,
  end: Extract<AttemptEnd, { type: 'rejected' }>,
  now: EpochMs,
  random: () => number,
): Change {
  const { verdict, error } = end;
  if (!verdict.retryable) return finish(job, base, 'failed', error, now);
  if (!verdict.limit || verdict.limit === 'overload')
    return retryCharged(job, base, error, now, random, verdict.retryAfterMs);
  const refusals = base.attempts.filter((attempt) => isUncharged(attempt.error)).length;
  const wait = limitDelay(verdict.limit, verdict.retryAfterMs, refusals, now);
  const parked = verdict.limit === 'day';
  const next: JobState = { ...base, status: 'queued', phase: parked ? 'parked' : 'rate_limited', runAt: now + wait };
  return changeTo(job, next, parked ? ['quota.parked'] : [], now);
}

/** Another attempt after a fault, as long as attempts, money and time allow. */
function retryCharged(
  job: Job,
  base: JobState,
  error: JobError,
  now: EpochMs,
  random: () => number,
  retryAfterMs = 0,
): Change {
  const charged = base.attempts.filter((a) => a.state === 'rejected' && !isUncharged(a.error)).length;
  if (charged >= MAX_ATTEMPTS) return finish(job, base, 'failed', error, now);
  return requeue(job, base, now + Math.max(retryAfterMs, backoffDelay(Math.max(charged, 1), random)), error, now);
}

function isUncharged(code: ErrorCode | undefined): boolean {
  return code === 'upstream_rate_limited' || code === 'upstream_quota_exhausted';
}

function afterDoubt(job: Job, base: JobState, end: Extract<AttemptEnd, { type: 'in_doubt' }>, now: EpochMs): Change {
  const error: JobError = {
    code: 'outcome_unknown',
    detail: `The answer to a paid call was lost (${end.reason}); it is counted as spent.`,
  };
  const events: EventType[] = ['attempt.in_doubt'];
  if (job.request.onUnknownOutcome === 'hold') {
    return changeTo(job, { ...base, status: 'queued', phase: 'held', error }, events, now);
  }
  const doubts = base.attempts.filter(({ state }) => state === 'in_doubt').length;
  const again = job.request.onUnknownOutcome === 'retry' && doubts < MAX_DOUBTS;
  const change = again ? requeue(job, base, now, error, now) : finish(job, base, 'failed', error, now);
  return { ...change, events: [...events, ...change.events] };
}

/** Back to the queue, unless one more call could pass `max_cost`. */
function requeue(job: Job, base: JobState, runAt: EpochMs, error: JobError, now: EpochMs): Change {
  const { maxCost } = job.request;
  const costs = costOf(base);
  if (maxCost !== undefined && costs.actual + costs.inDoubt + base.estimated > maxCost) {
    return finish(job, base, 'failed', error, now);
  }
  return changeTo(job, { ...base, status: 'queued', phase: 'backoff', runAt }, [], now);
}

function finish(job: Job, base: JobState, status: 'blocked' | 'failed', error: JobError, now: EpochMs): Change {
  const next: JobState = { ...without(base, 'phase'), status, completedAt: now, error };
  return changeTo(job, next, [`job.${status}`], now);
}

/** The job past its deadline; `undefined` while it has time, or is over. */
export function expire(job: Job, now: EpochMs): Change | undefined {
  if (isTerminal(job.state.status) || job.state.expiresAt > now) return undefined;
  const detail = job.state.attempts.length
    ? 'The deadline passed before an image was there.'
    : 'The deadline passed before the job was started: nothing was spent.';
  const state: JobState = {
    ...without(job.state, 'phase'),
    status: 'expired',
    completedAt: now,
    error: { code: 'deadline_exceeded', detail },
  };
  return changeTo(job, state, ['job.expired'], now);
}

/** What a job has cost so far, by what is known and what is feared. */
export function costOf(state: JobState): { actual: Micros; inDoubt: Micros } {
  let actual = 0;
  let inDoubt = 0;
  for (const attempt of state.attempts) {
    if (attempt.state === 'in_doubt') inDoubt += attempt.cost ?? 0;
    else actual += attempt.cost ?? 0;
  }
  return { actual, inDoubt };
}

/** Keeps the record bounded: the oldest refusal by a limit goes. All others are few by their own bounds, and no paid attempt ever goes. */
function trim(attempts: Attempt[]): Attempt[] {
  if (attempts.length <= MAX_RECORDED) return attempts;
  const victim = attempts.findIndex(({ error }) => isUncharged(error));
  return victim < 0 ? attempts : attempts.toSpliced(victim, 1);
}
