/** The records of provider batches. Every method may be sent twice with the same effect as once. */

import type { EpochMs, ProviderBatchId } from '../domain/job.ts';
import type { ProviderBatch, ProviderBatchMember } from '../domain/provider-batch.ts';

export type ProviderBatches = {
  /** @returns false when the id is taken */
  plan(batch: ProviderBatch, members: ProviderBatchMember[]): Promise<boolean>;
  read(id: ProviderBatchId): Promise<ProviderBatch | undefined>;
  members(id: ProviderBatchId): Promise<ProviderBatchMember[]>;
  /** Fixes the members for good together with the record. Version-checked like `write`. */
  seal(batch: ProviderBatch, members: ProviderBatchMember[]): Promise<boolean>;
  /** Puts `batch` in the place of the version before it. @returns false when somebody else was first */
  write(batch: ProviderBatch): Promise<boolean>;
  /** Open ones whose time has come. */
  due(now: EpochMs, limit: number): Promise<ProviderBatchId[]>;
  /** All that are not closed. */
  open(): Promise<ProviderBatch[]>;
  /** Keeps others from working on the same one at once; not what safety rests on. @returns a way to let go, or undefined */
  claim(id: ProviderBatchId, ms: number): Promise<(() => Promise<void>) | undefined>;
};
