/** From an ended call to a settled job. Everything here may run again after a crash, from the spool. */

import {
  type AttemptEnd,
  type AttemptRef,
  changeTo,
  costOf,
  isAwaitingWake,
  type Job,
  laneOf,
  pauseAfter,
  received,
  settle,
} from '@darkroom/shared/domain';
import type { Exchange, SpoolEntry } from '@darkroom/shared/ports';
import { handOff, type Updated, updateJob } from '@darkroom/shared/usecases';
import type { AttemptDeps } from './deps.ts';
import { type Judged, judge } from './judge.ts';
import { takeLease } from './lease.ts';
import { finishOrphan } from './orphan.ts';
import { storeImage, storeThumbnail } from './store-image.ts';

/** Settles the attempt by what came of its call, then empties its place in the spool. */
export async function finishAttempt(
  deps: AttemptDeps,
  entry: SpoolEntry,
  exchange: Exchange,
  now: number,
): Promise<void> {
  const { crash } = deps;
  const { ref } = entry;
  const job = await onRecord(deps, ref, exchange);
  if (!job) return finishUnrecorded(deps, entry, exchange);
  const judged = judge(exchange, { request: job.request, channel: deps.channel.id, lane: laneOf(job) });
  const end = judged.type === 'image' ? await store(deps, job, ref, judged) : judged.end;
  if (!end) return; // Told to stop before the bytes were stored: the spool keeps them for the next process.
  crash('attempt.stored');
  const settled = await settleJob(deps, ref, end);
  // The record went away meanwhile, which may have been long; its image must not.
  if (!settled) return finishUnrecorded(deps, entry, exchange);
  crash('attempt.settled');
  await pauseModel(deps, job, end, now);
  if (settled.changed) report(deps, ref, end, settled.job);
  if (judged.type === 'image' && end.type === 'image') {
    const owner = { job: ref.job, tenant: ref.tenant };
    if ((await storeThumbnail(deps, owner, judged.blob, end.image)) === 'stopped') return;
  }
  crash('attempt.thumbnailed');
  await entry.remove();
  crash('attempt.cleared');
}

/**
 * The job, if this attempt is on its record. A record that Redis has lost the attempt of takes it again when its answer
 * is here and no other has begun: better than to pay for another.
 */
async function onRecord(deps: AttemptDeps, ref: AttemptRef, exchange: Exchange): Promise<Job | undefined> {
  const job = await deps.ledger.read(ref.tenant, ref.job);
  if (!job || job.state.attempts.some(({ id }) => id === ref.attempt)) return job;
  return exchange.type === 'answered' ? takeLease(deps, ref, job) : undefined;
}

async function finishUnrecorded(deps: AttemptDeps, entry: SpoolEntry, exchange: Exchange): Promise<void> {
  if (exchange.type === 'answered') {
    if ((await finishOrphan(deps, entry, exchange.answer)) === 'stopped') return;
  } else {
    // The intent was written and the lease never taken: no call left.
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

async function store(
  deps: AttemptDeps,
  job: Job,
  ref: AttemptRef,
  judged: Extract<Judged, { type: 'image' }>,
): Promise<AttemptEnd | undefined> {
  await updateJob(deps.ledger, ref.tenant, ref.job, (now) => received(now, ref.attempt, deps.clock.now()));
  deps.crash('attempt.received');
  const image = await storeImage(deps, job, judged.blob);
  if (image === 'stopped') return undefined;
  return image.type === 'stored' ? { ...judged.end, image: image.image } : { ...judged.unusable };
}

async function settleJob(deps: AttemptDeps, ref: AttemptRef, end: AttemptEnd): Promise<Updated | undefined> {
  const { ledger, clock, random, outbox } = deps;
  const updated = await updateJob(ledger, ref.tenant, ref.job, (job) =>
    settle(job, ref.attempt, end, clock.now(), random),
  );
  if (updated?.changed && isAwaitingWake(updated.job.state)) outbox.push(updated.job);
  if (updated?.followers) await handOff({ ledger, clock, outbox }, ref.tenant, ref.job);
  return updated;
}

/** What the provider said to one call holds for every worker. */
async function pauseModel({ quota, channel }: AttemptDeps, job: Job, end: AttemptEnd, now: number): Promise<void> {
  const pause = pauseAfter(end, now);
  if (pause) await quota.pause(channel.id, job.request.model, pause.ms, pause.reason);
}

function report(deps: AttemptDeps, ref: AttemptRef, end: AttemptEnd, { request, state }: Job): void {
  const outcome = end.type === 'image' ? 'succeeded' : end.type === 'refused' ? end.code : end.type;
  const cost = costOf(state);
  deps.metrics.ended(request.model, outcome, end.ms);
  deps.log.info(
    {
      ...ref,
      model: request.model,
      channel: deps.channel.id,
      outcome,
      ms: end.ms,
      status: state.status,
      phase: state.phase,
      ...(end.type === 'rejected' && { error: end.verdict.code, http: end.verdict.http, quotaId: end.verdict.quotaId }),
      ...((end.type === 'in_doubt' || end.type === 'unsent') && { reason: end.reason }),
      costMicros: cost.actual,
      inDoubtMicros: cost.inDoubt,
    },
    'attempt.ended',
  );
}
