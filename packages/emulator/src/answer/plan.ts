/** Decides what the model answers to one call, before a pixel is drawn. Pure: chance is an argument. */
import type { Tokens } from '../bill.ts';
import type { ContentFault, EmptyContent, FinishReason } from '../faults/rules.ts';
import type { Model } from '../models.ts';
import { between, logNormal, type Random } from '../random.ts';
import type { ImageRequest } from '../request/request.ts';
import type { Settings } from '../settings.ts';
import { finishMessage, isCharged } from './blocked.ts';

export type PlannedPart =
  | { type: 'text'; text: string; thought: boolean }
  | { type: 'image'; thought: boolean /** The nth interim image. */; draft?: number };

/** Token counts as `usageMetadata` shows them. */
type Usage = { prompt: number; promptImages: number; candidates: number; images: number; thoughts: number };

export type Plan = {
  parts: PlannedPart[];
  /** Spelling of a content that has no parts. */
  emptyContent: EmptyContent;
  /** `none` and `empty` when the prompt itself was refused. */
  candidates: 'one' | 'none' | 'empty';
  finishReason: FinishReason;
  finishMessage?: string;
  blockReason?: string;
  usage: Usage;
  showsUsage: boolean;
  charged: boolean;
  modelVersion: string;
  grounded: boolean;
  /** Stands in the answer in place of all else. */
  errorInside?: ErrorInside;
  latencyMs: number;
};

export type ErrorInside = Omit<Extract<ContentFault, { kind: 'error_in_200' }>, 'kind'>;

type Chances = Pick<Settings, 'drafts' | 'text' | 'latency'>;

/** An answer that refuses comes much sooner than one that draws. */
const REFUSAL_LATENCY_MS = 2_500;
const REFUSAL_SPREAD = 0.4;
/** Some 6,000 letters, or three references. */
const COMPLEX_TOKENS = 1_500;
const LARGE_FACTOR: Readonly<Record<string, number>> = { '2K': 1.2, '4K': 1.7 };

export function planAnswer(
  model: Model,
  request: ImageRequest,
  options: { fault: ContentFault | undefined; chances: Chances; random: Random },
): Plan {
  const { fault, chances, random } = options;
  const parts = planParts(model, request, options);
  const images = parts.filter(({ type }) => type === 'image').length;
  const refusal = planRefusal(fault);
  const drawn = parts.length > 0;
  return {
    parts,
    emptyContent: 'empty',
    candidates: 'one',
    finishReason: 'STOP',
    usage: drawn ? usageOf(model, request, images, random) : usageOfRefusal(model, request, random),
    showsUsage: fault?.kind !== 'missing_usage' && (refusal?.charged ?? true),
    charged: true,
    modelVersion: fault?.kind === 'wrong_model_version' ? (fault.modelVersion ?? 'gemini-3.9-flash-image') : model.id,
    grounded: request.searches && drawn,
    latencyMs:
      Math.round(latencyOf(model, request, drawn, random) * chances.latency) + (fault?.kind === 'slow' ? fault.ms : 0),
    ...refusal,
  };
}

/** What is charged for an answer: image tokens, the other candidate tokens with the thoughts, and the prompt. */
export function tokensOf({ usage, parts }: Plan): Tokens {
  const prompt = usage.prompt + usage.promptImages;
  // A refusal counts its thoughts twice, as candidates too; they are charged once.
  if (parts.length === 0) return { prompt, image: 0, text: usage.thoughts };
  return { prompt, image: usage.images, text: usage.candidates - usage.images + usage.thoughts };
}

/** Image parts, each of which is charged. */
export function imagesIn({ parts }: Plan): number {
  return parts.filter(({ type }) => type === 'image').length;
}

