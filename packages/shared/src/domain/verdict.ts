/** What a provider's answer means for the attempt and the job. Produced by `classify`. */

import type { ErrorCode } from './errors.ts';
import type { Micros } from './job.ts';

export type Usage = {
  promptTokens: number;
  /** Tokens of the image modality. */
  imageTokens: number;
  /** Candidate tokens that are not image tokens, plus thoughts. */
  textTokens: number;
  totalTokens: number;
  /** The answer carried no usage: the numbers above are zero and the price book's per-image price must serve. */
  missing: boolean;
};

/** The scope of a limit that was hit: decides how long, and how much, has to wait. */
export type LimitScope = 'minute' | 'day' | 'spend' | 'overload' | 'unknown';

/** A limit as the provider named it in a refusal. */
export type QuotaHit = {
  id?: string;
  /** What is counted; absent = neither its name nor its metric says. */
  of?: 'requests' | 'images' | 'tokens';
  per?: 'minute' | 'hour' | 'day';
  value?: number;
};

type Settled = {
  usage: Usage;
  /** What the channel itself says the call cost. */
  reportedCost?: Micros;
  modelVersion?: string;
  responseId?: string;
  finishReason?: string;
};

export type Verdict =
  /** A 200 with an image. `image` indexes `answer.blobs`; `imagesBilled` counts every image part, drafts included. */
  | ({ type: 'image'; image: number; mime: string; imagesBilled: number; text?: string; grounding?: unknown } & Settled)
  /** A 200 in which the model refused: final. */
  | ({ type: 'blocked'; blockReason?: string; message?: string } & Settled)
  /** A 200 without an image, for another reason: one more try. */
  | ({ type: 'no_image'; message?: string; imagesBilled: number } & Settled)
  /** An error answer: not billed. */
  | {
      type: 'rejected';
      code: ErrorCode;
      retryable: boolean;
      /** A limit answer: waits, and charges no attempt. */
      limit?: LimitScope;
      retryAfterMs?: number;
      /** The key or project is refused: nothing sent here can succeed until somebody mends it. */
      channelDown?: boolean;
      /** It is about something that this request names: nobody else is refused for it, and another channel may read it. */
      ofInput?: true;
      http: number;
      quotaId?: string;
      /** Every limit that was hit, where the provider names any. */
      quotas?: QuotaHit[];
      /** The limit is zero: this model is not to be had here at all. */
      none?: true;
      /** A capacity that all customers share was used up, and no limit of ours. */
      shared?: true;
      /** The provider's words, scrubbed, at most 500 characters. */
      message?: string;
    }
  /** The provider's own deadline passed: it may have been billed all the same. */
  | { type: 'in_doubt'; http?: number; message: string };
