/**
 * The attempt's life, decided. Pure: time, chance and ids are arguments.
 *
 * Each function takes the record as it is and answers with the change to write, or `undefined` when there is nothing
 * (left) to do: so a repeated message, a resent script or a second worker changes nothing.
 *
 * An attempt is named by its id. One that is not on the job's record may write nothing; one that was given up as in
 * doubt may still report, and then the doubt is resolved: its image is kept, its cost moves from doubt to fact.
 */

import type { AttemptEnd } from './attempt-end.ts';
import { type Change, changeTo, without } from './change.ts';
import { expire } from './control.ts';
import { unreachable } from './errors.ts';
import type { Attempt, AttemptId, EpochMs, Job, JobState, Micros, ProviderBatchId } from './job.ts';
import { isTerminal, laneOf, modelOf } from './job.ts';
import {
  type At,
  afterDoubt,
  afterImage,
  afterRefusal,
  afterRejection,
  afterUnsent,
  isUncharged,
} from './next-step.ts';
import type { Onward } from './next-step-ways.ts';
import { costOf } from './price.ts';

/** Attempts kept on the record; older refusals by a limit are dropped from it, since they cost nothing. */
const MAX_RECORDED = 30;

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
export function begin(
  job: Job,
  attempt: { id: AttemptId; channel: string; providerBatch?: ProviderBatchId; estimate?: Micros },
  now: EpochMs,
): Begun {
  const { state } = job;
  if (state.open === attempt.id) return { type: 'same' };
  // Given up by a reaper meanwhile: the same call must not go on record a second time.
  if (state.attempts.some(({ id }) => id === attempt.id)) return { type: 'over' };
  if (isTerminal(state.status)) return { type: 'over' };
  if (state.open || state.leader || state.phase === 'held') return { type: 'busy' };
  const expired = expire(job, now);
  if (expired) return { type: 'expired', change: expired };
  if (state.runAt > now) return { type: 'early', runAt: state.runAt };
  const started = startedAs(job, attempt, now);
  const next: JobState = {
    ...state,
    status: 'running',
    phase: attempt.providerBatch ? 'in_provider_batch' : 'generating',
    startedAt: state.startedAt ?? now,
    open: attempt.id,
    attempts: trim([...state.attempts, started]),
  };
  return { type: 'go', change: changeTo(job, next, ['job.started'], now) };
}

function startedAs(job: Job, attempt: Pick<Attempt, 'id' | 'channel'> & Partial<Attempt>, now: EpochMs): Attempt {
  return { ...attempt, model: modelOf(job), lane: laneOf(job), state: 'open', startedAt: now };
}

/**
 * Starts a second attempt beside the one that holds the lease, which stays where it is. `undefined` when that one is over,
 * has a second already, or `max_cost` has no room for both.
 */
export function hedge(
  job: Job,
  first: AttemptId,
  attempt: { id: AttemptId; channel: string; estimate: Micros },
  now: EpochMs,
): Change | undefined {
  const { state, request } = job;
  if (state.open !== first || state.status !== 'running' || state.phase !== 'generating') return undefined;
  if (openBeside(state, first) || state.expiresAt <= now) return undefined;
  const { actual, inDoubt } = costOf(state);
  const running = state.attempts.find(({ id }) => id === first)?.estimate ?? state.estimated;
  if (request.maxCost !== undefined && actual + inDoubt + running + attempt.estimate > request.maxCost)
    return undefined;
  const started: Attempt = { ...startedAs(job, attempt, now), hedge: true };
  return changeTo(job, { ...state, attempts: trim([...state.attempts, started]) }, [], now);
}

/** Another call of the job that is out, outside of provider batches. */
function openBeside({ attempts }: JobState, attempt: AttemptId): Attempt | undefined {
  return attempts.find((one) => one.state === 'open' && one.id !== attempt && one.providerBatch === undefined);
}

/** The paid bytes are in the spool: what is left is storing, however long that takes. */
export function received(job: Job, attempt: AttemptId, now: EpochMs): Change | undefined {
  const { state } = job;
  if (state.open !== attempt || state.status !== 'running' || state.phase === 'storing') return undefined;
  return changeTo(job, { ...state, phase: 'storing' }, [], now);
}

