/** What a caller does to a batch. The record changes here; its rows follow, by `sweepBatch`. */

import {
  AppError,
  type Batch,
  type BatchChange,
  type BatchPatch,
  type BatchTotals,
  cancelBatch,
  type EpochMs,
  MODELS,
  patchBatch,
  pauseBatch,
  pausedLine,
  resumeBatch,
  retryBatch,
  type Tenant,
} from '../domain/index.ts';
import type { Batches, Clock, Lines, ObjectStore } from '../ports/index.ts';
import { readBatchArchive } from './archive-batch.ts';
import { noSuchBatch } from './get-batch.ts';
import { updateBatch } from './update-batch.ts';

export type BatchAction = 'pause' | 'resume' | 'cancel' | 'retry-failed';

export type ControlBatchDeps = { batches: Batches; store: ObjectStore; lines: Pick<Lines, 'open'>; clock: Clock };

type Decision = (batch: Batch, totals: BatchTotals, now: EpochMs) => BatchChange | undefined;

const ACTIONS: Record<BatchAction, Decision> = {
  pause: pauseBatch,
  resume: resumeBatch,
  cancel: cancelBatch,
  'retry-failed': retryBatch,
};

/**
 * Done twice, all but `retry-failed` are as good as done once; that one has nothing left to do by then.
 *
 * @throws AppError `not_found`, or `conflict` when the batch is past that, or (retryable) in the middle of something else
 */
export async function controlBatch(
  deps: ControlBatchDeps,
  tenant: Tenant,
  id: string,
  action: BatchAction,
): Promise<Batch> {
  const totals = await deps.batches.totals(tenant, id);
  return change(deps, tenant, id, (batch) => ACTIONS[action](batch, totals, deps.clock.now()));
}

/** New terms, for the rows to come and for the open jobs. @throws AppError as `controlBatch`, and `invalid_request` */
export async function changeBatch(
  deps: ControlBatchDeps,
  tenant: Tenant,
  id: string,
  patch: BatchPatch,
): Promise<Batch> {
  return change(deps, tenant, id, (batch) => patchBatch(batch, patch, deps.clock.now()));
}

async function change(
  { batches, store, lines }: ControlBatchDeps,
  tenant: Tenant,
  id: string,
  decide: (batch: Batch) => BatchChange | undefined,
): Promise<Batch> {
  const batch = await updateBatch(batches, tenant, id, decide);
  if (batch) {
    await openLines(lines, batch);
    return batch;
  }
  if (!(await readBatchArchive(store, tenant, id))) throw noSuchBatch();
  throw new AppError('conflict', {
    message: 'The batch was over long ago; it cannot be changed any more.',
    param: 'id',
    fix: 'Send the rows that you still want as a new batch.',
  });
}

/** Its jobs that waited in the standard lane go on at once; where that cannot be told, their line is looked at in its time. */
async function openLines(lines: Pick<Lines, 'open'>, { id, status }: Batch): Promise<void> {
  if (status === 'paused') return;
  await Promise.allSettled(MODELS.map((model) => lines.open(model.id, pausedLine(id))));
}
