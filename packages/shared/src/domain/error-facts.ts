/** An error answer, read: what it says, in whichever shape it came. */

import type { Answer, Dialect } from './answer.ts';
import { type Loose, objectOf, objectsOf, textOf } from './lenient.ts';
import { retryAfterOf } from './retry-after.ts';

/** What an error answer says, wherever it says it. */
export type ErrorFacts = {
  http: number;
  /** Absent = Gemini's own. */
  dialect: Dialect | undefined;
  status: string;
  /** The short words that OpenAI's shape has for what is wrong: `code` and `type`. */
  words: string;
  /** Why a moderator refused the content. */
  moderation: string[] | undefined;
  message: string;
  details: Loose[];
  reasons: string[];
  retryAfterMs: number | undefined;
  /** @see Answer.plain */
  plain: boolean;
};

/** No provider says more than this about an error; an error page may. */
const MESSAGE_MAX = 10_000;

/** Takes any body whatever. */
export function factsOf(body: Loose, answer: Answer): ErrorFacts {
  const error = objectOf(body['error']);
  const metadata = objectOf(error['metadata']);
  const plain = textOf(answer.body) ?? textOf(body['error']) ?? textOf(body['message']) ?? detailWords(body['detail']);
  const details = objectsOf(error['details']);
  const words = [textOf(error['message']) ?? plain, ...behind(metadata)].filter(Boolean);
  const message = words.join(': ').slice(0, MESSAGE_MAX);
  return {
    http: answer.httpStatus,
    dialect: answer.dialect,
    status: textOf(error['status']) ?? '',
    words: `${textOf(error['code']) ?? ''} ${textOf(error['type']) ?? ''}`.slice(0, 200),
    moderation: textsOf(metadata['reasons']),
    message,
    details,
    reasons: details.map((detail) => textOf(detail['reason']) ?? ''),
    retryAfterMs: retryAfterOf(details, message, answer.headers['retry-after']),
    plain: answer.plain ?? false,
  };
}

function textsOf(value: unknown): string[] | undefined {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string').slice(0, 10) : undefined;
}

/** Of an error that a channel passes on: who had it, and what that one said. */
function behind(metadata: Loose): (string | undefined)[] {
  return [textOf(metadata['provider_name']), textOf(metadata['raw'])];
}

/** What a server built on FastAPI says: words, or a list of what is wrong where. */
function detailWords(detail: unknown): string | undefined {
  return (
    textOf(detail) ??
    textOf(
      objectsOf(detail)
        .map((one) => textOf(one['msg']) ?? '')
        .filter(Boolean)
        .join('; '),
    )
  );
}
