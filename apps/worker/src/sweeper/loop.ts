import { setTimeout as sleep } from 'node:timers/promises';
import { describeError, type Log } from '@darkroom/shared/observability';

/** Runs `once` again and again, `everyMs` apart, never twice at a time, until the signal. */
export async function loop(
  name: string,
  everyMs: number,
  once: () => Promise<unknown>,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await once().catch((error: unknown) => log.warn({ loop: name, ...describeError(error) }, 'loop.failed'));
    await sleep(everyMs, undefined, { signal }).catch(() => undefined);
  }
}
