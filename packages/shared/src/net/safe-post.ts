/**
 * The only way to post to a URL that a caller gave.
 *
 * The guard decides where it may go, at each dial anew: a connection that is open leads to an address that was checked
 * when it was dialled, whatever its name leads to by now, and none is used for long. No redirect is followed, no proxy of
 * the environment is asked, and of the answer little is read.
 */

import { Agent } from 'undici';
import type { DeliveryOutcome } from '../domain/delivery.ts';
import { AppError } from '../domain/errors.ts';
import { scrub } from '../domain/scrub.ts';
import { type Answer, exchange, TooLate } from './exchange.ts';
import { createGuard, type Guard, type GuardOptions } from './guard.ts';
import type { Connect } from './pin.ts';
import { reasonFor } from './refusal.ts';
import { retryAfterMs } from './retry-after.ts';

/** Names of headers in lower case; `secrets` among what is sent are taken out of the answer. */
type SafeMessage = { headers: Record<string, string>; body: string; secrets?: readonly string[] };

export type SafePost = {
  /** Posts JSON once, and says what came of it. Never throws. */
  post(url: string, message: SafeMessage): Promise<DeliveryOutcome>;
} & AsyncDisposable;

const TIMEOUT_MS = 15_000;
/** Below the five seconds after which many servers hang up: what is sent just then is lost. */
const IDLE_MS = 3_000;
/** Addresses whose form is remembered. */
const KNOWN_MAX = 1_000;
/** A connection takes no more requests after this, so that its address is checked again. */
const CONNECTION_MS = 60_000;
/** Of every request, beside those that it is given. */
export const POST_HEADERS = {
  'content-type': 'application/json',
  'user-agent': 'darkroom',
  accept: '*/*',
  'accept-encoding': 'identity',
};

/** Opens nothing until something is posted. @param options `timeoutMs` from the first name server asked to the answer; `now` in epoch milliseconds */
export function createSafePost(options: GuardOptions & { timeoutMs?: number; now?: () => number } = {}): SafePost {
  const { timeoutMs = TIMEOUT_MS, now = Date.now, ...rules } = options;
  const guard = createGuard(rules);
  const dispatcher = new Agent({
    connect: checkedConnect(guard, timeoutMs),
    allowH2: false,
    clientTtl: CONNECTION_MS,
    keepAliveTimeout: IDLE_MS,
    keepAliveMaxTimeout: IDLE_MS,
    // One timer for all of it, below.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  // An address that keeps to the rules does so each time; where its name leads is looked at when it is dialled.
  const known = new Map<string, { origin: string; path: string }>();
  const placeOf = (text: string) => {
    const place = known.get(text) ?? toPlace(guard.target(text).url);
    if (known.size >= KNOWN_MAX) known.clear();
    known.set(text, place);
    return place;
  };
  return {
    post: async (text, { headers, body, secrets }) => {
      try {
        const { origin, path } = placeOf(text);
        const sent = { ...headers, ...POST_HEADERS };
        const request = { origin, path, method: 'POST', headers: sent, body } as const;
        return toOutcome(await exchange(dispatcher, request, timeoutMs), now(), secrets);
      } catch (error) {
        if (error instanceof AppError) return { type: 'refused', reason: error.message };
        const late = `no answer within ${timeoutMs / 1_000} seconds`;
        return { type: 'failed', reason: error instanceof TooLate ? late : reasonFor(error) };
      }
    },
    [Symbol.asyncDispose]: () => dispatcher.destroy(),
  };
}

function toPlace({ origin, pathname, search }: URL): { origin: string; path: string } {
  return { origin, path: pathname + search };
}

/** Resolves, checks and pins for each connection, by the origin it is for. */
function checkedConnect(guard: Guard, timeoutMs: number): Connect {
  return (options, callback) => {
    const pinned = async (): Promise<Connect> => {
      const target = guard.target(`${options.protocol}//${options.host}/`);
      return guard.pin(target, AbortSignal.timeout(timeoutMs));
    };
    const refusing =
      (error: Error): Connect =>
      (_, tell) =>
        tell(error, null);
    void pinned()
      .catch(refusing)
      .then((connect) => connect(options, callback));
  };
}

function toOutcome({ http, headers, body }: Answer, now: number, secrets?: readonly string[]): DeliveryOutcome {
  const wait = retryAfterMs(toText(headers['retry-after']), now);
  // What is packed is not unpacked, and shows nothing.
  const isPlain = (toText(headers['content-encoding']) ?? 'identity') === 'identity';
  const text = isPlain && body.length ? scrub(body.toString('utf8'), secrets) : undefined;
  return { type: 'answered', http, ...(wait !== undefined && { retryAfterMs: wait }), ...(text && { body: text }) };
}

function toText(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}
