/**
 * One message, at most one paid call, and one more beside it when the first is slow.
 *
 *   turn: slot → who is next in line? → may it run? → which channel? → leave
 *   then: intent on disk → references → lease (the record says: sent) → call → answer on disk → judge → store → settle
 *        → thumbnail → spool emptied
 *
 * A message only rings: the job that is next runs, whoever's message came. A crash before the intent leaves nothing but
 * a place in line that comes back after a minute. After it, the next process on this spool finds the intent: with an
 * answer it goes on from there, without one the attempt is in doubt if the record knows it, and never was if it does not.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import {
  allowsPlaceholder,
  begin,
  isAwaitingWake,
  type Job,
  lineStandingOf,
  pausedLine,
  type Tenant,
} from '@darkroom/shared/domain';
import type { LineTurn } from '@darkroom/shared/ports';
import { inAttemptSpan } from '../attempt-span.ts';
import type { Ready } from './call.ts';
import type { AttemptDeps } from './deps.ts';
import { findChannel, standIn } from './find-channel.ts';
import { timeFor } from './lease.ts';
import { referenceBytes } from './references.ts';
import type { Semaphore } from './semaphore.ts';
import { serve } from './serve.ts';
import type { Slot } from './slots.ts';

/** `empty` = nobody was there to be served. `later` = the message comes back after `ms`. */
export type Ran = { type: 'done' } | { type: 'empty' } | { type: 'later'; ms: number };

const DONE = { type: 'done' } as const;
/** What this host cannot run is kept in hand for this long; then another host may take it. */
const IN_HAND_MS = 30_000;
/** Put off for want of a slot: long enough for a host that has one to be first. */
const NO_SLOT_MS = 1_000;
/** While all lines wait they are looked at this often: one of them may open, and a new one come. */
const LOOK_MS = 250;
/** Clocks may differ by this: whoever sent the message knew when the job is due. */
const EARLY_MS = 5_000;
/** Jobs of a paused batch stand in a line of their own, which is looked at this often, should nobody open it. */
const PAUSED_MS = 15_000;

/** What became of a turn at the head of the lines. */
type Turn =
  | { type: 'ready'; job: Job; turn: LineTurn; ready: Ready; slot: Slot }
  /** Nobody is there to be served. */
  | { type: 'empty' }
  /** Somebody was served or went elsewhere; who is next? */
  | { type: 'next' }
  /** Nobody can be served before. `host` = only this one cannot. */
  | { type: 'wait'; ms: number; host?: true };

/**
 * Serves whoever is next of the model, or waits with the message in hand until somebody can be.
 *
 * @param turns one at a time of a process looks at the lines of a model: the others wait behind it, at no cost
 */
export async function runNext(deps: AttemptDeps, model: string, turns: Semaphore): Promise<Ran> {
  const { clock, draining } = deps;
  const inHandUntil = clock.now() + IN_HAND_MS;
  for (;;) {
    const leaveTurn = await turns.take(1, { ms: 2 ** 31 - 1, signal: draining });
    if (!leaveTurn || draining.aborted) return { type: 'later', ms: 0 };
    let turn: Turn;
    try {
      turn = await takeTurn(deps, model, { until: inHandUntil, leaveTurn });
      // The whole process waits with it: a line that opens meanwhile is seen by the next look.
      if (turn.type === 'wait' && !turn.host) await nap(turn.ms, draining);
    } finally {
      leaveTurn();
    }
    if (turn.type === 'empty') return turn;
    if (turn.type === 'ready') {
      using _slot = turn.slot;
      await inAttemptSpan(deps, turn.ready.entry.ref, turn.job, () => serve(deps, turn.job, turn));
      return DONE;
    }
    if (turn.type === 'wait' && turn.host) {
      if (clock.now() + turn.ms > inHandUntil) return { type: 'later', ms: turn.ms };
      await sleep(turn.ms, undefined, { signal: draining }).catch(() => undefined);
    }
  }
}

/**
 * Lets a message's own job stand in line, if it is due: one whose message was sent before it was, or comes again, and one
 * that its line was lost of.
 *
 * @returns ms until it is due by this machine's clock, 0 = it stands in line; `undefined` when it does not wait
 */
export async function arrive(deps: AttemptDeps, tenant: Tenant, id: string): Promise<number | undefined> {
  const { ledger, lines, channels, clock } = deps;
  const job = await ledger.read(tenant, id);
  if (!job || !isAwaitingWake(job.state)) return undefined;
  const early = job.state.runAt - clock.now();
  if (early > EARLY_MS) return early;
  await lines.add([lineStandingOf(job, channels.specs)]);
  return 0;
}

async function nap(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(Math.min(ms, LOOK_MS), undefined, { signal }).catch(() => undefined);
}

type TurnOptions = { until: number; leaveTurn: () => void };

async function takeTurn(deps: AttemptDeps, model: string, { until, leaveTurn }: TurnOptions): Promise<Turn> {
  const { slots, lines, clock, draining } = deps;
  const patience = () => ({ ms: until - clock.now(), signal: draining });
  let slot = await slots.take(0, patience());
  let used = false;
  try {
    if (!slot) return { type: 'wait', ms: NO_SLOT_MS, host: true };
    const picked = await lines.pick(model);
    if (picked.type !== 'job') return picked;
    const { turn } = picked;
    const job = await readyToRun(deps, turn);
    if (!job) return { type: 'next' };
    const bytes = referenceBytes(job.request);
    if (bytes > 0) {
      // Whoever waits for memory keeps neither a place nor its turn from calls without references.
      leaveTurn();
      slot[Symbol.dispose]();
      slot = await slots.take(bytes, patience());
    }
    if (!slot) {
      await lines.putBack(turn);
      return { type: 'wait', ms: NO_SLOT_MS, host: true };
    }
    const found = await findChannel(deps, job, turn);
    used = found.type === 'ready';
    return found.type === 'ready' ? { ...found, job, turn, slot } : found;
  } finally {
    if (!used) slot?.[Symbol.dispose]();
  }
}

/** The job, if it may run now; else its place in line is given up, or moved to where it waits. */
async function readyToRun(deps: AttemptDeps, turn: LineTurn): Promise<Job | undefined> {
  const { ledger, lines, clock } = deps;
  const job = await ledger.read(turn.tenant, turn.id);
  const begun = job && begin(job, { id: '', channel: '' }, timeFor(job, clock));
  // One that a placeholder may end is left to the sweeper, which makes it.
  if (job && begun?.type === 'expired' && !allowsPlaceholder(job)) await ledger.write(begun.change);
  // One that is not due yet has a message of its own.
  if (!job || begun?.type !== 'go') {
    await lines.drop(turn);
    return undefined;
  }
  if (await waitsForBatch(deps, job, turn)) return undefined;
  deps.crash('attempt.admitted');
  return job;
}

/** Whether its batch is paused; its jobs then stand in a line of their own, which holds up nobody. */
async function waitsForBatch(deps: AttemptDeps, job: Job, turn: LineTurn): Promise<boolean> {
  const { isPaused, lines } = deps;
  const { batch } = job.request;
  if (!batch) return false;
  const line = pausedLine(batch.id);
  const waited = turn.channels[0] === line;
  // Whoever resumes a batch opens its line: what was known a moment ago must not close it again.
  if (!(await isPaused(job.tenant, batch.id, { fresh: waited }))) return false;
  if (waited) await lines.putBack(turn, PAUSED_MS);
  else await standIn(deps, job, turn, [line]);
  return true;
}
