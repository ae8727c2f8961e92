/** From an ended call of the standard lane to an empty place in the spool. Everything here may run again after a crash. */

import { type AttemptRef, changeTo, isAwaitingWake, type Job, type Place } from '@darkroom/shared/domain';
import type { Exchange, SpoolEntry } from '@darkroom/shared/ports';
import { updateJob } from '@darkroom/shared/usecases';
import { inAttemptSpan } from '../attempt-span.ts';
import type { AttemptDeps, Channels } from './deps.ts';
import type { Pricing } from './judge.ts';
import { takeBack } from './lease.ts';
import { endLeave, giveBack } from './leave.ts';
import { onwardFrom } from './onward.ts';
import { finishOrphan } from './orphan.ts';
import { settleAttempt } from './settle-attempt.ts';
import { tellPlace } from './tell-place.ts';

/** Settles the attempt by what came of its call, then empties its place in the spool. */
export async function finishAttempt(deps: AttemptDeps, entry: SpoolEntry, exchange: Exchange): Promise<void> {
  const { ref } = entry;
  const job = await onRecord(deps, entry, exchange);
  if (!job) return finishUnrecorded(deps, entry, exchange);
  return inAttemptSpan(deps, ref, job, () => finishRecorded(deps, entry, exchange, job));
}

async function finishRecorded(deps: AttemptDeps, entry: SpoolEntry, exchange: Exchange, job: Job): Promise<void> {
  const { crash } = deps;
  const { ref } = entry;
  const place = placeOf(job, ref);
  const settled = await settleAttempt(deps, job, ref, exchange, {
    channel: place.channel,
    pricing: pricingOf(deps.channels, place),
    judged: (judged) => tellPlace(deps, { place, ref, exchange }, judged),
    onward: (end) => onwardFrom(deps, job, ref, end),
    tellStoring: true,
    received: () => crash('attempt.received'),
    stored: () => crash('attempt.stored'),
    settled: () => crash('attempt.settled'),
  });
  if (settled === 'stopped') return; // Told to stop before all bytes were stored: the spool keeps them for the next process.
  // The record went away meanwhile, which may have been long; its image must not.
  if (settled === 'unrecorded') return finishUnrecorded(deps, entry, exchange);
  crash('attempt.thumbnailed');
  await entry.remove();
  crash('attempt.cleared');
}

/**
 * The job, if this attempt is on its record. A record that Redis has lost the attempt of takes it again when its answer
 * is here and no other has begun: better than to pay for another.
 */
async function onRecord(deps: AttemptDeps, entry: SpoolEntry, exchange: Exchange): Promise<Job | undefined> {
  const { ref } = entry;
  const job = await deps.ledger.read(ref.tenant, ref.job);
  if (!job || job.state.attempts.some(({ id }) => id === ref.attempt)) return job;
  return exchange.type === 'answered' ? takeBack(deps, ref, job, entry.place()) : undefined;
}

async function finishUnrecorded(deps: AttemptDeps, entry: SpoolEntry, exchange: Exchange): Promise<void> {
  const place = entry.place();
  if (exchange.type === 'answered') {
    if ((await finishOrphan(deps, entry.ref, exchange.answer)) === 'stopped') return;
    if (place) await endLeave(deps, place, entry.ref.attempt);
  } else {
    // The intent was written and the lease never taken: no call left.
    if (place) await giveBack(deps, place, entry.ref.attempt);
    deps.log.info({ ...entry.ref }, 'attempt.never_sent');
  }
  await wakeAnew(deps, entry.ref);
  await entry.remove();
}

/** The message of this version may be held by the dead worker for a while; a new version has a message of its own. */
async function wakeAnew({ ledger, outbox, clock }: AttemptDeps, ref: AttemptRef): Promise<void> {
  const updated = await updateJob(ledger, ref.tenant, ref.job, (job) =>
    isAwaitingWake(job.state) ? changeTo(job, job.state, [], clock.now()) : undefined,
  );
  if (updated?.changed) outbox.push(updated.job);
}

/** Where the call was made. */
function placeOf(job: Job, { attempt }: AttemptRef): Place {
  const { channel = '', model = job.request.model } = job.state.attempts.find(({ id }) => id === attempt) ?? {};
  return { channel, model };
}

/** As configured now; a channel that is not, any more, is priced by the catalogue. */
function pricingOf({ specs }: Channels, { channel, model }: Place): Pricing {
  const spec = specs.find(({ id }) => id === channel);
  return { served: spec?.models[model], trusted: spec?.trust.cost ?? false };
}
