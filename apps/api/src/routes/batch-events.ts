import { type Batch, type BatchEventType, type BatchTotals, isBatchOver } from '@darkroom/shared/domain';
import { getBatch, presentBatch } from '@darkroom/shared/usecases';
import type { Request, Response } from 'express';
import type { ApiDeps } from '../deps.ts';
import { callerOf } from '../http/authenticate.ts';
import { streamEvents, type Told } from '../http/event-stream.ts';

/** A batch's events as a stream, each with its counts, cost, rate and ETA, until the batch is over. */
export async function streamBatchEvents(deps: ApiDeps, req: Request<{ id: string }>, res: Response): Promise<void> {
  const { tenant } = callerOf(res, 'jobs:read');
  const { id } = req.params;
  const read = async () => {
    const { batch, totals } = await getBatch(deps, tenant, id);
    return toldOf(deps, batch, totals);
  };
  await streamEvents(deps, { tenant, id, read }, req, res);
}

function toldOf({ clock }: ApiDeps, batch: Batch, totals: BatchTotals): Told {
  const { status, completedAt, createdAt } = batch;
  return {
    createdAt,
    isOver: isBatchOver(status),
    ...(isBatchOver(status) &&
      completedAt !== undefined && { end: { type: `batch.${status}` as BatchEventType, at: completedAt } }),
    present: async () => presentBatch(batch, totals, clock.now()),
  };
}
