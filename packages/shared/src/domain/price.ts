/** What a call costs, before and after. Integer micro-dollars, rounded once per call. */

import type { JobRequest, JobState, Lane, Micros } from './job.ts';
import { type Model, modelById } from './models.ts';
import type { Usage } from './verdict.ts';

/** Four letters of English to a token. Scripts with more bytes a letter have more tokens a letter too. */
const BYTES_PER_TOKEN = 4;
/** What a lane charges of the standard price. */
export const LANE_SHARE: Record<Lane, number> = { standard: 1, batch: 0.5 };

type Priced = Pick<JobRequest, 'prompt' | 'model' | 'size'> & {
  references: readonly unknown[];
  thinking?: string | undefined;
};

/**
 * What one image is expected to cost: its tokens, those of the interim images and words that come with it, and the input.
 *
 * An expected value. One call may cost several times as much, when interim images come; many together cost no more.
 */
export function estimateCost(request: Priced, lane: Lane): Micros {
  const model = modelById(request.model);
  const answer = tokensOfImage(model, request.size) * (1 + model.besides.drafts) * model.rates.image;
  return Math.round(LANE_SHARE[lane] * (answer + wordsAndInput(model, request)));
}

function wordsAndInput({ rates, besides, id }: Model, request: Omit<Priced, 'model' | 'size'>): number {
  const words = besides.textTokens[request.thinking ?? 'default'] ?? besides.textTokens.default;
  return words * rates.text + inputTokens({ ...request, model: id }) * rates.input;
}

/** Tokens the provider is expected to count for what is sent. */
export function inputTokens({ prompt, references, model }: Omit<Priced, 'size' | 'thinking'>): number {
  return (
    Math.ceil(Buffer.byteLength(prompt) / BYTES_PER_TOKEN) + references.length * modelById(model).references.tokens
  );
}

/** What was asked, as far as it is known where the bill is. */
type Asked = Pick<Priced, 'model' | 'size' | 'thinking'> & Partial<Pick<Priced, 'prompt' | 'references'>>;

/**
 * What an answered call cost, by its usage: image tokens at the image rate, every other token that came back at the
 * text rate, the prompt at the input rate. Without usage its images are counted, and the rest is what is expected of
 * such a call; an answer without either costs nothing.
 */
export function actualCost(asked: Asked, lane: Lane, usage: Usage, images: number): Micros {
  const model = modelById(asked.model);
  return Math.round(LANE_SHARE[lane] * (usage.missing ? uncounted(model, asked, images) : counted(model, usage)));
}

function counted({ rates }: Model, { imageTokens, textTokens, promptTokens }: Usage): number {
  return imageTokens * rates.image + textTokens * rates.text + promptTokens * rates.input;
}

function uncounted(model: Model, asked: Asked, images: number): number {
  if (images === 0) return 0;
  const rest = wordsAndInput(model, { prompt: '', references: [], ...asked });
  return images * tokensOfImage(model, asked.size) * model.rates.image + rest;
}

/** The list price of one image of this size, without input and thoughts. */
export function imagePrice(model: Model, size: string, lane: Lane): Micros {
  return Math.round(LANE_SHARE[lane] * tokensOfImage(model, size) * model.rates.image);
}

function tokensOfImage(model: Model, size: string): number {
  const tokens = model.imageTokens[size];
  if (tokens === undefined) throw new RangeError(`${model.id} makes no ${size} image`);
  return tokens;
}

/** What a job has cost so far, by what is known and what is feared. */
export function costOf(state: JobState): { actual: Micros; inDoubt: Micros } {
  let actual = 0;
  let inDoubt = 0;
  for (const attempt of state.attempts) {
    if (attempt.state === 'in_doubt') inDoubt += attempt.cost ?? 0;
    else actual += attempt.cost ?? 0;
  }
  return { actual, inDoubt };
}
