/** Starts a program again when it dies, for as long as the launcher lives. */

import { setTimeout as wait } from 'node:timers/promises';

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 10_000;
/** A program that ran this long was well: the next death starts counting anew. */
const WELL_AFTER_MS = 60_000;

/**
 * Never gives up, and says so each time: a program that cannot start now, because the disk is full or a port is taken,
 * may start once its owner has seen to that.
 *
 * @param {{ name: string, exited: () => Promise<string>, restart: () => Promise<void>, lastWords: () => Promise<string>,
 *   say: (line: string) => void }} program `exited` names how the present process ended
 * @returns {() => Promise<void>} ends the watch; resolves when no restart is under way any more
 */
export function keepRunning({ name, exited, restart, lastWords, say }) {
  const end = new AbortController();
  const ended = new Promise((resolve) => end.signal.addEventListener('abort', resolve));

  const watch = async () => {
    let delayMs = FIRST_DELAY_MS;
    for (;;) {
      const since = Date.now();
      const how = await Promise.race([exited(), ended]);
      if (end.signal.aborted) return;
      if (Date.now() - since > WELL_AFTER_MS) delayMs = FIRST_DELAY_MS;
      delayMs = await tryUntilStarted(how, delayMs);
    }
  };
  const tryUntilStarted = async (how, firstDelayMs) => {
    let reason = how;
    let delayMs = firstDelayMs;
    while (!end.signal.aborted) {
      say(`${name} ${reason}; starting it again in ${delayMs / 1_000} s`);
      const words = await lastWords();
      if (words) say(`its last words:\n${words}`);
      await wait(delayMs, undefined, { signal: end.signal }).catch(() => undefined);
      delayMs = Math.min(delayMs * 2, LONGEST_DELAY_MS);
      if (end.signal.aborted) break;
      const failure = await restart().then(
        () => undefined,
        (error) => error,
      );
      if (!failure) break;
      reason = `did not start (${failure.message})`;
    }
    return delayMs;
  };

  const watching = watch();
  return async () => {
    end.abort();
    await watching;
  };
}
