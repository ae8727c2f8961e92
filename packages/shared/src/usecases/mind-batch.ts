import { type Batch, type BatchId, mind, type Tenant } from '../domain/index.ts';
import type { Batches, Clock } from '../ports/index.ts';

/**
 * One look at a batch: what follows from its counts and from the time is written, if nobody was faster.
 *
 * @returns the change that was written, as the batch after it and what was told; `undefined` when there was nothing to do
 */
export async function mindBatch(
  { batches, clock }: { batches: Batches; clock: Clock },
  tenant: Tenant,
  id: BatchId,
): Promise<{ batch: Batch; events: string[] } | undefined> {
  const batch = await batches.read(tenant, id);
  const change = batch && mind(batch, await batches.totals(tenant, id), clock.now());
  return change && (await batches.write(change)) ? change : undefined;
}
