/**
 * Access tokens, fetched ahead.
 *
 * A token lives for an hour. In its last minutes the next is fetched while this one still serves, so no call waits for
 * it; only the first call of all does, or one after a long outage of the token endpoint. Callers that wait share one
 * fetch. A token that the API has refused is dropped.
 */

import type { Clock } from '../../ports/clock.ts';

export type Token = { value: string; expiresAt: number };

export type Tokens = {
  /** A token that is good now. @throws CredentialsError when it is refused; TokenError when none can be had now, and once `signal` is aborted */
  take(signal: AbortSignal): Promise<string>;
  /** Fetches one if it is time to. Never throws. */
  warm(): void;
  /** `value` was refused: the next call fetches another. */
  drop(value: string): void;
};

/** No access token could be had, for a reason that may pass: nobody answered, or with a trouble of their own. */
export class TokenError extends Error {
  constructor(reason: string) {
    super(`no access token: ${reason}`);
    this.name = 'TokenError';
  }
}

/** Before its end, in ms: within this, another is fetched. */
const AHEAD_MS = 5 * 60_000;
/** No call starts with a token that ends sooner than this. */
const LEFT_MS = 10_000;
/** After a fetch ahead that failed the next is not made sooner. */
const PAUSE_MS = 10_000;

/** @param fetchToken gets a new one, and throws TokenError or CredentialsError; it bounds its own time */
export function createTokens(fetchToken: () => Promise<Token>, clock: Clock): Tokens {
  let token: Token | undefined;
  let fetching: Promise<Token> | undefined;
  let notBefore = 0;

  const leftMs = () => (token ? token.expiresAt - clock.now() : 0);

  function fetchOne(): Promise<Token> {
    fetching ??= fetchToken()
      .then((fetched) => {
        token = fetched;
        return fetched;
      })
      .finally(() => {
        fetching = undefined;
      });
    return fetching;
  }

  function warm(): void {
    if (fetching || leftMs() > AHEAD_MS || clock.now() < notBefore) return;
    notBefore = clock.now() + PAUSE_MS;
    fetchOne().catch(() => undefined); // Told to the call that cannot do without.
  }

  return {
    warm,
    async take(signal) {
      if (token && leftMs() > LEFT_MS) {
        warm();
        return token.value;
      }
      return (await orAborted(fetchOne(), signal)).value;
    },
    drop(value) {
      if (token?.value === value) token = undefined;
    },
  };
}

function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    promise.catch(() => undefined);
    return Promise.reject(new TokenError('the call was aborted'));
  }
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(new TokenError('the call was aborted'));
  signal.addEventListener('abort', onAbort, { once: true });
  return Promise.race([promise, aborted.promise]).finally(() => signal.removeEventListener('abort', onAbort));
}
