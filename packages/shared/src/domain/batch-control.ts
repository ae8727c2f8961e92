/** What callers do to a batch. Pure, like `batch-steps.ts`. @throws AppError `conflict` when the batch is past that */

import { type Batch, type BatchTotals, isBatchOver } from './batch.ts';
import { type BatchChange, changed, goesOn, restingStatus, unpaused } from './batch-change.ts';
import { AppError } from './errors.ts';
import type { EpochMs, Micros } from './job.ts';

const DEADLINE_MAX_MS = 30 * 86_400_000;

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
  const rest = unpaused(batch);
  const overruled = batch.canary?.state === 'failed' ? { canary: { ...batch.canary, state: 'passed' as const } } : {};
  // What was kept from its workers has to be brought back to them.
  const sweep = batch.sweep ?? { action: 'wake' as const, row: 0 };
  return changed({ ...rest, ...overruled, status: restingStatus(rest), sweep });
}

/** Ends every job of it by the caller's wish; rows that are no jobs yet never become any. */
export function cancelBatch(batch: Batch): BatchChange | undefined {
  if (batch.status === 'canceling' || batch.status === 'canceled') return undefined;
  requireOpen(batch, 'canceled');
  const rest = unpaused(batch);
  return changed({ ...rest, status: 'canceling', sweep: { action: 'cancel', row: 0 } });
}

/**
 * Makes the rows that failed or expired again, as new jobs. A batch that was over is open again, with at least as much
 * time as it had at first.
 */
export function retryBatch(batch: Batch, { counts }: BatchTotals, now: EpochMs): BatchChange {
  if (!goesOn(batch) && batch.status !== 'completed' && batch.status !== 'expired') {
    throw conflict(`The batch is ${batch.status}; rows are made again while it runs and when it is over.`);
  }
  if (batch.sweep) throw busy();
  if (counts.failed + counts.expired === 0) throw conflict('No row of the batch failed or expired.');
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
  // Who waits, or is under way, may leave the batch lane with other money than before.
  const isTold = maxCost !== batch.maxCost && !base.sweep;
  const patched: Batch = {
    ...base,
    expiresAt: deadline,
    ...(isTold && { sweep: { action: 'wake', row: 0 } }),
    ...(maxCost !== undefined && { maxCost }),
    ...(patch.priority !== undefined && { priority: patch.priority, patchedPriority: patch.priority }),
    ...(forRows && { sweep: { action: 'patch', row: 0 } }),
  };
  return changed(patched, batch);
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
