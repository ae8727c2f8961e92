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
import { AppError } from './errors.ts';
import { type EpochMs, isTerminal, JOB_STATUSES, type Lane, type Micros } from './job.ts';

/** One step of a batch: the record after it, what is told, and what it adds to the counts. */
export type BatchChange = {
  batch: Batch;
  events: BatchEventType[];
  /** Rows that are counted although they never became jobs. */
  dropped?: { status: 'canceled' | 'expired'; rows: number };
  /** Only as long as no more jobs than these were made. */
  made?: number;
};

/** A batch of at least this many rows in the batch lane sends a canary ahead. */
export const CANARY_MIN = 200;
/** Rows of a canary when nobody says otherwise. */
export const CANARY_ROWS = 10;
/** The part of a batch's time after which the rest no longer waits for the canary. */
const CANARY_PATIENCE = 0.25;
/**
 * Open jobs of one batch above which no more rows become jobs: what a batch may take of Redis at a time. A provider batch
 * is cut from many; the standard lane takes them one by one, and each has a message besides.
 */
const OPEN_MAX: Record<Lane, number> = { standard: 10_000, batch: 250_000 };
const PROGRESS_SHARE = 0.05;
const PROGRESS_MS = 60_000;
const DEADLINE_MAX_MS = 30 * 86_400_000;

export type NewBatch = Omit<Batch, 'version' | 'status' | 'loaded' | 'canary' | 'generation'> & {
  /** Rows that go ahead; 0 = none. */
  canaryRows?: number;
};

/** A batch as it is accepted: durable, none of its rows a job yet. */
export function newBatch({ canaryRows = CANARY_ROWS, ...facts }: NewBatch): Batch {
  const sendsCanary = facts.route.lane === 'batch' && facts.total >= CANARY_MIN && canaryRows > 0;
  return {
    ...facts,
    version: 1,
    status: 'ingesting',
    loaded: 0,
    generation: 0,
    ...(sendsCanary && { canary: { rows: Math.min(canaryRows, facts.total), state: 'running', failed: 0 } }),
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
  const next = expireDue(judged, totals, now);
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
  const { pausedBy: _pausedBy, ...rest } = batch;
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

/** Stops the loader and whoever would send its jobs; calls that are out end. */
export function pauseBatch(batch: Batch): BatchChange | undefined {
  requireOpen(batch, 'paused');
  if (batch.status === 'paused' && batch.pausedBy === 'caller') return undefined;
  return changed({ ...batch, status: 'paused', pausedBy: 'caller' });
}

/** Goes on where it stopped; a canary that failed is overruled by it. */
export function resumeBatch(batch: Batch): BatchChange | undefined {
  requireOpen(batch, 'resumed');
  if (batch.status !== 'paused') return undefined;
  const { pausedBy: _pausedBy, ...rest } = batch;
  const overruled = batch.canary?.state === 'failed' ? { canary: { ...batch.canary, state: 'passed' as const } } : {};
  // What was kept from its workers has to be brought back to them.
  const sweep = batch.sweep ?? { action: 'wake' as const, row: 0 };
  return changed({ ...rest, ...overruled, status: restingStatus(rest), sweep });
}

/** Ends every job of it by the caller's wish; rows that are no jobs yet never become any. */
export function cancelBatch(batch: Batch): BatchChange | undefined {
  if (batch.status === 'canceling' || batch.status === 'canceled') return undefined;
  requireOpen(batch, 'canceled');
  const { pausedBy: _pausedBy, ...rest } = batch;
  return changed({ ...rest, status: 'canceling', sweep: { action: 'cancel', row: 0 } });
}

/**
 * Makes the rows that failed or expired again, as new jobs. A batch that was over is open again, with at least as much
 * time as it had at first.
 */
export function retryBatch(batch: Batch, now: EpochMs): BatchChange {
  if (!goesOn(batch) && batch.status !== 'completed' && batch.status !== 'expired') {
    throw conflict(`The batch is ${batch.status}; rows are made again while it runs and when it is over.`);
  }
  if (batch.sweep) throw busy();
  const { completedAt: _completedAt, progress: _progress, ...rest } = batch;
  const isOver = isBatchOver(batch.status);
  const expiresAt = !isOver ? batch.expiresAt : Math.max(batch.expiresAt, now + batch.expiresAt - batch.createdAt);
  return changed({
    ...rest,
    expiresAt: Math.min(expiresAt, now + DEADLINE_MAX_MS),
    // Rows that never were jobs by then are made by the sweep too.
    ...(isOver && { status: 'running' as const, loaded: batch.total }),
    generation: batch.generation + 1,
    sweep: { action: 'retry', row: 0 },
  });
}

export type BatchPatch = {
  deadline?: EpochMs | undefined;
  priority?: number | undefined;
  maxCost?: Micros | undefined;
};

/** New terms, for the rows to come and for the jobs that are open. */
export function patchBatch(batch: Batch, patch: BatchPatch, now: EpochMs): BatchChange | undefined {
  requireOpen(batch, 'changed');
  const { deadline = batch.expiresAt, maxCost = batch.maxCost } = patch;
  if (deadline !== batch.expiresAt && (deadline <= now || deadline > now + DEADLINE_MAX_MS)) {
    throw new AppError('invalid_request', {
      message: 'deadline must lie in the future, at most 30 days ahead.',
      param: 'deadline',
      fix: 'Send a later time, with its time zone.',
    });
  }
  const priority = patch.priority ?? batch.patchedPriority;
  const forRows = deadline !== batch.expiresAt || priority !== batch.patchedPriority;
  if (!forRows && maxCost === batch.maxCost) return undefined;
  if (forRows && batch.sweep && batch.sweep.action !== 'patch' && batch.sweep.action !== 'wake') throw busy();
  // More money is all that such a batch waits for; should it not be enough, the loader says so again.
  const isFunded = batch.pausedBy === 'max_cost' && patch.maxCost !== undefined;
  const base = (isFunded && resumeBatch(batch)?.batch) || batch;
  const patched: Batch = {
    ...base,
    expiresAt: deadline,
    ...(maxCost !== undefined && { maxCost }),
    ...(patch.priority !== undefined && { priority: patch.priority, patchedPriority: patch.priority }),
    ...(forRows && { sweep: { action: 'patch', row: 0 } }),
  };
  return changed(patched, batch);
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

/** Nobody holds it up, and it is not over. */
function goesOn({ status }: Batch): boolean {
  return status === 'ingesting' || status === 'queued' || status === 'running';
}

/** Where a batch is that goes on. */
function restingStatus({ loaded, total, startedAt }: Pick<Batch, 'loaded' | 'total' | 'startedAt'>): Batch['status'] {
  if (startedAt !== undefined) return 'running';
  return loaded < total ? 'ingesting' : 'queued';
}

function requireOpen({ status }: Batch, done: string): void {
  if (isBatchOver(status) || status === 'canceling') throw conflict(`The batch is ${status}; it cannot be ${done}.`);
}

function conflict(message: string): AppError {
  return new AppError('conflict', { message, param: 'id' });
}

function busy(): AppError {
  return new AppError('conflict', {
    message: 'An earlier change is still being made to the rows of this batch.',
    param: 'id',
    retryable: true,
    retryAfterMs: 1_000,
  });
}

function changed(batch: Batch, before: Batch = batch): BatchChange {
  return { batch: { ...batch, version: before.version + 1 }, events: [] };
}
