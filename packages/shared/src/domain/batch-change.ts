import type { Batch, BatchEventType } from './batch.ts';

/** One step of a batch: the record after it, what is told, and what it adds to the counts. */
export type BatchChange = {
  batch: Batch;
  events: BatchEventType[];
  /** Rows that are counted although they never became jobs. */
  dropped?: { status: 'canceled' | 'expired'; rows: number };
  /** Only as long as no more jobs than these were made. */
  made?: number;
};

/** Nobody holds it up, and it is not over. */
export function goesOn({ status }: Batch): boolean {
  return status === 'ingesting' || status === 'queued' || status === 'running';
}

/** Where a batch is that goes on. */
export function restingStatus({
  loaded,
  total,
  startedAt,
}: Pick<Batch, 'loaded' | 'total' | 'startedAt'>): Batch['status'] {
  if (startedAt !== undefined) return 'running';
  return loaded < total ? 'ingesting' : 'queued';
}

/** The change that puts `batch` in the place of `before`. */
export function changed(batch: Batch, before: Batch = batch): BatchChange {
  return { batch: { ...batch, version: before.version + 1 }, events: [] };
}

/** The batch without what is known of its pause. */
export function unpaused(batch: Batch): Batch {
  const { pausedBy: _pausedBy, overCap: _overCap, ...rest } = batch;
  return rest;
}
