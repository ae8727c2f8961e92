/** What a call costs, before and after. Integer micro-dollars, rounded once per call. */

import type { JobRequest, JobState, Lane, Micros } from './job.ts';
import { type Model, modelById } from './models.ts';
import type { Usage } from './verdict.ts';

/** Tokens the provider counts for one reference image. */
const TOKENS_PER_REFERENCE = 560;
const CHARACTERS_PER_TOKEN = 4;

/** What a lane charges of the standard price. */
const SHARE: Record<Lane, number> = { standard: 1, batch: 0.5 };

type Priced = Pick<JobRequest, 'prompt' | 'model' | 'size'> & { references: readonly unknown[] };

/** The expected price of one image: its tokens, the input, and the thoughts that usually come with it. */
export function estimateCost(request: Priced, lane: Lane): Micros {
  const model = modelById(request.model);
  return Math.round(
    SHARE[lane] *
      (tokensOfImage(model, request.size) * model.rates.image +
        inputTokens(request) * model.rates.input +
        model.overheadTokens * model.rates.text),
  );
}

/** Tokens the provider is expected to count for what is sent. */
export function inputTokens({ prompt, references }: Pick<Priced, 'prompt' | 'references'>): number {
  return Math.ceil(prompt.length / CHARACTERS_PER_TOKEN) + references.length * TOKENS_PER_REFERENCE;
}

/**
 * What an answered call cost, by its usage: image tokens at the image rate, every other token that came back at the
 * text rate, the prompt at the input rate. Without usage the price book's image price times the images stands in.
 */
export function actualCost(
  { model: modelId, size }: Pick<JobRequest, 'model' | 'size'>,
  lane: Lane,
  usage: Usage,
  images: number,
): Micros {
  const model = modelById(modelId);
  const { rates } = model;
  const standard = usage.missing
    ? images * tokensOfImage(model, size) * rates.image
    : usage.imageTokens * rates.image + usage.textTokens * rates.text + usage.promptTokens * rates.input;
  return Math.round(SHARE[lane] * standard);
}

/** The list price of one image of this size, without input and thoughts. */
export function imagePrice(model: Model, size: string, lane: Lane): Micros {
  return Math.round(SHARE[lane] * tokensOfImage(model, size) * model.rates.image);
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
