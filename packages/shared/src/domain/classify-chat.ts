/**
 * A success in the shape of OpenAI's chat, judged.
 *
 * Images come in `message.images`, in parts of `message.content`, or within its text as markdown; the last one is the
 * result, wherever it is. An error may come under a status of success, on top or within the choice.
 */

import { type Answer, imagesInText, withoutImages } from './answer.ts';
import { isRefusal } from './classify-content.ts';
import {
  errorInside,
  errorWords,
  type FoundImage,
  imageAt,
  settledFacts,
  TEXT_MAX,
  withoutTwins,
} from './classify-openai.ts';
import { type Loose, objectOf, objectsOf, textOf } from './lenient.ts';
import { scrub } from './scrub.ts';
import type { Verdict } from './verdict.ts';

/** Judges the body of a 2xx answer. */
export function classifyChat(body: Loose, answer: Answer): Verdict {
  const [choice = {}] = objectsOf(body['choices']);
  const message = objectOf(choice['message']);
  const images = withoutTwins(imagesOf(message, answer), answer);
  const imagesBilled = images.length;
  const native = textOf(choice['native_finish_reason']);
  const finishReason = textOf(choice['finish_reason']);
  const settled = settledFacts(body, native ?? finishReason, imagesBilled);

  const text = wordsIn(message['content']);
  const image = images.at(-1);
  if (image)
    return { type: 'image', ...image, imagesBilled, ...settled, ...(text && { text: text.slice(0, TEXT_MAX) }) };
  const error = choice['error'] ?? body['error'];
  const failed = errorInside(body, error, settled.reportedCost, answer);
  if (failed) return failed;
  const refusal = textOf(message['refusal']);
  const words = scrub(linkWords(message) ?? refusal ?? errorWords(error) ?? text ?? '');
  const told = words ? { message: words } : {};
  const refused = refusal !== undefined || finishReason === 'content_filter' || isRefusal((native ?? '').toUpperCase());
  return refused ? { type: 'blocked', ...settled, ...told } : { type: 'no_image', imagesBilled, ...settled, ...told };
}

/** In the order in which they were made, as far as their places tell. */
function imagesOf(message: Loose, answer: Answer): FoundImage[] {
  const { content, images } = message;
  const parts = [...objectsOf(content), ...objectsOf(images)].map((part) => {
    const [url] = urlsOf(part);
    return imageAt(url ?? part['b64_json'], answer);
  });
  const inText = textsOf(content).flatMap((text) =>
    imagesInText(text).map(({ blob, mime }) => ({ image: blob, mime })),
  );
  const whole = inText.filter(({ image }) => (answer.blobs[image]?.bytes ?? 0) > 0);
  return [...whole, ...parts.filter((image) => image !== undefined)];
}

function urlsOf(part: Loose): string[] {
  const place = part['image_url'];
  return [place, objectOf(place)['url'], part['url']].filter((url) => textOf(url) !== undefined).map(String);
}

function textsOf(content: unknown): string[] {
  const texts = [content, ...objectsOf(content).map((part) => part['text'])];
  return texts.filter((text) => typeof text === 'string');
}

function wordsIn(content: unknown): string | undefined {
  return textOf(textsOf(content).map(withoutImages).filter(Boolean).join('\n'));
}

/** Says where the image lies instead of being here. Nothing fetches it: the address is the answer's, not the caller's. */
function linkWords(message: Loose): string | undefined {
  const [url] = objectsOf(message['images']).flatMap(urlsOf);
  return url && /^https?:/i.test(url)
    ? `the channel answered with an address in place of the image: ${url}`
    : undefined;
}
