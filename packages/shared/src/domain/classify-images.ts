/** A success in the shape of OpenAI's images, judged: `data[]` holds the images, the last one is the result. */

import type { Answer } from './answer.ts';
import {
  errorInside,
  errorWords,
  type FoundImage,
  imageAt,
  settledFacts,
  TEXT_MAX,
  withoutTwins,
} from './classify-openai.ts';
import { type Loose, objectsOf, textOf } from './lenient.ts';
import { scrub } from './scrub.ts';
import type { Verdict } from './verdict.ts';

/** Judges the body of a 2xx answer. */
export function classifyImages(body: Loose, answer: Answer): Verdict {
  const entries = objectsOf(body['data']);
  const found = entries.map((entry) => imageOf(entry, body, answer)).filter((image) => image !== undefined);
  const images = withoutTwins(found, answer);
  const imagesBilled = images.length;
  const settled = settledFacts(body, undefined, imagesBilled);

  const image = images.at(-1);
  if (image) {
    const text = textOf(entries.findLast((entry) => textOf(entry['revised_prompt']))?.['revised_prompt']);
    return { type: 'image', ...image, imagesBilled, ...settled, ...(text && { text: text.slice(0, TEXT_MAX) }) };
  }
  const { error } = body;
  const failed = errorInside(body, error, settled.reportedCost, answer);
  if (failed) return failed;
  const message = scrub(linkWords(entries) ?? errorWords(error) ?? '');
  // An image that was made and not given was billed all the same.
  return { type: 'no_image', imagesBilled: linksOf(entries).length, ...settled, ...(message && { message }) };
}

function imageOf(entry: Loose, body: Loose, answer: Answer): FoundImage | undefined {
  const format = textOf(body['output_format']);
  const mime = textOf(entry['media_type'] ?? entry['mime_type'])?.toLowerCase() ?? (format && `image/${format}`);
  return imageAt(entry['b64_json'], answer, mime) ?? imageAt(entry['url'], answer);
}

function linksOf(entries: Loose[]): string[] {
  return entries
    .map((entry) => textOf(entry['url']))
    .filter((url) => url !== undefined && /^https?:/i.test(url))
    .map(String);
}

/** Says where the image lies instead of being here. Nothing fetches it: the address is the answer's, not the caller's. */
function linkWords(entries: Loose[]): string | undefined {
  const [url] = linksOf(entries);
  return url && `the channel answered with an address in place of b64_json: ${url}`;
}
