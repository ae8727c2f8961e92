/**
 * Attempts that are in the spool and in nobody's hands: those of dead processes, and those this one could not end.
 *
 * Each is taken in hand once, and its lease is held from then on until it has ended, however long its image must
 * wait for the store: an answer that was paid for and is here must never be given up for lost and paid for again.
 * All go on side by side, so none waits behind another's upload; only uploads are bounded.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { describeError } from '@darkroom/shared/observability';
import type { SpoolEntry } from '@darkroom/shared/ports';
import type { AttemptDeps } from './deps.ts';
import { finishAttempt } from './finish-attempt.ts';
import { holdLease, renewLease } from './lease.ts';
import { createSlots } from './slots.ts';

const AGAIN_MS = 5_000;

export type Recovery = {
  /** Takes in hand what nobody has. Resolves before it has ended. */
  once(): Promise<void>;
  /** Resolves when nothing is in hand any more. */
  idle(): Promise<void>;
};

/** @param options `uploads`: most answers brought to their end at a time */
export function createRecovery(deps: AttemptDeps, options: { uploads: number }): Recovery {
  const { spool, unfinished, crash, log, draining } = deps;
  const uploads = createSlots(options.uploads);
  const inHand = new Map<string, Promise<void>>();

  /** Tries until it has ended, or the process does: then the spool keeps it for the next one. */
  async function bringToEnd(entry: SpoolEntry): Promise<void> {
    const { ref } = entry;
    renewLease(deps.ledger, ref, log); // its owner may have been dead for most of a lease
    using _held = holdLease(deps.ledger, ref, log);
    while (!draining.aborted) {
      try {
        await resume(entry);
        unfinished.delete(entry);
        return;
      } catch (error) {
        log.error({ ...ref, ...describeError(error) }, 'spool.not_recovered');
        await sleep(AGAIN_MS, undefined, { signal: draining }).catch(() => undefined);
      }
    }
  }

  async function resume(entry: SpoolEntry): Promise<void> {
    const answer = await entry.answer();
    // Nobody saw the call's end: there is nothing to upload, and the caller should know at once.
    if (!answer) {
      const exchange = { type: 'unknown', reason: 'the process died during the call' } as const;
      return finishAttempt(deps, entry, exchange, deps.clock.now());
    }
    const release = await uploads.take();
    try {
      await finishAttempt(deps, entry, { type: 'answered', answer }, deps.clock.now());
    } finally {
      release();
    }
  }

  return {
    once: async () => {
      for (const entry of [...unfinished, ...(await spool.recover())]) {
        const { attempt } = entry.ref;
        if (inHand.has(attempt)) continue;
        log.info({ ...entry.ref }, 'spool.recovered');
        crash('recovery.taken');
        inHand.set(
          attempt,
          bringToEnd(entry).finally(() => inHand.delete(attempt)),
        );
      }
    },
    idle: async () => {
      await Promise.all(inHand.values());
    },
  };
}
