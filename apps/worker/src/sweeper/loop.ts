import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '@darkroom/shared/observability';
import { createTroubleLog } from '../trouble-log.ts';

/** Runs `once` again and again, `everyMs` apart, never twice at a time, until the signal. */
export async function loop(
  name: string,
  everyMs: number,
  once: () => Promise<unknown>,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const trouble = createTroubleLog(log, { begun: 'loop.failed', over: 'loop.recovered' }, { fields: { loop: name } });
  while (!signal.aborted) {
    await once().then(trouble.over, trouble.happened);
    await sleep(everyMs, undefined, { signal }).catch(() => undefined);
  }
}
