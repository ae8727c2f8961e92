/** Paid bytes on the local disk between the provider's socket and the object store. */

import type { Answer, SpooledBlob } from '../domain/answer.ts';
import type { Place } from '../domain/channel.ts';
import type { AttemptRef } from '../domain/job.ts';

/** Takes the decoded bytes of one lifted field as they arrive, and hashes them on the way. */
export type BlobSink = {
  write(chunk: Buffer): void | Promise<void>;
  /** Closes the file and says what it holds. */
  close(): Promise<SpooledBlob>;
};

/** One attempt's place in the spool: an intent, then perhaps blobs, then perhaps an answer. */
export type SpoolEntry = {
  ref: AttemptRef;
  /** Where its call was to be made, as last told; `undefined` when nobody said. */
  place(): Place | undefined;
  /** The call is to be made elsewhere than intended. Outlives this process; a power cut may take it back. */
  moveTo(place: Place): Promise<void>;
  /** Opens the file of blob `index`; bytes are durable only after `commit`. */
  blob(index: number): BlobSink;
  /**
   * Makes blobs and answer durable, in that order (fsync, rename, fsync of the folder). After it a power cut loses
   * nothing. Tries until the disk takes them, or `signal` is aborted: what is given up here was paid for.
   */
  commit(answer: Answer, signal?: AbortSignal): Promise<void>;
  /** The committed answer, or `undefined` when the call's end never reached this disk. */
  answer(): Promise<Answer | undefined>;
  /** Removes everything of this attempt. Safe to call twice. */
  remove(): Promise<void>;
};

export type Spool = {
  /** Records durably that a paid call is about to leave, and for where. */
  intend(ref: AttemptRef, place?: Place): Promise<SpoolEntry>;
  /** Takes over what owners that are dead left behind. Two processes never get the same entry. */
  recover(): Promise<SpoolEntry[]>;
  /** Entries and bytes held by this owner. */
  usage(): Promise<{ entries: number; bytes: number }>;
};
