/** Where a job may go on once a call of it has failed: asked before that is written. */

import {
  type AttemptEnd,
  type AttemptRef,
  allowsPlaceholder,
  type Candidate,
  callEndOf,
  type Job,
  modelOf,
  type Onward,
  settle,
} from '@darkroom/shared/domain';
import { candidatesFor, failuresAt, isPayable } from '@darkroom/shared/usecases';
import type { AttemptDeps } from './deps.ts';
import { makePlaceholder } from './placeholder.ts';

/** A channel that has room within this is asked at once. */
const SOON_MS = 2_000;
/** A model that no channel can make within this gives way to the next of the chain. */
const STUCK_MS = 60_000;

export async function onwardFrom(deps: AttemptDeps, job: Job, ref: AttemptRef, end: AttemptEnd): Promise<Onward> {
  if (end.type === 'image' || (end.type === 'refused' && end.code === 'content_blocked')) return {};
  const onward = { ...(await others(deps, job, ref, end)), ...(await nextOf(deps, job)) };
  if (!allowsPlaceholder(job)) return onward;
  const failed = settle(job, ref.attempt, end, deps.clock.now(), deps.random, onward)?.after.state.status === 'failed';
  const placeholder = failed ? await makePlaceholder(deps, job) : undefined;
  if (placeholder) deps.crash('placeholder.stored');
  return { ...onward, ...(placeholder && { placeholder }) };
}

async function others(
  deps: AttemptDeps,
  job: Job,
  ref: AttemptRef,
  end: AttemptEnd,
): Promise<Pick<Onward, 'elsewhere' | 'later' | 'stuck'>> {
  const channel = job.state.attempts.find(({ id }) => id === ref.attempt)?.channel;
  // With one channel there is nowhere else to look, and every failure would ask.
  if (channel === undefined || deps.channels.specs.length < 2) return { stuck: isOut(end) };
  const now = deps.clock.now();
  const { candidates } = await candidatesFor(deps, job);
  const tries = failuresAt(job, channel, modelOf(job)) + 1;
  const rest = candidates.filter(({ spec }) => spec.id !== channel);
  return {
    elsewhere: rest.some((one) => one.failed < tries && isCallable(one, now + SOON_MS)),
    later: rest.some((one) => one.failed < tries && !one.out && !isHeld(one) && isPayable(job, one)),
    stuck: isOut(end) && !rest.some((one) => isCallable(one, now + STUCK_MS)),
  };
}

/** The place of this call can make no other for long. */
function isOut(end: AttemptEnd): boolean {
  if (end.type !== 'rejected') return false;
  const says = callEndOf(end);
  return says === 'auth' || says === 'retired' || end.verdict.limit === 'day' || end.verdict.none === true;
}

/** Whether it can be called by then, as it stands. */
function isCallable(one: Candidate, by: number): boolean {
  return !isHeld(one) && one.enterAt <= by && one.readyAt <= by;
}

function isHeld({ override }: Candidate): boolean {
  return override === 'open' || override === 'drain';
}

/** The model that comes next in the chain, that some channel can make, and that what is left of `max_cost` pays for. */
export async function nextOf(deps: AttemptDeps, job: Job): Promise<Pick<Onward, 'next'>> {
  const chain = job.request.routing?.models ?? [];
  const now = deps.clock.now();
  for (const model of chain.slice(chain.indexOf(modelOf(job)) + 1)) {
    const { candidates } = await candidatesFor(deps, job, { model });
    const able = candidates.filter((one) => isCallable(one, now + STUCK_MS) && isPayable(job, one));
    const [cheapest] = able.toSorted((a, b) => a.cost - b.cost);
    if (cheapest) return { next: { model, estimated: cheapest.cost } };
  }
  return {};
}
