import { AppError, type Batch, type BatchTotals, type Tenant } from '../domain/index.ts';
import type { Batches } from '../ports/index.ts';

/** The batch and its counts. @throws AppError `not_found`, word for word the same for another tenant's id */
export async function getBatch(
  { batches }: { batches: Batches },
  tenant: Tenant,
  id: string,
): Promise<{ batch: Batch; totals: BatchTotals }> {
  const batch = /^bat_[0-9a-f]{32}$/.test(id) ? await batches.read(tenant, id) : undefined;
  if (!batch) throw new AppError('not_found', { message: 'There is no such batch.', param: 'id' });
  return { batch, totals: await batches.totals(tenant, id) };
}
