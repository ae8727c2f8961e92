/**
 * The batch's life, decided. Pure, like `attempt.ts`: time is an argument, and each function answers with the change to
 * write, or `undefined` when there is nothing to do.
 *
 *   ingesting → queued → running → completed
 *        └─ paused ─┘                 canceling → canceled          expired = nothing of it ended before the deadline
 *
 * A batch changes by its version only, and so do its rows become jobs: whoever makes jobs by an older version is
 * refused. What has to be done to every row is a sweep: noted on the record first, done in bounded steps, each of them
 * safe to repeat.
 */

import { type Batch, type BatchEventType, type BatchTotals, isBatchOver, type SweepAction } from './batch.ts';
import { type BatchChange, changed, goesOn, restingStatus, unpaused } from './batch-change.ts';
import { type EpochMs, isTerminal, JOB_STATUSES, type Lane, type Micros } from './job.ts';

/** A batch of at least this many rows in the batch lane sends a canary ahead. */
const CANARY_MIN = 200;
/** Rows of a canary when nobody says otherwise. */
const CANARY_ROWS = 10;
/** The part of a batch's time after which the rest no longer waits for the canary. */
const CANARY_PATIENCE = 0.25;
/**
 * Open jobs of one batch above which no more rows become jobs: what a batch may take of Redis at a time. A provider batch
 * is cut from many; the standard lane takes them one by one, and each has a message besides.
 */
const OPEN_MAX: Record<Lane, number> = { standard: 10_000, batch: 250_000 };
const PROGRESS_SHARE = 0.05;
const PROGRESS_MS = 60_000;

export type NewBatch = Omit<Batch, 'version' | 'status' | 'loaded' | 'canary' | 'generation'> & {
  /** Rows that go ahead; 0 = none. */
  canaryRows?: number;
};

/**
 * How many of a batch's first rows would go ahead in the standard lane, at its price, were the others to take the batch lane.
 *
 * @param wanted by the caller; without it, few rows are not worth the wait
 */
export function canaryOf(total: number, wanted?: number): number {
  return Math.min(wanted ?? (total >= CANARY_MIN ? CANARY_ROWS : 0), total);
}

/** A batch as it is accepted: durable, none of its rows a job yet. */
export function newBatch({ canaryRows, ...facts }: NewBatch): Batch {
  const rows = facts.route.lane === 'batch' ? canaryOf(facts.total, canaryRows) : 0;
  return {
    ...facts,
    version: 1,
    status: 'ingesting',
    loaded: 0,
    generation: 0,
    ...(rows > 0 && { canary: { rows, state: 'running', failed: 0 } }),
  };
}

/** Rows that ended. */
export function doneOf({ counts }: BatchTotals): number {
  return JOB_STATUSES.filter(isTerminal).reduce((sum, status) => sum + counts[status], 0);
}

export function openOf({ counts }: BatchTotals): number {
  return counts.queued + counts.running;
}

/** The counts as a caller sees them: rows that are not jobs yet are queued, so that all of them together are the total. */
export function shownCounts(batch: Batch, totals: BatchTotals): BatchTotals['counts'] {
  return { ...totals.counts, queued: totals.counts.queued + waitingRows(batch, totals) };
}

/** Rows that may still become jobs for the first time. */
function waitingRows(batch: Batch, totals: BatchTotals): number {
  return batch.total - totals.enlisted - (batch.dropped?.rows ?? 0);
}

/** The next rows that become jobs: none, or those from `from` to before `to` whose estimates fit into `budget`. */
export type NextRows = { from: number; to: number; budget: Micros };

export function nextRows(batch: Batch, totals: BatchTotals, most: number, now: EpochMs): NextRows | undefined {
  const { canary, loaded, total } = batch;
  if (!goesOn(batch) || batch.sweep || loaded >= total || now >= batch.expiresAt) return undefined;
  const end = canary?.state === 'running' ? canary.rows : total;
  const to = Math.min(end, loaded + most, loaded + OPEN_MAX[batch.route.lane] - openOf(totals));
  if (to <= loaded) return undefined;
  return { from: loaded, to, budget: budgetOf(batch, totals) };
}

/** What is left of `max_cost`, once its open jobs have cost what they are expected to. */
function budgetOf({ maxCost }: Batch, { costs, openEstimated }: BatchTotals): Micros {
  return maxCost === undefined ? Number.POSITIVE_INFINITY : maxCost - costs.actual - costs.inDoubt - openEstimated;
}

/** The rows before `to` are jobs now. */
export function loadedTo(batch: Batch, to: number): BatchChange | undefined {
  if (batch.loaded >= to) return undefined;
  const loaded = { ...batch, loaded: to };
  return changed({ ...loaded, status: goesOn(batch) ? restingStatus(loaded) : batch.status });
}

/** No further row fits into `max_cost`. */
export function outOfMoney(batch: Batch): BatchChange {
  return changed({ ...batch, status: 'paused', pausedBy: 'max_cost' });
}

/** What follows from the counts and the passing of time. */
export function mind(batch: Batch, totals: BatchTotals, now: EpochMs): BatchChange | undefined {
  if (isBatchOver(batch.status)) return undefined;
  const started = start(batch, totals, now);
  const judged = judgeCanary(started.batch, totals, now);
  const next = expireDue(stopAtCap(judged, totals), totals, now);
  const ended = end(next, totals, now);
  if (ended) return { ...ended, events: [...started.events, ...ended.events], made: totals.made };
  const rescued = tellRescue(next, totals);
  const told = tellProgress(rescued.batch, totals, now);
  if (told.batch === batch) return undefined;
  return { ...changed(told.batch, batch), events: [...started.events, ...rescued.events, ...told.events] };
}

type Step = { batch: Batch; events: BatchEventType[] };

