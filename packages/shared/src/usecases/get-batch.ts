import {
  AppError,
  type Batch,
  type BatchRow,
  type BatchTotals,
  isBatchOver,
  type Job,
  rowJobId,
  type Tenant,
} from '../domain/index.ts';
import type { Batches, Ledger, ObjectStore } from '../ports/index.ts';
import { readBatchArchive } from './archive-batch.ts';
import { findJob } from './get-job.ts';

const BATCH_ID = /^bat_[0-9a-f]{32}$/;

export type ReadBatchDeps = { batches: Batches; ledger: Ledger; store: ObjectStore };

/** The batch and its counts, from Redis or from the archive. @throws AppError `not_found`, also for another tenant's */
export async function getBatch(
  { batches, store }: Pick<ReadBatchDeps, 'batches' | 'store'>,
  tenant: Tenant,
  id: string,
): Promise<{ batch: Batch; totals: BatchTotals }> {
  if (!BATCH_ID.test(id)) throw noSuchBatch();
  // Counts first: read after a batch that is forgotten between the two, they would be none.
  const totals = await batches.totals(tenant, id);
  const batch = await batches.read(tenant, id);
  if (batch) return { batch, totals };
  const archived = await readBatchArchive(store, tenant, id);
  if (!archived) throw noSuchBatch();
  return { batch: archived.batch, totals: archived.totals };
}

export function noSuchBatch(): AppError {
  return new AppError('not_found', { message: 'There is no such batch.', param: 'id' });
}

/** The newest job under a key; `undefined` when there is none (yet). */
export async function findRowJob(
  deps: Pick<ReadBatchDeps, 'ledger' | 'store'>,
  batch: Batch,
  key: string,
): Promise<Job | undefined> {
  for (let generation = batch.generation; generation >= 0; generation--) {
    const job = await findJob(deps, batch.tenant, rowJobId(batch.id, key, generation));
    if (job) return job;
  }
  return undefined;
}

/** The newest job of each of the rows, which follow each other; `undefined` where there is none (yet). */
export async function jobsOfRows(deps: ReadBatchDeps, batch: Batch, rows: BatchRow[]): Promise<(Job | undefined)[]> {
  const newest = await deps.batches.generations(batch, rows[0]?.n ?? 0, rows.length);
  return Promise.all(
    rows.map(async (row, i) => {
      const generation = newest[i];
      if (generation !== undefined) return findJob(deps, batch.tenant, rowJobId(batch.id, row.key, generation));
      // Of an archived batch, nobody knows any more which rows were made again.
      return isBatchOver(batch.status) ? findRowJob(deps, batch, row.key) : undefined;
    }),
  );
}
