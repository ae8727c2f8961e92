/** One line of a result file, parsed, as an answer that the classifier can judge. Pure. */

import type { Answer, SpooledBlob } from '../../../domain/answer.ts';
import { classify } from '../../../domain/classify.ts';
import { objectOf, textOf } from '../../../domain/lenient.ts';

/** Errors of lines carry gRPC codes; the classifier knows the HTTP statuses that the provider uses for them. */
const HTTP_OF_GRPC: Readonly<Record<number, number>> = { 3: 400, 4: 504, 5: 404, 7: 403, 8: 429, 13: 500, 14: 503 };

/**
 * The key and the answer of a line; `undefined` when it has no key.
 *
 * @param blobs what was lifted out of the line
 */
export function toKeyedAnswer(line: unknown, blobs: SpooledBlob[]): { key: string; answer: Answer } | undefined {
  const { key: raw, response, error } = objectOf(line);
  const key = textOf(raw);
  if (key === undefined) return undefined;
  const answer = (httpStatus: number, body: unknown): Answer => ({ httpStatus, headers: {}, body, blobs, ms: 0 });
  // Protobuf's JSON leaves out what is empty, so a line with neither is an answer with nothing in it.
  if (error === undefined || error === null) return { key, answer: answer(200, response ?? {}) };
  return { key, answer: known(answer(httpOf(objectOf(error)['code']), { error })) };
}

function httpOf(code: unknown): number {
  if (typeof code !== 'number') return 500;
  if (code >= 400 && code <= 599) return Math.trunc(code); // written as HTTP after all
  return HTTP_OF_GRPC[code] ?? 500;
}

/**
 * A deadline that passed is no doubt in here. After a call it is: the work may go on, be billed, and end unseen. The result
 * file is written once its batch is over; by it the provider itself accounts for each line, and this one ended with nothing
 * made, which is not billed. So it counts as 408, a request that was dropped: free, and good for another try.
 */
function known(answer: Answer): Answer {
  return classify(answer).type === 'in_doubt' ? { ...answer, httpStatus: 408 } : answer;
}
