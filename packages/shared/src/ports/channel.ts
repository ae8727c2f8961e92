/** A way to reach a model: one provider account or relay. */

import type { Answer } from '../domain/answer.ts';
import type { JobRequest } from '../domain/job.ts';
import type { SpoolEntry } from './spool.ts';

/**
 * How one HTTP exchange ended, before anybody judges what it means.
 *
 * `unsent` = not one byte of the request left this machine (refused, unresolved): certainly not billed.
 * `unknown` = bytes left and no whole answer came back (reset, cut, timeout, abort): perhaps billed.
 */
export type Exchange =
  | { type: 'answered'; answer: Answer }
  | { type: 'unsent'; reason: string }
  | { type: 'unknown'; reason: string };

export type CallOptions = {
  /** Where lifted base64 fields go. */
  entry: SpoolEntry;
  /** Reference images, in the order of `request.references`, as bytes. */
  references: Buffer[];
  /** Milliseconds until the call is given up. */
  timeoutMs: number;
  /** Aborting gives the call up at once; it may still be billed. */
  signal: AbortSignal;
};

export type Channel = {
  /** Stable name in records, logs and metrics, such as `gemini`. */
  id: string;
  /** A call is about to be made: a connection for it may be opened meanwhile. Sends nothing; never throws. */
  preconnect(): void;
  /** Makes exactly one HTTP call, and never throws for anything the network or the provider does. */
  call(request: JobRequest, options: CallOptions): Promise<Exchange>;
};
