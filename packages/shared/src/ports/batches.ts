/** The records of the callers' batches. Every method may be sent twice with the same effect as once. */

import type { Batch, BatchCosts, BatchCounts, BatchRow } from '../domain/batch.ts';
import type { BatchId, EpochMs, Job, Tenant } from '../domain/job.ts';

export type BatchAdmission =
  | { type: 'created' }
  /** The same key with the same body was accepted before. Nothing was written. */
  | { type: 'replayed'; id: BatchId }
  /** The key was used before with another body. Nothing was written. */
  | { type: 'reused'; id: BatchId }
  /** The same key's body is still arriving on another connection. Nothing was written. */
  | { type: 'busy' };

export type BatchTotals = { counts: BatchCounts; costs: BatchCosts };

export type Batches = {
  /** Marks a key as being in the middle of its body, for at most `ms`; `busy` when somebody else is. */
  reserve(tenant: Tenant, idempotencyKey: string, owner: string, ms: number): Promise<'reserved' | 'busy'>;
  /** Lets go of a key whose body was refused or broke off. */
  release(tenant: Tenant, idempotencyKey: string, owner: string): Promise<void>;
  /**
   * Accepts a batch whose rows lie in the object store: from here on it is not lost.
   *
   * @param idempotency `bodyHash` over the raw body and the options
   */
  accept(batch: Batch, idempotency?: { key: string; bodyHash: string; owner: string }): Promise<BatchAdmission>;
  read(tenant: Tenant, id: BatchId): Promise<Batch | undefined>;
  /** Puts `batch` in the place of the version before it. @returns false when somebody else was first */
  write(batch: Batch): Promise<boolean>;
  /** Counted by the very scripts that change the jobs. */
  totals(tenant: Tenant, id: BatchId): Promise<BatchTotals>;
  /** Newest first. */
  list(tenant: Tenant, query: { after?: { at: EpochMs; id: BatchId }; limit: number }): Promise<Batch[]>;
  /** All of every tenant that are not over. */
  open(): Promise<{ tenant: Tenant; id: BatchId }[]>;
  /** Ids that are paused, for workers to ask often. */
  paused(tenant: Tenant): Promise<ReadonlySet<BatchId>>;
  /**
   * Makes jobs of rows, one script each: coalescing and cache as at admission, counted once. Repeated, it changes nothing.
   *
   * @returns the jobs that now wait for a worker
   */
  enlist(batch: Batch, rows: BatchRow[], shard: number): Promise<Job[]>;
};
