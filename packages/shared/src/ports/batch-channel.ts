/** A way to have many jobs made as one unit, by files: one provider account. */

import type { Readable } from 'node:stream';
import type { Answer } from '../domain/answer.ts';
import type { JobRequest } from '../domain/job.ts';
import type { Verdict } from '../domain/verdict.ts';
import type { ReferenceInput } from './channel.ts';
import type { LocalFile } from './object-store.ts';
import type { BlobSink } from './spool.ts';

type Rejected = Extract<Verdict, { type: 'rejected' }>;

/** `rejected` = it certainly did not happen; `unknown` = it may have: look before doing it again. */
export type Done<T> =
  | ({ type: 'done' } & T)
  | { type: 'rejected'; verdict: Rejected }
  | { type: 'unknown'; reason: string };

/** A batch as the provider lists it. */
export type RemoteBatch = {
  name: string;
  displayName: string;
  inputFile?: string;
  /** Only the four documented ends are ends; anything else is still under way. */
  end?: 'succeeded' | 'failed' | 'canceled' | 'expired';
  /** The provider's own word. */
  state: string;
  /** 0 when the provider does not tell. */
  createdAt: number;
  responsesFile?: string;
  message?: string;
  stats?: { total: number; succeeded: number; failed: number };
};

/**
 * One line of a result file, lifted like an answer; an error of the line comes with the HTTP status it stands for.
 * `unreadable` = no JSON, no key in it, or too long; `cut` = the file ended within it.
 */
export type ResultLine =
  | { type: 'line'; key: string; answer: Answer }
  | { type: 'unreadable'; bytes: number; cut: boolean };

export type BatchChannel = {
  id: string;
  /** References may be given by their `gs://` address instead of their bytes. */
  takesUris: boolean;
  /**
   * One line of an input file, with its line end: the same bytes each time.
   *
   * @param references bytes, or addresses where they are taken, in the order of `request.references`
   * @throws AppError `payload_too_large` when the provider could not take it as one request
   */
  formatLine(key: string, request: JobRequest, references: readonly ReferenceInput[]): Buffer;
  /**
   * Under a chosen name, so that a second upload finds the first. `object_conflict` = the name holds other bytes.
   *
   * @param file `name` is 1 to 40 of `a-z0-9-`, without the provider's prefix; the result has it
   */
  upload(
    file: LocalFile & { name: string; displayName: string },
    signal: AbortSignal,
  ): Promise<Done<{ fileName: string }>>;
  /** Exactly one HTTP call, never repeated here. */
  create(
    batch: { model: string; fileName: string; displayName: string },
    signal: AbortSignal,
  ): Promise<Done<{ name: string }>>;
  /** All batches of the account that were created at or after `since`, in any order: all of them, or not done. */
  list(since: number, signal: AbortSignal): Promise<Done<{ batches: RemoteBatch[] }>>;
  get(name: string, signal: AbortSignal): Promise<Done<{ batch: RemoteBatch | undefined }>>;
  /** Done when the batch is over or gone, too; it may run for a while after. */
  cancel(name: string, signal: AbortSignal): Promise<Done<object>>;
  /**
   * The result file as it comes; a body that breaks off errors. `gone` = the provider does not have it: not any more, or,
   * in the minutes after the end of its batch, not yet.
   */
  download(fileName: string, signal: AbortSignal): Promise<Done<{ body: Readable | 'gone' }>>;
  /**
   * Parses a result file line by line. The blobs of a line go to the sinks that `blob` opens, before it is yielded as
   * number `line`, counted from 0; every sink is closed, also of a line that turns out unreadable.
   *
   * @param file each chunk is done with when the next one is asked for
   * @throws what the file or a sink throws
   */
  readLines(file: AsyncIterable<Buffer>, blob: (line: number, index: number) => BlobSink): AsyncIterable<ResultLine>;
  deleteFile(fileName: string, signal: AbortSignal): Promise<Done<object>>;
  deleteBatch(name: string, signal: AbortSignal): Promise<Done<object>>;
};