/**
 * The job once `attempt` has ended.
 *
 * While a second call of it is out, that one holds the lease from here on and decides in its turn, whatever became of the
 * first; the first image of the two is the result, and one that comes behind it is late.
 */
export function settle(
  job: Job,
  attempt: AttemptId,
  end: AttemptEnd,
  now: EpochMs,
  random: () => number,
  onward: Onward = {},
): Change | undefined {
  const recorded = job.state.attempts.find(({ id }) => id === attempt);
  const news = recorded && isNews(recorded, end);
  if (!news) return undefined;
  const closed = closeAttempt(job.state, attempt, end);
  // A held job waits for nothing but this: once no call is in doubt any more, the answer decides.
  const resolved = job.state.phase === 'held' && closed.attempts.every(({ state }) => state !== 'in_doubt');
  const base = handOver(job, attempt, resolved ? without(closed, 'phase', 'error') : closed);
  const current = job.state.open === attempt || resolved;
  const waiting = !isTerminal(base.status) && !base.leader;
  if (end.type === 'image') return afterImage(job, base, end, now);
  // A verdict about an attempt that is not the current one informs the ledger; the current one decides the job.
  const decides = waiting && current && !base.open;
  if (!decides) return changeTo(job, base, end.type === 'in_doubt' ? ['attempt.in_doubt'] : [], now);
  const at = { now, random, onward };
  if (end.type === 'in_doubt') return afterDoubt(job, base, end, at);
  const change = afterKnown(job, base, end, at);
  // What is known of one of two calls says nothing of the other: where that was lost, it decides whether there is another.
  const lost = change.after.state.status === 'queued' && lostBeside(base, attempt);
  if (!lost || job.request.onUnknownOutcome === 'retry') return change;
  return afterDoubt(job, base, { type: 'in_doubt', reason: lost.reason ?? 'nobody saw its end' }, at);
}

function afterKnown(
  job: Job,
  base: JobState,
  end: Exclude<AttemptEnd, { type: 'image' | 'in_doubt' }>,
  at: At,
): Change {
  switch (end.type) {
    case 'refused':
      return afterRefusal(job, base, end, at);
    case 'rejected':
      return afterRejection(job, base, end, at);
    case 'unsent':
      return afterUnsent(job, base, at);
    default:
      return unreachable(end);
  }
}

/** The call that was made beside this one, when nobody knows how it ended. */
function lostBeside({ attempts }: JobState, attempt: AttemptId): Attempt | undefined {
  const at = attempts.findIndex(({ id }) => id === attempt);
  const beside = attempts[at]?.hedge ? attempts[at - 1] : attempts[at + 1];
  return beside?.state === 'in_doubt' && (beside.hedge || attempts[at]?.hedge) ? beside : undefined;
}

/** The lease of an attempt that has ended goes to the one that is out beside it. */
function handOver({ state }: Job, ended: AttemptId, closed: JobState): JobState {
  const heir = state.open === ended ? openBeside(closed, ended) : undefined;
  if (!heir) return closed;
  return { ...closed, open: heir.id, ...(closed.status === 'running' && { phase: 'generating' as const }) };
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
      return {
        ...bare,
        ...ms,
        state: 'in_doubt',
        cost: attempt.estimate ?? estimated,
        error: 'outcome_unknown',
        reason: end.reason,
      };
    default:
      return unreachable(end);
  }
}

function reason(text: string | undefined): { reason?: string } {
  return text ? { reason: text } : {};
}

/** Keeps the record bounded: the oldest refusal by a limit goes. All others are few by their own bounds, and no paid attempt ever goes. */
function trim(attempts: Attempt[]): Attempt[] {
  if (attempts.length <= MAX_RECORDED) return attempts;
  const victim = attempts.findIndex(({ error }) => isUncharged(error));
  return victim < 0 ? attempts : attempts.toSpliced(victim, 1);
}
