/** Patience with the way to the server. For calls that may be made twice: reads, and submissions under a key. */

import { DarkroomError } from './error.ts';

/** Nobody is sent away for longer: whoever would be is told by the last try. */
const MOST_MS = 60_000;

export type Patience = {
  signal?: AbortSignal | undefined;
  /** How often it is asked at most, the first time included. */
  tries?: number;
  /** Milliseconds before the second try, and twice as many each further time, unless the server asks for more. */
  firstMs?: number;
};

/** Makes the call again after an outage or a refusal for now. @throws what the last try threw, or the first that no repeat mends */
export async function insist<T>(call: () => Promise<T>, patience: Patience = {}): Promise<T> {
  const { signal, tries = 5, firstMs = 500 } = patience;
  for (let n = 1; ; n++) {
    try {
      return await call();
    } catch (error) {
      if (n >= tries || signal?.aborted || !(error instanceof DarkroomError && error.retryable)) throw error;
      await pause(Math.max(firstMs * 2 ** (n - 1), Math.min(error.retryAfterMs, MOST_MS)), signal);
    }
  }
}

/** @throws the signal's reason as soon as it is aborted */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(done, ms);
    const stop = () => done(signal?.reason);
    function done(reason?: unknown) {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
      if (reason === undefined) resolve();
      else reject(reason);
    }
    signal?.addEventListener('abort', stop);
  });
}
