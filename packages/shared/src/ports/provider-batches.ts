/** The records of provider batches. Every method may be sent twice with the same effect as once. */

import type { Place } from '../domain/channel.ts';
import type { EpochMs, ProviderBatchId } from '../domain/job.ts';
import type { ProviderBatch, ProviderBatchMember } from '../domain/provider-batch.ts';

/** What any number of workers do as often as one: `poll` = listing the account's batches. */
export type Turn = 'poll';

/** That a chunk's members were given other terms. `note` tells it from others of the same chunk. */
export type PatchNote = { chunk: ProviderBatchId; note: string };

export type ProviderBatches = {
  /** @returns false when the id is taken */
  plan(batch: ProviderBatch, members: ProviderBatchMember[]): Promise<boolean>;
  read(id: ProviderBatchId): Promise<ProviderBatch | undefined>;
  members(id: ProviderBatchId): Promise<ProviderBatchMember[]>;
  /** Fixes the members for good together with the record. Version-checked like `write`. */
  seal(batch: ProviderBatch, members: ProviderBatchMember[]): Promise<boolean>;
  /** Puts `batch` in the place of the version before it. @returns false when somebody else was first */
  write(batch: ProviderBatch): Promise<boolean>;
  /** Notes that lists may come to show a stray of this chunk, until then. */
  expectStrays(batch: Pick<ProviderBatch, 'id' | 'createdAt'>, until: EpochMs): Promise<void>;
  /** When the first of the chunks was made that a stray is expected of; `undefined` = of none. */
  straysSince(now: EpochMs): Promise<EpochMs | undefined>;
  /** Open ones whose time has come. */
  due(now: EpochMs, limit: number): Promise<ProviderBatchId[]>;
  /** All that are not closed. */
  open(): Promise<ProviderBatch[]>;
  /**
   * Keeps others from what `id` names, until disposed of; `ms` after this process has died it is free.
   * Saves double work, and is not what safety rests on.
   *
   * @returns `undefined` when somebody else has it
   */
  hold(id: string, ms: number): Promise<AsyncDisposable | undefined>;
  /** Whether nobody has had this turn for `ms`; for some seconds, when it was called for. It is not let go. */
  takeTurn(turn: Turn, ms: number): Promise<boolean>;
  /** Has one who asks for this turn within the next hour get it early. A `cause`, of at most 256 characters, calls once. */
  callTurn(turn: Turn, cause: string): Promise<void>;
  /** An account takes no more provider batches of a model before; a later instant outweighs an earlier one. */
  park(place: Place, until: EpochMs): Promise<void>;
  /** 0 when it is not parked. */
  parkedUntil(place: Place): Promise<EpochMs>;
  /** Notes that members of these chunks have other deadlines than they were sealed with. */
  notePatch(chunks: ProviderBatchId[]): Promise<void>;
  /** What was noted and is not done. What changes after this answer is noted anew. */
  patched(): Promise<PatchNote[]>;
  patchDone(notes: PatchNote[]): Promise<void>;
  /** Average bytes of a result line of `model`, by image size, as far as harvests have taught. */
  lineBytes(model: string): Promise<Map<string, number>>;
  /** Moves that average towards what one harvest found. */
  learnLineBytes(model: string, found: ReadonlyMap<string, number>): Promise<void>;
};
