import { setTimeout as delay } from 'node:timers/promises';

const FIRST_MS = 100;
const MS_MAX = 5_000;

/** Waits before try `n`, counted from 1, twice as long each time. `false` = aborted meanwhile. */
export async function pause(n: number, signal: AbortSignal): Promise<boolean> {
  try {
    await delay(Math.min(MS_MAX, FIRST_MS * 2 ** (n - 1)), undefined, { signal });
    return true;
  } catch {
    return false;
  }
}
