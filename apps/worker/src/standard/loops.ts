/** What goes on beside the messages of the standard lane, in each process that serves it. */

import { randomUUIDv7 } from 'node:crypto';
import type { Workers } from '@darkroom/shared/ports';
import { loop } from '../sweeper/loop.ts';
import { LOOKS_MAX } from '../watchdog.ts';
import type { AttemptDeps } from './deps.ts';
import type { Recovery } from './recovery.ts';
import { isSpoolFull } from './spool-room.ts';

const RECOVER_MS = 5_000;
const BEAT_MS = 2_000;

type Beside = {
  recovery: Pick<Recovery, 'once'>;
  workers: Pick<Workers, 'beat'>;
  /** One look at all queues. @see createWatchdog */
  watch: () => Promise<void>;
  /** For how long messages may be left alone. */
  stuckAfterMs: number;
};

/** Runs until draining. */
export function runBesideLane(deps: AttemptDeps, { recovery, workers, watch, stuckAfterMs }: Beside): Promise<void>[] {
  const { log, draining } = deps;
  const name = randomUUIDv7();
  const beat = async () => workers.beat(name, { spoolFull: await isSpoolFull(deps) });
  return [
    loop('watch', stuckAfterMs / LOOKS_MAX, watch, log, draining),
    loop('beat', BEAT_MS, beat, log, draining),
    loop('recover', RECOVER_MS, () => recovery.once(), log, draining),
  ];
}
