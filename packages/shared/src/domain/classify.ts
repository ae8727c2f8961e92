/**
 * What a provider's answer means. Pure; takes any body whatever and never throws.
 *
 * A success is billed, with or without an image; an error answer is not, unless it says that the provider's own
 * deadline passed: then nobody knows.
 */

import type { Answer, Dialect } from './answer.ts';
import { classifyChat } from './classify-chat.ts';
import { classifyContent } from './classify-content.ts';
import { classifyError } from './classify-error.ts';
import { classifyImages } from './classify-images.ts';
import { type Loose, objectOf } from './lenient.ts';
import type { Verdict } from './verdict.ts';

export function classify(answer: Answer): Verdict {
  // Some paths to the provider wrap a body into an array.
  const body = objectOf(Array.isArray(answer.body) ? answer.body[0] : answer.body);
  const success = answer.httpStatus >= 200 && answer.httpStatus < 300;
  if (!success) return classifyError(body, answer);
  return READERS[answer.dialect ?? 'gemini'](body, answer);
}

const READERS: Record<Dialect, (body: Loose, answer: Answer) => Verdict> = {
  gemini: classifyContent,
  chat: classifyChat,
  images: classifyImages,
};
