/** What OpenAI's two shapes of an answer, chat and images, have in common. */

import { type Answer, blobIndex, imagesInText } from './answer.ts';
import { classifyError } from './classify-error.ts';
import type { Micros } from './job.ts';
import { countOf, type Loose, objectOf, textOf } from './lenient.ts';
import type { Usage, Verdict } from './verdict.ts';

/** The model's words beside the image; more than this is no caption. */
export const TEXT_MAX = 20_000;
/** Micro-dollars that no single call costs: beyond it the figure is some other unit's. */
const COST_MAX = 1_000_000_000;

/** What is known of the type of an image that came without one; its bytes tell the rest. */
const ANY_IMAGE = 'image/*';

/** One image of an answer: the index of its blob, and its type if anything named it. */
export type FoundImage = { image: number; mime: string };

/** The image behind a base64 field or a data URL; `undefined` when no bytes of one arrived. */
export function imageAt(value: unknown, answer: Answer, mime?: string): FoundImage | undefined {
  const [inUrl] = imagesInText(value);
  const image = blobIndex(value) ?? inUrl?.blob;
  if (image === undefined || (answer.blobs[image]?.bytes ?? 0) === 0) return undefined;
  return { image, mime: mime ?? inUrl?.mime ?? ANY_IMAGE };
}

/** The images without those that say again what another one says: some relays give the same image in two places. */
export function withoutTwins(images: FoundImage[], answer: Answer): FoundImage[] {
  const hashOf = ({ image }: FoundImage) => answer.blobs[image]?.sha256;
  return images.filter((one, at) => images.findLastIndex((other) => hashOf(other) === hashOf(one)) === at);
}

/** What every verdict about a success carries. */
export function settledFacts(body: Loose, finishReason: string | undefined, images: number) {
  const usage = objectOf(body['usage']);
  const reportedCost = costIn(usage);
  const modelVersion = textOf(body['model']);
  const responseId = textOf(body['id']);
  return {
    usage: usageOf(usage, images),
    ...(reportedCost !== undefined && { reportedCost }),
    ...(modelVersion && { modelVersion: modelVersion.slice(0, 200) }),
    ...(responseId && { responseId: responseId.slice(0, 200) }),
    ...(finishReason && { finishReason: finishReason.slice(0, 64) }),
  };
}

/**
 * The verdict about an error that came under a status of success; `undefined` when there is none, or when it says what
 * it cost: then it was billed, as a call without an image is.
 */
export function errorInside(
  body: Loose,
  error: unknown,
  cost: Micros | undefined,
  answer: Answer,
): Verdict | undefined {
  if (!isError(error) || cost) return undefined;
  return classifyError({ ...body, error }, { ...answer, httpStatus: statusOf(objectOf(error)) });
}

/** The words of an error, wherever they are. */
export function errorWords(error: unknown): string | undefined {
  return textOf(error) ?? textOf(objectOf(error)['message']);
}

function isError(error: unknown): boolean {
  return textOf(error) !== undefined || Object.keys(objectOf(error)).length > 0;
}

/** The status it would have come under; a code that is no status says that something behind the channel failed. */
function statusOf(error: Loose): number {
  const said = error['code'];
  const code = typeof said === 'number' ? said : Number(textOf(said));
  if (Number.isInteger(code) && code >= 400 && code <= 599) return code;
  return /rate.?limit|quota/i.test(`${textOf(error['code'])} ${textOf(error['type'])}`) ? 429 : 502;
}

/**
 * Tokens by kind of price, by the names of chat or those of images. Without a split an image's tokens are taken for
 * image tokens, the dearer guess.
 */
function usageOf(usage: Loose, images: number): Usage {
  const promptTokens = countOf(usage['prompt_tokens'] ?? usage['input_tokens']);
  const outputTokens = countOf(usage['completion_tokens'] ?? usage['output_tokens']);
  const totalTokens = countOf(usage['total_tokens']) || promptTokens + outputTokens;
  const details = objectOf(usage['completion_tokens_details'] ?? usage['output_tokens_details']);
  const counted = countOf(details['image_tokens']);
  const imageTokens = counted === 0 && images > 0 ? outputTokens : counted;
  const textTokens = Math.max(0, totalTokens - promptTokens - imageTokens);
  return { promptTokens, imageTokens, textTokens, totalTokens, missing: totalTokens === 0 };
}

/** What the channel says the call cost; with the caller's own key at the provider, that provider's bill comes on top. */
function costIn(usage: Loose): Micros | undefined {
  const cost = microsOf(usage['cost']);
  if (cost === undefined || usage['is_byok'] !== true) return cost;
  return cost + (microsOf(objectOf(usage['cost_details'])['upstream_inference_cost']) ?? 0);
}

function microsOf(dollars: unknown): Micros | undefined {
  const number = typeof dollars === 'string' && dollars.trim() !== '' ? Number(dollars) : dollars;
  if (typeof number !== 'number' || !(number >= 0)) return undefined;
  const micros = Math.round(number * 1_000_000);
  return micros <= COST_MAX ? micros : undefined;
}
