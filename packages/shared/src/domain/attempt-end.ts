import type { JobError, Micros, StoredImage } from './job.ts';
import type { Verdict } from './verdict.ts';

/** How one attempt ended. `cost` in micro-dollars, `ms` the call's duration. */
export type AttemptEnd =
  | ({ type: 'image'; image: StoredImage; text?: string; grounding?: unknown } & Answered)
  | ({ type: 'refused'; code: 'content_blocked' | 'no_image'; error: JobError } & Answered)
  | { type: 'rejected'; verdict: Extract<Verdict, { type: 'rejected' }>; error: JobError; ms: number }
  /** Not one byte left: nothing can have been billed. */
  | { type: 'unsent'; reason: string; ms: number }
  | { type: 'in_doubt'; reason: string; ms?: number };

type Answered = { cost: Micros; tokens: number; ms: number; reason?: string };
