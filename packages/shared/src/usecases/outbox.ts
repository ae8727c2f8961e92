import { setTimeout as sleep } from 'node:timers/promises';
import { type EpochMs, type Job, laneOf, modelOf } from '../domain/index.ts';
import { untraced } from '../observability/trace.ts';
import type { Clock, Ledger, WakeMessage, WakeQueue } from '../ports/index.ts';

/** A version that has had its message is looked at again after this long: the message may have been lost. */
export const RECHECK_MS = 300_000;
/** Longest time between two looks. A deep backlog of old jobs is looked at this seldom, so that looking never falls behind. */
const RECHECK_MS_MAX = 900_000;

/** Behind a batch, messages gather for this long, so that one round trip carries many. */
const GATHER_MS = 10;

export type Outbox = {
  /**
   * Hands the job's wake-up to the queue, soon. Never fails: what is not handed over stays due, and the sweeper finds it.
   *
   * @param news `anew` as in the message
   */
  push(job: Job, news?: Pick<WakeMessage, 'anew'>): void;
  /** Resolves when everything pushed so far was handed over or given up. */
  flush(): Promise<void>;
};

/**
 * The short way from a durable record to its message.
 *
 * The record is in the ledger's list of due wake-ups before anything is pushed here, so this is only the fast path:
 * a crash or an outage leaves the list as it is.
 */
export function createOutbox(deps: {
  ledger: Ledger;
  queue: WakeQueue;
  clock: Clock;
  onError: (error: unknown) => void;
}): Outbox {
  let waiting: WakeMessage[] = [];
  let running: Promise<void> | undefined;

  const send = async (batch: WakeMessage[]): Promise<WakeMessage[]> => {
    try {
      if (batch.length) await deps.queue.enqueue(batch, deps.clock.now());
      return batch;
    } catch (error) {
      deps.onError(error);
      return [];
    }
  };

  // The first message leaves at once: nothing to gather for when nobody else comes. What comes meanwhile shares the next
  // trip. A batch is noted with that trip: a note straight behind it would be in the way of the worker that was woken.
  const run = async () => {
    let sent: WakeMessage[] = [];
    do {
      const noted = note(deps, sent).catch(deps.onError);
      const batch = waiting;
      waiting = [];
      sent = await send(batch);
      await noted;
      await sleep(GATHER_MS);
    } while (waiting.length || sent.length);
    running = undefined;
  };

  return {
    push: (job, news) => {
      waiting.push({ ...toWake(job), ...news });
      // It goes on with the messages of others: whose request began it says nothing of them.
      running ??= untraced(run);
    },
    flush: async () => running,
  };
}

/** Enqueues, then notes it: a crash between the two enqueues the same version again, which changes nothing. */
export async function enqueueWakes(
  deps: { ledger: Ledger; queue: WakeQueue; clock: Clock },
  messages: WakeMessage[],
): Promise<void> {
  if (!messages.length) return;
  await deps.queue.enqueue(messages, deps.clock.now());
  await note(deps, messages);
}

async function note({ ledger, clock }: { ledger: Ledger; clock: Clock }, messages: WakeMessage[]): Promise<void> {
  const now = clock.now();
  for (const [tenant, group] of Map.groupBy(messages, (message) => message.tenant)) {
    const wakes = group.map(({ id, version, runAt }) => ({ id, version, recheckAt: recheckAt(runAt, now) }));
    await ledger.enqueued(tenant, wakes);
  }
}

/** After as long as it has waited already, within the bounds. */
function recheckAt(runAt: EpochMs, now: EpochMs): EpochMs {
  const waitedMs = Math.max(0, now - runAt);
  return Math.max(runAt, now) + Math.min(RECHECK_MS_MAX, Math.max(RECHECK_MS, waitedMs));
}

export function toWake(job: Job): WakeMessage {
  const { tenant, id, version, state } = job;
  const { priority } = job.request;
  const { runAt, expiresAt } = state;
  return { tenant, id, version, model: modelOf(job), lane: laneOf(job), priority, runAt, expiresAt, job };
}
