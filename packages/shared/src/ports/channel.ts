/** A way to reach a model: one provider account or relay. */

import type { Answer } from '../domain/answer.ts';
import type { JobRequest } from '../domain/job.ts';
import type { SpoolEntry } from './spool.ts';

/**
 * How one HTTP exchange ended, before anybody judges what it means.
 *
 * `answered` = also when whoever gives the channel its credentials has refused them: then no request was made.
 * `unsent` = not one byte of the request left this machine (refused, unresolved): certainly not billed.
 * `unknown` = bytes left and no whole answer came back (reset, cut, timeout, abort): perhaps billed.
 */
export type Exchange =
  | { type: 'answered'; answer: Answer }
  | { type: 'unsent'; reason: string }
  /** `ours` = it was given up on this side, which says nothing of the provider. */
  | { type: 'unknown'; reason: string; ours?: true };

/** A reference image: its bytes, or where the provider itself finds them (`gs://…`), for a channel that takes that. */
export type ReferenceInput = Buffer | { uri: string };

export type CallOptions = {
  /** Where lifted base64 fields go. */
  entry: SpoolEntry;
  /** Reference images, in the order of `request.references`. */
  references: readonly ReferenceInput[];
  /** Milliseconds until the call is given up. */
  timeoutMs: number;
  /** Aborting gives the call up at once; it may still be billed. */
  signal: AbortSignal;
  /** Told once, as the request begins to leave: a provider counts calls when they come. */
  leaving?: (() => void) | undefined;
};

export type Channel = {
  /** Stable name in records, logs and metrics, such as `gemini`. */
  id: string;
  /** References may be named by their `gs://` address. */
  takesUris: boolean;
  /** A call is about to be made: a connection for it may be opened meanwhile. Sends nothing; never throws. */
  preconnect(): void;
  /**
   * Makes exactly one HTTP call, and never throws for anything the network or the provider does. What the channel cannot
   * carry is refused as `unsent`, never sent without it: who chooses the channel keeps such requests away.
   *
   * @param request its `model` is a catalogue id; the channel knows what the provider calls it
   */
  call(request: JobRequest, options: CallOptions): Promise<Exchange>;
};

/** What a free look at a channel found. */
export type ChannelLook =
  /**
   * The credentials are good. Catalogue ids of what it serves: `unknownModels` the provider does not know, and of
   * `unseenModels` it did not say.
   */
  | { type: 'ok'; unknownModels: string[]; unseenModels: string[] }
  /** The credentials are refused. */
  | { type: 'refused'; http: number; message: string }
  /** Nobody is there, or nobody who can tell. */
  | { type: 'unreachable'; reason: string }
  /** Its credentials cannot be read here, or are none. */
  | { type: 'unreadable'; reason: string };

/** A channel that was opened: it can be looked at, and is to be closed. */
export type OpenChannel = Channel &
  AsyncDisposable & {
    /** Looks at credentials and served models by free calls; at most a minute. Never throws. */
    look(signal: AbortSignal): Promise<ChannelLook>;
  };
