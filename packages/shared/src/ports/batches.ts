/** The records of the callers' batches. Every method may be sent twice with the same effect as once. */

import type { Batch, BatchRow, BatchTotals } from '../domain/batch.ts';
import type { BatchChange } from '../domain/batch-change.ts';
import type { RowSums } from '../domain/batch-rows.ts';
import type { BatchId, EpochMs, Job, ProviderBatchId, Tenant } from '../domain/job.ts';
import type { Admission, AdmitMode } from './ledger.ts';

export type BatchAdmission =
  | { type: 'created' }
  /** The same key with the same body was accepted before. Nothing was written. */
  | { type: 'replayed'; id: BatchId }
  /** The key was used before with another body. Nothing was written. */
  | { type: 'reused'; id: BatchId }
  /** The same key's body is still arriving on another connection. Nothing was written. */
  | { type: 'busy' };

/** The job that a row is to become, and how. */
export type Enlistment = {
  row: Pick<BatchRow, 'n'>;
  generation: number;
  job: Job;
  mode: AdmitMode;
  /** What goes out of the counts with it: the row's job before this one. */
  replaces?: RowSums;
};

/**
 * `known` = this row became a job before, and nothing was written. `stale` = the batch has changed, so its rows may have
 * to become other jobs, or none.
 */
export type Enlisted =
  | Extract<Admission, { type: 'created' | 'twin' | 'cached' | 'gone' }>
  | { type: 'known' | 'stale' };

export type Batches = {
  /**
   * Marks a key as being in the middle of its body, for at most `ms`. `busy` = somebody else is; `used` = a batch was
   * accepted under it already: whether with this body, `accept` tells.
   */
  reserve(tenant: Tenant, idempotencyKey: string, owner: string, ms: number): Promise<'reserved' | 'busy' | 'used'>;
  /** Lets go of a key whose body was refused or broke off. */
  release(tenant: Tenant, idempotencyKey: string, owner: string): Promise<void>;
  /**
   * Accepts a batch whose rows lie in the object store: from here on it is not lost.
   *
   * @param idempotency `bodyHash` over the raw body and the options
   */
  accept(batch: Batch, idempotency?: { key: string; bodyHash: string; owner: string }): Promise<BatchAdmission>;
  read(tenant: Tenant, id: BatchId): Promise<Batch | undefined>;
  /** Puts the batch in the place of the version before it. @returns false when somebody else was first */
  write(change: BatchChange): Promise<boolean>;
  /** Counted by the very scripts that change the jobs. */
  totals(tenant: Tenant, id: BatchId): Promise<BatchTotals>;
  /** Notes a chunk that carries rows of the batch. */
  carriedBy(tenant: Tenant, id: BatchId, chunk: ProviderBatchId): Promise<void>;
  /** Newest first. */
  list(tenant: Tenant, query: { after?: { at: EpochMs; id: BatchId }; limit: number }): Promise<Batch[]>;
  /** All of every tenant that are not over. */
  open(): Promise<{ tenant: Tenant; id: BatchId }[]>;
  /** Batches whose jobs no worker is to begin: paused, or being canceled. For workers to ask often. */
  paused(tenant: Tenant): Promise<ReadonlySet<BatchId>>;
  /** Keeps others from the same work on the same one for at most `ms`; not what safety rests on. @returns `undefined` while somebody else is at it */
  hold(tenant: Tenant, id: BatchId, work: 'load' | 'sweep', ms: number): Promise<AsyncDisposable | undefined>;
  /** Makes a job of a row of this very version of the batch: coalescing and cache as at admission, counted once. */
  enlist(batch: Batch, enlistment: Enlistment): Promise<Enlisted>;
  /** How often each of the rows was made again; `undefined` = it never became a job. */
  generations(batch: Batch, from: number, count: number): Promise<(number | undefined)[]>;
  /** Batches that ended and whose tail is over. */
  dueRetention(tenant: Tenant, now: EpochMs, limit: number): Promise<BatchId[]>;
  /** Drops the record of a batch that is over and archived. @returns false when it changed since */
  forget(batch: Batch): Promise<boolean>;
};
