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
  type ChannelChoice,
  failWaiting,
  isAwaitingWake,
  type Job,
  type JobError,
  lineFor,
  lineStandingOf,
  modelOf,
  moveToModel,
  pausedLine,
  type StoredImage,
  type Tenant,
  type WaitReason,
  wait,
  waitingPhase,
} from '@darkroom/shared/domain';
import type { LineTurn } from '@darkroom/shared/ports';
import { candidatesFor, chooseFor, handOff, isPayable, moneyLeft, updateJob } from '@darkroom/shared/usecases';
import { inAttemptSpan } from '../attempt-span.ts';
import { makeReady, type Ready } from './call.ts';
import type { AttemptDeps } from './deps.ts';
import { timeFor } from './lease.ts';
import { nextOf } from './onward.ts';
import { makePlaceholder } from './placeholder.ts';
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
/** A line is looked at again after this long at most, whatever it waits for. */
const LINE_WAIT_MS_MAX = 60_000;
const SPOOL_FULL_MS = 5_000;
/** Clocks may differ by this: whoever sent the message knew when the job is due. */
const EARLY_MS = 5_000;
/** Jobs of a paused batch stand in a line of their own, which is looked at this often, should nobody open it. */
const PAUSED_MS = 15_000;
/** A model whose channels all have to wait longer than this gives way to the next of the chain. */
const CHAIN_AFTER_MS = 60_000;

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

/** It waits in another line than it was picked from. Back first: a crash between the two must not leave it in none. */
async function standIn({ lines, channels: { specs } }: AttemptDeps, job: Job, turn: LineTurn, channels: string[]) {
  await lines.putBack(turn);
  await lines.add([{ ...lineStandingOf(job, specs), channels }]);
}

type Found = { type: 'ready'; ready: Ready } | Exclude<Turn, { type: 'ready' | 'empty' }>;

async function findChannel(deps: AttemptDeps, job: Job, turn: LineTurn): Promise<Found> {
  const choice = await chooseFor(deps, job);
  if (choice.type === 'none') return noChannel(deps, job, turn, choice);
  if (choice.type === 'wait') {
    const { until, reason, allBroken } = choice;
    return lineWaits(deps, job, turn, { ms: until - deps.clock.now(), reason, stuck: allBroken });
  }
  const made = await makeReady(deps, job, choice.order);
  if (made.type === 'ready') return { type: 'ready', ready: made };
  if (made.type === 'wait') return lineWaits(deps, job, turn, { ...made, stuck: false });
  if (made.type === 'gone') return fails(deps, job, turn, made.error);
  await deps.lines.putBack(turn);
  return { type: 'wait', ms: SPOOL_FULL_MS, host: true };
}

/** Waiting does not help it: it ends when money is what stands in its way, and waits for the operator otherwise. */
async function noChannel(
  deps: AttemptDeps,
  job: Job,
  turn: LineTurn,
  { refusals, mayMend }: Extract<ChannelChoice, { type: 'none' }>,
): Promise<Found> {
  deps.log.warn({ tenant: job.tenant, job: job.id, refusals }, 'attempt.no_channel');
  const dear = !mayMend && refusals.length > 0 && moneyLeft(job) !== undefined;
  if (!dear) return lineWaits(deps, job, turn, { ms: LINE_WAIT_MS_MAX, reason: 'broken', stuck: true });
  if (await movesOn(deps, job, turn)) return { type: 'next' };
  const detail = 'What is left of max_cost pays for no call on any channel that can carry it.';
  const placeholder = allowsPlaceholder(job) ? await makePlaceholder(deps, job) : undefined;
  return fails(deps, job, turn, { code: 'max_cost_exceeded', detail }, placeholder);
}

/** Ends it before its call, for good. */
async function fails(
  deps: AttemptDeps,
  { tenant, id }: Job,
  turn: LineTurn,
  error: JobError,
  placeholder?: StoredImage,
): Promise<Found> {
  const { ledger, lines, clock, log } = deps;
  const updated = await updateJob(ledger, tenant, id, (now) => failWaiting(now, error, clock.now(), placeholder));
  await lines.drop(turn);
  if (updated?.followers) await handOff(deps, tenant, id);
  log.info({ tenant, job: id, error: error.code }, 'attempt.not_possible');
  return { type: 'next' };
}

/** `stuck` = no quota is what any channel waits for. */
type Wait = { ms: number; reason: WaitReason; stuck: boolean };

/** No channel of the line can be called before: the job goes on to the next model of its chain, or all of the line wait. */
async function lineWaits(deps: AttemptDeps, job: Job, turn: LineTurn, { ms, reason, stuck }: Wait): Promise<Found> {
  const { ledger, lines, outbox, clock } = deps;
  if ((stuck || ms > CHAIN_AFTER_MS) && (await movesOn(deps, job, turn))) return { type: 'next' };
  if (await standsApart(deps, job, turn)) return { type: 'next' };
  await lines.putBack(turn, Math.min(Math.max(1, ms), LINE_WAIT_MS_MAX));
  const phase = waitingPhase(ms, reason);
  if (phase) {
    const shown = await updateJob(ledger, job.tenant, job.id, (now) => wait(now, phase, clock.now()));
    // The record moved on to a version that has no message yet.
    if (shown?.changed) outbox.push(shown.job);
  }
  return { type: 'next' };
}

/** Whether the job goes on to the next model of its chain. */
async function movesOn(deps: AttemptDeps, job: Job, turn: LineTurn): Promise<boolean> {
  const { ledger, lines, outbox, clock } = deps;
  const { next } = await nextOf(deps, job);
  const moved = next && (await updateJob(ledger, job.tenant, job.id, (now) => moveToModel(now, next, clock.now())));
  if (!moved?.changed) return false;
  deps.metrics.movedOn(modelOf(job));
  deps.crash('model.moved');
  await lines.drop(turn);
  outbox.push(moved.job);
  return true;
}

/** One whose `max_cost` pays for some channels only waits in the line of those: the others are open to whoever can pay. */
async function standsApart(deps: AttemptDeps, job: Job, turn: LineTurn): Promise<boolean> {
  if (moneyLeft(job) === undefined) return false;
  const { candidates } = await candidatesFor(deps, job);
  const payable = candidates.filter((one) => isPayable(job, one)).map(({ spec }) => spec.id);
  const line = lineFor(job, payable);
  if (payable.length === 0 || line.join() === turn.channels.join()) return false;
  await standIn(deps, job, turn, line);
  return true;
}
