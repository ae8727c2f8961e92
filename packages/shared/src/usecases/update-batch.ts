import { AppError, type Batch, type BatchChange, type BatchId, type Tenant } from '../domain/index.ts';
import type { Batches } from '../ports/index.ts';

/** Loader, minder and callers write a batch, none of them often. */
const TRIES = 20;

/**
 * Reads the batch, decides, writes; reads and decides again when somebody else was faster.
 *
 * @returns the batch as it stands now; `undefined` when there is no such record
 */
export async function updateBatch(
  batches: Batches,
  tenant: Tenant,
  id: BatchId,
  decide: (batch: Batch) => BatchChange | undefined,
): Promise<Batch | undefined> {
  for (let n = 0; n < TRIES; n++) {
    const batch = await batches.read(tenant, id);
    const change = batch && decide(batch);
    if (!change) return batch;
    if (await batches.write(change)) return change.batch;
  }
  throw new AppError('conflict', {
    message: 'The batch kept changing.',
    retryable: true,
    retryAfterMs: 1_000,
  });
}