function planParts(
  model: Model,
  request: ImageRequest,
  { fault, chances, random }: { fault: ContentFault | undefined; chances: Chances; random: Random },
): PlannedPart[] {
  // Drawn in any case, so that a fault does not shift the chances of what follows.
  const drafting = random() < chances.drafts;
  const talking = random() < chances.text && request.wantsText;
  if (fault && ANSWERS_NOTHING.has(fault.kind)) return [];
  const words: PlannedPart = {
    type: 'text',
    text: `Here is your image: ${request.prompt.slice(0, 200)}`,
    thought: false,
  };
  if (fault?.kind === 'text_only')
    return [{ ...words, text: 'I can describe that image, but let me ask first: which style?' }];

  const thought: PlannedPart = {
    type: 'text',
    text: '**Composing the picture**\n\nI weigh light and layout.',
    thought: true,
  };
  const drafts = fault?.kind === 'drafts' ? (fault.count ?? 2) : drafting && model.signs ? between(random, 1, 3) : 0;
  return [
    ...(request.includeThoughts ? [thought] : []),
    ...(talking || fault?.kind === 'with_text' ? [words] : []),
    ...Array.from({ length: drafts }, (_, i): PlannedPart => ({ type: 'image', thought: false, draft: i + 1 })),
    { type: 'image', thought: false },
    ...(fault?.kind === 'thought_image' ? [{ type: 'image', thought: true } as const] : []),
  ];
}

const ANSWERS_NOTHING: ReadonlySet<ContentFault['kind']> = new Set([
  'blocked',
  'no_image',
  'empty_answer',
  'prompt_blocked',
  'error_in_200',
]);

type PlannedRefusal = Partial<
  Pick<Plan, 'errorInside' | 'candidates' | 'blockReason' | 'finishReason' | 'finishMessage' | 'emptyContent'>
> & {
  charged: boolean;
};

function planRefusal(fault: ContentFault | undefined): PlannedRefusal | undefined {
  if (fault?.kind === 'prompt_blocked') {
    const candidates = fault.candidates === 'empty' ? 'empty' : 'none';
    return { candidates, blockReason: fault.blockReason, charged: true };
  }
  if (fault?.kind === 'error_in_200') return { errorInside: fault, charged: false };
  if (fault?.kind === 'empty_answer') return { emptyContent: fault.content ?? 'role', charged: true };
  if (fault?.kind === 'no_image') return withoutImage('NO_IMAGE', finishMessage('NO_IMAGE'), fault.content);
  if (fault?.kind !== 'blocked') return undefined;
  return withoutImage(
    fault.finishReason,
    fault.message ?? finishMessage(fault.finishReason, fault.charged),
    fault.content,
  );
}

function withoutImage(finishReason: FinishReason, message: string, content: EmptyContent = 'role'): PlannedRefusal {
  return { finishReason, finishMessage: message, emptyContent: content, charged: isCharged(message) };
}

/** Details count images only, and the candidates exceed them, by 88 to 630 in models that think. */
function usageOf(model: Model, request: ImageRequest, images: number, random: Random): Usage {
  const imageTokens = images * (model.imageTokens[request.size] ?? 0);
  const thinks = model.thinking.length > 0;
  return {
    prompt: request.promptTokens,
    promptImages: request.referenceTokens,
    images: imageTokens,
    candidates: imageTokens + (thinks ? between(random, 88, 630) : between(random, 0, 30)),
    thoughts: thinks ? thoughtsOf(request, random) : 0,
  };
}

/** A refusal shows its thoughts as candidates too, and totals prompt and thoughts. */
function usageOfRefusal(model: Model, request: ImageRequest, random: Random): Usage {
  const thoughts = model.thinking.length > 0 ? thoughtsOf(request, random) : 0;
  return {
    prompt: request.promptTokens,
    promptImages: request.referenceTokens,
    images: 0,
    candidates: thoughts,
    thoughts,
  };
}

function thoughtsOf({ thinking }: ImageRequest, random: Random): number {
  return thinking === 'minimal' ? between(random, 40, 160) : between(random, 150, 700);
}

function latencyOf(model: Model, request: ImageRequest, drawn: boolean, random: Random): number {
  if (!drawn) return logNormal(random, REFUSAL_LATENCY_MS, REFUSAL_SPREAD);
  const { medianMs, sigma, highMs = medianMs, complexMs = medianMs } = model.latency;
  const usual = request.thinking === 'high' ? highMs : medianMs;
  const complex = request.promptTokens + request.referenceTokens > COMPLEX_TOKENS;
  const median = complex ? Math.max(complexMs, usual) : usual;
  return logNormal(random, median * (LARGE_FACTOR[request.size] ?? 1), sigma);
}