function start(batch: Batch, totals: BatchTotals, now: EpochMs): Step {
  const { counts, costs } = totals;
  const seen =
    counts.running + counts.succeeded + counts.blocked + counts.failed > 0 || costs.actual + costs.inDoubt > 0;
  if (!seen) return { batch, events: [] };
  if (batch.startedAt !== undefined) return { batch, events: [] };
  const status = goesOn(batch) ? 'running' : batch.status;
  return { batch: { ...batch, status, startedAt: now }, events: ['batch.started'] };
}

/** Jobs that have not begun wait while the cap has no room for them: it was lowered, or calls cost more than expected. */
function stopAtCap(batch: Batch, totals: BatchTotals): Batch {
  if (!goesOn(batch) && batch.pausedBy !== 'max_cost') return batch;
  const isOver = totals.counts.queued > 0 && budgetOf(batch, totals) < 0;
  if (isOver === (batch.overCap ?? false)) return batch;
  const { overCap: _overCap, ...rest } = batch;
  return isOver ? { ...rest, status: 'paused', pausedBy: 'max_cost', overCap: true } : rest;
}

/** By the first rows alone: no other is a job while the canary is out. More than half without an image is a failure. */
function judgeCanary(batch: Batch, totals: BatchTotals, now: EpochMs): Batch {
  const { canary } = batch;
  if (canary?.state !== 'running' || !goesOn(batch) || totals.enlisted < canary.rows) return batch;
  const { succeeded } = totals.counts;
  const failed = doneOf(totals) - succeeded;
  if (failed * 2 > canary.rows) {
    return { ...batch, canary: { ...canary, state: 'failed', failed }, status: 'paused', pausedBy: 'canary' };
  }
  const late = now > batch.createdAt + (batch.expiresAt - batch.createdAt) * CANARY_PATIENCE;
  if (succeeded * 2 < canary.rows && !late) return batch;
  return { ...batch, canary: { ...canary, state: 'passed', failed } };
}

function expireDue(batch: Batch, totals: BatchTotals, now: EpochMs): Batch {
  const { sweep, ...rest } = batch;
  if (now < batch.expiresAt || batch.status === 'canceling') return batch;
  if (openOf(totals) > 0) return sweep?.action === 'expire' ? batch : { ...batch, sweep: { action: 'expire', row: 0 } };
  return sweep ? rest : batch; // Whatever else was to be done to its rows comes too late.
}

/** The end, once nothing of it is open any more. */
function end(batch: Batch, totals: BatchTotals, now: EpochMs): BatchChange | undefined {
  if (batch.sweep || openOf(totals) > 0) return undefined;
  const waiting = waitingRows(batch, totals);
  if (batch.status === 'canceling') return finish(batch, 'canceled', 'canceled', waiting, now);
  const late = now >= batch.expiresAt;
  if (waiting > 0 && !late) return undefined;
  if (!late && batch.loaded < batch.total) return undefined; // The loader has still to note what it did.
  const { counts } = totals;
  const anyEnded = counts.succeeded + counts.blocked + counts.failed > 0;
  const anyExpired = counts.expired + waiting > 0;
  return finish(batch, anyExpired && !anyEnded ? 'expired' : 'completed', 'expired', waiting, now);
}

function finish(
  batch: Batch,
  status: 'completed' | 'canceled' | 'expired',
  rowStatus: 'canceled' | 'expired',
  waiting: number,
  now: EpochMs,
): BatchChange {
  const rest = unpaused(batch);
  const dropped = { status: rowStatus, rows: waiting };
  const before = batch.dropped?.rows ?? 0;
  return {
    ...changed({
      ...rest,
      status,
      completedAt: now,
      ...(waiting > 0 && { dropped: { ...dropped, rows: before + waiting } }),
    }),
    events: [`batch.${status}`],
    ...(waiting > 0 && { dropped }),
  };
}

function tellRescue(batch: Batch, totals: BatchTotals): Step {
  if (batch.route.lane !== 'batch' || totals.rescued <= (batch.rescued ?? 0)) return { batch, events: [] };
  return { batch: { ...batch, rescued: totals.rescued }, events: ['batch.rescued'] };
}

function tellProgress(batch: Batch, totals: BatchTotals, now: EpochMs): Step {
  const done = doneOf(totals);
  const { at, done: told } = batch.progress ?? { at: batch.createdAt, done: 0 };
  const more = done - told;
  const worthTelling = more >= Math.max(1, batch.total * PROGRESS_SHARE) || (more > 0 && now - at >= PROGRESS_MS);
  if (!worthTelling) return { batch, events: [] };
  return { batch: { ...batch, progress: { at: now, done } }, events: ['batch.progressed'] };
}

/** The next rows that a sweep deals with, and the row behind the last one of all. `budget` is what rows made again may cost. */
export type SweepStep = { action: SweepAction; from: number; to: number; end: number; budget: Micros };

export function nextSweepStep(batch: Batch, totals: BatchTotals, most: number): SweepStep | undefined {
  const { sweep } = batch;
  if (!sweep || (sweep.action === 'retry' && batch.status === 'paused')) return undefined;
  // Rows are made again also when they never were jobs; what else is to be done concerns jobs alone.
  const end = sweep.action === 'retry' ? batch.total : totals.next;
  const to = Math.min(end, sweep.row + most);
  return { action: sweep.action, from: sweep.row, to: Math.max(to, sweep.row), end, budget: budgetOf(batch, totals) };
}

/** The sweep has dealt with the rows before `row`; with all of them when that reaches `end`. */
export function sweptTo(batch: Batch, row: number, end: number): BatchChange | undefined {
  const { sweep, ...rest } = batch;
  if (!sweep) return undefined;
  return changed(row >= end ? rest : { ...batch, sweep: { ...sweep, row } });
}
