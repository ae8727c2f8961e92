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
/** Beside the moments in which it is known that messages lie in the hands of one who is gone. */
const UNRUNG_MS = 60_000;

type Beside = {
  recovery: Pick<Recovery, 'once'>;
  workers: Workers;
  /** Serves who stands in line without waiting for messages. */
  serveUnrung: () => Promise<void>;
  /** One look at all queues. @see createWatchdog */
  watch: () => Promise<void>;
  /** For how long messages may be left alone. */
  stuckAfterMs: number;
};

/** Runs until draining. */
export function runBesideLane(
  deps: AttemptDeps,
  { recovery, workers, watch, serveUnrung, stuckAfterMs }: Beside,
): Promise<void>[] {
  const { log, draining } = deps;
  const name = randomUUIDv7();
  const beat = async () => workers.beat(name, { spoolFull: await isSpoolFull(deps) });
  return [
    loop('watch', stuckAfterMs / LOOKS_MAX, watch, log, draining),
    loop('beat', BEAT_MS, beat, log, draining),
    loop('recover', RECOVER_MS, () => recovery.once(), log, draining),
    loop('unrung', UNRUNG_MS, serveUnrung, log, draining), // The first time at the start: the one before may have been killed.
    loop('others', BEAT_MS, lookForGone(workers, serveUnrung), log, draining),
  ];
}

/** One look at the other workers; tells when one has gone since the last. */
function lookForGone({ live }: Pick<Workers, 'live'>, gone: () => Promise<void>): () => Promise<void> {
  let known = new Set<string>();
  return async () => {
    const now = new Set((await live()).map(({ id }) => id));
    const isGone = [...known].some((id) => !now.has(id));
    known = now;
    if (isGone) await gone();
  };
}
