/** A success, judged: an image, a refusal, or neither. */

import { type Answer, blobIndex } from './answer.ts';
import { countOf, type Loose, objectOf, objectsOf, textOf } from './lenient.ts';
import { scrub } from './scrub.ts';
import type { Usage, Verdict } from './verdict.ts';

/** The model's words beside the image; more than this is no caption. */
const TEXT_MAX = 20_000;

/** Reasons that concern the content: asking again changes nothing. Unknown reasons count as OTHER. */
const REFUSALS: ReadonlySet<string> = new Set([
  'SAFETY',
  'RECITATION',
  'BLOCKLIST',
  'PROHIBITED_CONTENT',
  'SPII',
  'IMAGE_SAFETY',
  'IMAGE_PROHIBITED_CONTENT',
  'IMAGE_RECITATION',
]);

/** Whether a model that ends with `reason` has refused the content. */
export function isRefusal(reason: string): boolean {
  return REFUSALS.has(reason);
}

/** Judges the body of a 2xx answer. */
export function classifyContent(body: Loose, answer: Answer): Verdict {
  const candidates = objectsOf(body['candidates']);
  const [candidate = {}] = candidates;
  const parts = partsOf(candidate);
  const imagesBilled = candidates.flatMap(partsOf).filter((part) => inlineOf(part)).length;
  const settled = settledFacts(body, candidate, imagesBilled);

  const image = finalImage(parts, answer);
  const text = textIn(parts);
  if (image) {
    const grounding = candidate['groundingMetadata'] ?? candidate['grounding_metadata'];
    return {
      type: 'image',
      ...image,
      imagesBilled,
      ...settled,
      ...(text && { text: text.slice(0, TEXT_MAX) }),
      ...(grounding !== undefined && grounding !== null && { grounding }),
    };
  }
  const feedback = objectOf(body['promptFeedback'] ?? body['prompt_feedback']);
  const blockReason = known(textOf(feedback['blockReason'] ?? feedback['block_reason']));
  const message = wordsOf(candidate, feedback, text, body);
  const refused = blockReason !== undefined || isRefusal(settled.finishReason ?? '');
  if (!refused) return { type: 'no_image', imagesBilled, ...settled, ...(message && { message }) };
  return { type: 'blocked', ...settled, ...(blockReason && { blockReason }), ...(message && { message }) };
}

function partsOf(candidate: Loose): Loose[] {
  return objectsOf(objectOf(candidate['content'])['parts']);
}

function inlineOf(part: Loose): Loose | undefined {
  const inline = part['inlineData'] ?? part['inline_data'];
  return typeof inline === 'object' && inline !== null ? objectOf(inline) : undefined;
}

/** The last image that is not flagged as a thought: drafts come before it, unflagged. */
function finalImage(parts: Loose[], answer: Answer): { image: number; mime: string } | undefined {
  const found = parts.findLast((part) => part['thought'] !== true && isImage(inlineOf(part), answer));
  const inline = found && inlineOf(found);
  const image = blobIndex(inline?.['data']);
  if (!inline || image === undefined) return undefined;
  return { image, mime: mimeOf(inline) ?? 'application/octet-stream' };
}

function isImage(inline: Loose | undefined, answer: Answer): boolean {
  const blob = answer.blobs[blobIndex(inline?.['data']) ?? -1];
  if (!inline || !blob || blob.bytes === 0) return false;
  const mime = mimeOf(inline);
  return mime === undefined || mime.startsWith('image/');
}

function mimeOf(inline: Loose): string | undefined {
  return textOf(inline['mimeType'] ?? inline['mime_type'])?.toLowerCase();
}

function textIn(parts: Loose[]): string | undefined {
  const texts = parts.filter((part) => part['thought'] !== true).map((part) => textOf(part['text']));
  return textOf(texts.filter((text) => text !== undefined).join('\n'));
}

/** Why there is no image, in the provider's or the model's words. */
function wordsOf(candidate: Loose, feedback: Loose, text: string | undefined, body: Loose): string | undefined {
  const words =
    textOf(candidate['finishMessage'] ?? candidate['finish_message']) ??
    textOf(feedback['blockReasonMessage'] ?? feedback['block_reason_message']) ??
    text ??
    textOf(objectOf(body['error'])['message']);
  return words === undefined ? undefined : scrub(words);
}

function settledFacts(body: Loose, candidate: Loose, images: number) {
  const finishReason = known(textOf(candidate['finishReason'] ?? candidate['finish_reason']));
  const modelVersion = textOf(body['modelVersion'] ?? body['model_version']);
  const responseId = textOf(body['responseId'] ?? body['response_id']);
  return {
    usage: usageOf(body['usageMetadata'] ?? body['usage_metadata'], images),
    ...(modelVersion && { modelVersion: modelVersion.slice(0, 200) }),
    ...(responseId && { responseId: responseId.slice(0, 200) }),
    ...(finishReason && { finishReason }),
  };
}

/** An enum value of sane length; the "unspecified" ones say nothing. */
function known(value: string | undefined): string | undefined {
  return value === undefined || value.endsWith('_UNSPECIFIED') ? undefined : value.slice(0, 64);
}

/**
 * Tokens by kind of price. Text is what the total leaves over, since refusals report thoughts twice (as candidates
 * and as thoughts) and only the total tells. Without a split by modality an image's tokens are taken for image tokens,
 * the dearer guess.
 */
function usageOf(value: unknown, images: number): Usage {
  const usage = objectOf(value);
  const count = (camel: string, snake: string) => countOf(usage[camel] ?? usage[snake]);
  const candidateTokens = count('candidatesTokenCount', 'candidates_token_count');
  const thoughts = count('thoughtsTokenCount', 'thoughts_token_count');
  const promptTokens =
    count('promptTokenCount', 'prompt_token_count') + count('toolUsePromptTokenCount', 'tool_use_prompt_token_count');
  const totalTokens = count('totalTokenCount', 'total_token_count') || promptTokens + candidateTokens + thoughts;
  const details = objectsOf(usage['candidatesTokensDetails'] ?? usage['candidates_tokens_details']);
  const counted = details
    .filter((detail) => detail['modality'] === 'IMAGE')
    .reduce((sum, detail) => sum + countOf(detail['tokenCount'] ?? detail['token_count']), 0);
  const imageTokens = counted === 0 && images > 0 ? candidateTokens : counted;
  const textTokens = Math.max(0, totalTokens - promptTokens - imageTokens);
  return { promptTokens, imageTokens, textTokens, totalTokens, missing: totalTokens === 0 };
}
