import type { BatchId, Tenant } from '../domain/index.ts';
import type { Batches, Clock } from '../ports/index.ts';

/** Whether no job of the batch is to be begun now: it is paused, or being canceled. `fresh` = as it stands this moment. */
export type PausedBatches = (tenant: Tenant, batch: BatchId, how?: { fresh?: boolean }) => Promise<boolean>;

const TENANTS_KEPT = 1_000;

/** Asks the record of batches, and keeps the answer for `ms`: a pause is heeded within that. */
export function createPausedBatches({
  batches,
  clock,
  ms = 1_000,
}: {
  batches: Batches;
  clock: Clock;
  ms?: number;
}): PausedBatches {
  const known = new Map<Tenant, { until: number; ids: Promise<ReadonlySet<BatchId>> }>();
  return async (tenant, batch, { fresh = false } = {}) => {
    let entry = known.get(tenant);
    if (fresh || !entry || entry.until <= clock.now()) {
      if (known.size >= TENANTS_KEPT) known.clear();
      entry = { until: clock.now() + ms, ids: batches.paused(tenant) };
      known.set(tenant, entry);
      entry.ids.catch(() => known.delete(tenant));
    }
    return (await entry.ids).has(batch);
  };
}
