/**
 * Attempts that are in the spool and in nobody's hands: those of dead processes, and those this one could not end.
 *
 * Each is taken in hand once, and its lease is held from then on until it has ended, however long its image must
 * wait for the store: an answer that was paid for and is here must never be given up for lost and paid for again.
 * All go on side by side, so none waits behind another's upload; only uploads are bounded.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { describeError } from '@darkroom/shared/observability';
import type { Exchange, SpoolEntry } from '@darkroom/shared/ports';
import type { AttemptDeps, Unfinished } from './deps.ts';
import { finishAttempt } from './finish-attempt.ts';
import { holdLease, renewLease } from './lease.ts';
import { letGo } from './let-go.ts';
import { createSemaphore } from './semaphore.ts';

const AGAIN_MS = 5_000;

/** Of a dead process's call nothing is known but what is in the spool. */
type Taken = Pick<Unfinished, 'entry'> & Partial<Unfinished>;

export type Recovery = {
  /** Takes in hand what nobody has. Resolves before it has ended. */
  once(): Promise<void>;
  /** Resolves when nothing is in hand any more. */
  idle(): Promise<void>;
};

/** @param options `uploads`: most answers brought to their end at a time */
export function createRecovery(deps: AttemptDeps, options: { uploads: number }): Recovery {
  const { spool, unfinished, crash, log, draining } = deps;
  const uploads = createSemaphore(options.uploads);
  const inHand = new Map<string, Promise<void>>();

  /** Tries until it has ended, or the process does: then the spool keeps it for the next one. */
  async function bringToEnd(taken: Taken): Promise<void> {
    const { ref } = taken.entry;
    renewLease(deps.ledger, ref, log); // its owner may have been dead for most of a lease
    using _held = holdLease(deps.ledger, ref, log);
    while (!draining.aborted) {
      try {
        return await resume(taken);
      } catch (error) {
        log.error({ ...ref, ...describeError(error) }, 'spool.not_recovered');
        await sleep(AGAIN_MS, undefined, { signal: draining }).catch(() => undefined);
      }
    }
  }

  async function resume({ entry, exchange: known }: Taken): Promise<void> {
    const exchange = await endOf(entry, known);
    // Nothing to upload: the caller should know at once.
    if (!hasBlobs(exchange)) return finish(entry, exchange);
    const release = await uploads.take(1);
    try {
      await finish(entry, exchange);
    } finally {
      release?.();
    }
  }

  async function finish(entry: SpoolEntry, exchange: Exchange): Promise<void> {
    const { tenant, job: id, attempt } = entry.ref;
    await finishAttempt(deps, entry, exchange);
    const job = await deps.ledger.read(tenant, id).catch(() => undefined);
    if (job) await letGo(deps, job, attempt);
  }

  return {
    once: async () => {
      const others = (await spool.recover()).map((entry): Taken => ({ entry }));
      const all = [...unfinished, ...others];
      unfinished.clear();
      for (const taken of all) {
        const { ref } = taken.entry;
        const { attempt } = ref;
        if (inHand.has(attempt)) continue;
        log.info({ ...ref }, 'spool.recovered');
        crash('recovery.taken');
        inHand.set(
          attempt,
          bringToEnd(taken).finally(() => inHand.delete(attempt)),
        );
      }
    },
    idle: async () => {
      await Promise.all(inHand.values());
    },
  };
}

/** How the call ended: by the spool, else by what this process saw of it, else nobody saw it. */
async function endOf(entry: SpoolEntry, known: Exchange | undefined): Promise<Exchange> {
  const answer = await entry.answer();
  if (answer) return { type: 'answered', answer };
  if (!known) return { type: 'unknown', reason: 'the process died during the call', ours: true };
  return hasBlobs(known) ? { type: 'unknown', reason: 'the answer is gone from the spool', ours: true } : known;
}

function hasBlobs(exchange: Exchange): boolean {
  return exchange.type === 'answered' && exchange.answer.blobs.length > 0;
}
