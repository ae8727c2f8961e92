/** The end of an exchange, as the caller of a channel gets it. */

import type { Dialect } from '../../domain/answer.ts';
import type { CallOptions, Exchange } from '../../ports/channel.ts';
import { reasonOf, type WireEnd } from './exchange.ts';
import { parseJson, TEXT_MAX, toAnswer } from './wire-answer.ts';

/** What is shorter stands in any text by chance, and keeps no secret. */
const SECRET_MIN = 8;

export type KeepOptions = {
  /** How the body is to be read, if not as Gemini's. */
  dialect?: Dialect;
  /** What was sent to say who calls: an answer may repeat it, and no record of ours does. */
  secrets?: readonly string[];
  /** Nothing at the provider was named but the model. */
  plain?: boolean;
};

/** The end for the caller; a success only once it is durable. */
export async function keep(
  end: WireEnd,
  { entry, signal }: Pick<CallOptions, 'entry' | 'signal'>,
  { dialect, secrets = [], plain = false }: KeepOptions = {},
): Promise<Exchange> {
  if (end.type !== 'answered') return end;
  const text = without(end.text, secrets);
  const body = parseJson(text);
  const success = end.status < 300;
  if (body === undefined && success && !end.framed) {
    return { type: 'unknown', reason: 'the connection ended within the answer' };
  }
  const answer = {
    ...(dialect && { dialect }),
    ...toAnswer(end, body === undefined ? text.slice(0, TEXT_MAX) : body),
  };
  if (!success) return { type: 'answered', answer: { ...answer, ...(plain && { plain }) } };
  try {
    await entry.commit(answer, signal);
    return { type: 'answered', answer };
  } catch (error) {
    return { type: 'unknown', reason: `a whole answer arrived and could not be kept: ${reasonOf(error)}`, ours: true };
  }
}

function without(text: string, secrets: readonly string[]): string {
  const bare = secrets.map((secret) => secret.replace(/^Bearer /, '')).filter(({ length }) => length >= SECRET_MIN);
  return bare.reduce((clean, secret) => clean.replaceAll(secret, '[removed]'), text);
}
