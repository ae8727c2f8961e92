/** Bodies that are still arriving, and what they leave in the object store: notes for whoever cleans up after a crash. */

import type { BatchId, EpochMs, Tenant } from '../domain/job.ts';

/** Every method may be sent twice with the same effect as once. */
export type Ingests = {
  /** What an idempotency key was used for, when a batch was accepted under it. */
  recall(tenant: Tenant, idempotencyKey: string): Promise<{ id: BatchId; bodyHash: string } | undefined>;
  /** Notes that the objects of `id` may be deleted after `until`. */
  begin(tenant: Tenant, id: BatchId, until: EpochMs): Promise<void>;
  /** Puts that off. @returns false when somebody has begun to delete them */
  keep(tenant: Tenant, id: BatchId, until: EpochMs): Promise<boolean>;
  /** Those whose time is over. From here on `keep` says no. */
  condemned(tenant: Tenant, now: EpochMs, limit: number): Promise<BatchId[]>;
  /** Its objects are gone, or belong to a batch. */
  forget(tenant: Tenant, id: BatchId): Promise<void>;
};
