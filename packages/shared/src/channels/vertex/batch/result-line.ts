/** One line of a job's output, parsed, as an answer that the classifier can judge. Pure. */

import type { Answer, SpooledBlob } from '../../../domain/answer.ts';
import { classify } from '../../../domain/classify.ts';
import { objectOf, textOf } from '../../../domain/lenient.ts';

/** How a line's status begins; its text goes on with the very body of the error, as a rule. */
const HTTP_OF_PHRASE: Readonly<Record<string, number>> = {
  'bad request': 400,
  unauthorized: 401,
  forbidden: 403,
  'not found': 404,
  conflict: 409,
  'too many requests': 429,
  'client closed request': 499,
  'internal server error': 500,
  'service unavailable': 503,
  'gateway timeout': 504,
};

/**
 * The key and the answer of a line; `undefined` when it has no key.
 *
 * The key is a field of our own beside the request, which comes back as it was sent. A line also repeats its request, with
 * the references in it: those blobs are among the answer's, and nothing in the answer names them.
 */
export function toKeyedAnswer(line: unknown, blobs: SpooledBlob[]): { key: string; answer: Answer } | undefined {
  const { key: raw, status, response, error } = objectOf(line);
  const key = textOf(raw);
  if (key === undefined) return undefined;
  const answer = (httpStatus: number, body: unknown): Answer => ({ httpStatus, headers: {}, body, blobs, ms: 0 });
  const refusal = textOf(status) || textOf(error) || '';
  if (refusal === '') return { key, answer: answer(200, response ?? {}) };
  const { http, body } = readStatus(refusal);
  return { key, answer: known(answer(http, body)) };
}

function readStatus(text: string): { http: number; body: unknown } {
  const at = text.indexOf('{');
  const told = at < 0 ? {} : objectOf(parsed(text.slice(at)));
  const code = Number(objectOf(told['error'])['code']);
  const phrase = text.split(':', 1)[0]?.trim().toLowerCase() ?? '';
  const http = code >= 400 && code <= 599 ? Math.trunc(code) : (HTTP_OF_PHRASE[phrase] ?? 500);
  return { http, body: 'error' in told ? told : { error: { code: http, message: text } } };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A doubt about a line is none: by its output the provider itself accounts for it, and this one ended with nothing made. */
function known(answer: Answer): Answer {
  return classify(answer).type === 'in_doubt' ? { ...answer, httpStatus: 408 } : answer;
}
