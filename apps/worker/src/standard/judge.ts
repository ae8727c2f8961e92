/** What a call's end means for the attempt. Pure. */

import {
  type Answer,
  type AttemptEnd,
  classify,
  costOn,
  type JobError,
  type JobRequest,
  type Lane,
  type Micros,
  type ServedModel,
  type SpooledBlob,
  type Verdict,
} from '@darkroom/shared/domain';
import type { Exchange } from '@darkroom/shared/ports';

/** The model's words and sources ride in the record, so they are bounded: characters, and characters of JSON. */
const TEXT_MAX = 8_192;
const GROUNDING_MAX = 32_768;

type ImageEnd = Omit<Extract<AttemptEnd, { type: 'image' }>, 'image'>;
type RefusedEnd = Extract<AttemptEnd, { type: 'refused' }>;

export type Judged =
  /** An image to be stored first; `unusable` is the end if its bytes turn out to be no image. */
  | { type: 'image'; blob: SpooledBlob; end: ImageEnd; unusable: RefusedEnd }
  | { type: 'ended'; end: Exclude<AttemptEnd, { type: 'image' }> };

/** What a channel charges; `served` absent = by the catalogue. */
export type Pricing = { served?: ServedModel | undefined; trusted: boolean };

/** What was asked for, with the model that was called, where, and at whose prices. */
export type Asked = { request: JobRequest; channel: string; lane: Lane; pricing?: Pricing };

export function judge(exchange: Exchange, asked: Asked): Judged {
  switch (exchange.type) {
    case 'unsent':
      return { type: 'ended', end: { type: 'unsent', reason: exchange.reason, ms: 0 } };
    case 'unknown':
      return { type: 'ended', end: { type: 'in_doubt', reason: exchange.reason } };
    case 'answered':
      return judgeAnswer(exchange.answer, asked);
  }
}

function judgeAnswer(answer: Answer, asked: Asked): Judged {
  const verdict = classify(answer);
  const { ms } = answer;
  switch (verdict.type) {
    case 'in_doubt':
      return { type: 'ended', end: { type: 'in_doubt', reason: verdict.message, ms } };
    case 'rejected':
      return { type: 'ended', end: { type: 'rejected', verdict, error: rejection(verdict, asked.channel), ms } };
    case 'blocked':
      return { type: 'ended', end: refusal('content_blocked', verdict, asked, ms, 0) };
    case 'no_image':
      return { type: 'ended', end: refusal('no_image', verdict, asked, ms, verdict.imagesBilled) };
    case 'image': {
      const unusable = refusal('no_image', verdict, asked, ms, verdict.imagesBilled);
      const blob = answer.blobs[verdict.image];
      if (!blob) return { type: 'ended', end: unusable };
      return { type: 'image', blob, end: imageEnd(verdict, asked, ms), unusable };
    }
  }
}

function imageEnd(verdict: Extract<Verdict, { type: 'image' }>, asked: Asked, ms: number): ImageEnd {
  const { request, pricing } = asked;
  const grounding = verdict.grounding !== undefined && JSON.stringify(verdict.grounding).length <= GROUNDING_MAX;
  const notes = [
    verdict.imagesBilled > 1 && `${verdict.imagesBilled} images billed, drafts included`,
    verdict.modelVersion &&
      verdict.modelVersion !== (pricing?.served?.providerModel ?? request.model) &&
      `answered by ${verdict.modelVersion}`,
    verdict.usage.missing && 'no usage in the answer: priced by the book',
    verdict.grounding !== undefined && !grounding && 'grounding too large to keep',
  ].filter((note) => typeof note === 'string');
  return {
    type: 'image',
    cost: costFor(asked, verdict, verdict.imagesBilled),
    tokens: verdict.usage.totalTokens,
    ms,
    ...(verdict.text && { text: verdict.text.slice(0, TEXT_MAX) }),
    ...(grounding && { grounding: verdict.grounding }),
    ...(notes.length && { reason: notes.join('; ') }),
  };
}

function refusal(
  code: RefusedEnd['code'],
  verdict: Extract<Verdict, { type: 'blocked' | 'no_image' | 'image' }>,
  asked: Asked,
  ms: number,
  images: number,
): RefusedEnd {
  const { channel } = asked;
  const { finishReason, usage } = verdict;
  const blockReason = verdict.type === 'blocked' ? verdict.blockReason : undefined;
  const message = verdict.type === 'image' ? undefined : verdict.message;
  const why = blockReason ?? finishReason;
  const detail =
    code === 'content_blocked'
      ? `The model refused: ${why ?? 'no reason given'}`
      : `The model made no image: ${why ?? 'no reason given'}`;
  return {
    type: 'refused',
    code,
    cost: costFor(asked, verdict, images),
    tokens: usage.totalTokens,
    ms,
    ...(why && { reason: why }),
    error: {
      code,
      detail,
      upstream: {
        channel,
        http: 200,
        ...(finishReason && { finishReason }),
        ...(blockReason && { blockReason }),
        ...(message && { message }),
      },
    },
  };
}

type Billable = Extract<Verdict, { type: 'image' | 'blocked' | 'no_image' }>;

function costFor({ request, lane, pricing = { trusted: false } }: Asked, verdict: Billable, images: number): Micros {
  return costOn(pricing, request, lane, { usage: verdict.usage, images, reported: verdict.reportedCost });
}

const DETAILS: Partial<Record<JobError['code'], string>> = {
  upstream_rate_limited: 'The provider limits how much may be called.',
  upstream_quota_exhausted: 'The quota of this model is used up.',
  upstream_overloaded: 'The model is overloaded.',
  upstream_unavailable: 'The provider had an error.',
  upstream_auth: 'The provider refused the key.',
  upstream_rejected: 'The provider rejected the request.',
  model_retired: 'The provider no longer offers this model.',
};

function rejection(verdict: Extract<Verdict, { type: 'rejected' }>, channel: string): JobError {
  return {
    code: verdict.code,
    detail: DETAILS[verdict.code] ?? 'The provider answered with an error.',
    upstream: {
      channel,
      http: verdict.http,
      ...(verdict.quotaId && { quotaId: verdict.quotaId }),
      ...(verdict.message && { message: verdict.message }),
    },
  };
}
