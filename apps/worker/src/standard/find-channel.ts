/**
 * Which channel a job is to be called on now, and where it goes when there is none: it waits with its line, stands in
 * another one, moves on to the next model of its chain, or ends.
 */

import {
  allowsPlaceholder,
  type ChannelChoice,
  failWaiting,
  type Job,
  type JobError,
  lineFor,
  lineStandingOf,
  modelOf,
  moveToModel,
  type StoredImage,
  type WaitReason,
  wait,
  waitingPhase,
} from '@darkroom/shared/domain';
import type { LineTurn } from '@darkroom/shared/ports';
import { candidatesFor, chooseFor, handOff, isPayable, moneyLeft, updateJob } from '@darkroom/shared/usecases';
import { makeReady, type Ready } from './call.ts';
import type { AttemptDeps } from './deps.ts';
import { nextOf } from './onward.ts';
import { makePlaceholder } from './placeholder.ts';

/** A line is looked at again after this long at most, whatever it waits for. */
const LINE_WAIT_MS_MAX = 60_000;
const SPOOL_FULL_MS = 5_000;
/** A model whose channels all have to wait longer than this gives way to the next of the chain. */
const CHAIN_AFTER_MS = 60_000;

/** What became of a job at the head of its line. */
export type Found =
  | { type: 'ready'; ready: Ready }
  /** It has no turn any more: somebody else is next. */
  | { type: 'next' }
  /** Only this host cannot make its call before. */
  | { type: 'wait'; ms: number; host: true };

/** Gets everything ready for its call; else its place in line is kept, moved or given up by the time this answers. */
export async function findChannel(deps: AttemptDeps, job: Job, turn: LineTurn): Promise<Found> {
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
  { refusals, dear }: Extract<ChannelChoice, { type: 'none' }>,
): Promise<Found> {
  deps.log.warn({ tenant: job.tenant, job: job.id, refusals }, 'attempt.no_channel');
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

/** It waits in another line than it was picked from. Back first: a crash between the two must not leave it in none. */
export async function standIn(
  { lines, channels: { specs } }: AttemptDeps,
  job: Job,
  turn: LineTurn,
  channels: string[],
) {
  await lines.putBack(turn);
  await lines.add([{ ...lineStandingOf(job, specs), channels }]);
}
