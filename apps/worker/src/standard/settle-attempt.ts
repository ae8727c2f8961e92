/** From an ended call to a settled job, in whichever lane it travelled. Everything here may run again after a crash. */

import {
  type AttemptEnd,
  type AttemptRef,
  type Change,
  callCountsAs,
  costOf,
  isAwaitingWake,
  type Job,
  type JobRequest,
  type Lane,
  laneOf,
  type Onward,
  received,
  type SpooledBlob,
  settle,
} from '@darkroom/shared/domain';
import { describeError, failSpan, tellSpan, withSpan } from '@darkroom/shared/observability';
import type { Exchange } from '@darkroom/shared/ports';
import { handOff, type Updated, updateJob } from '@darkroom/shared/usecases';
import type { AttemptDeps } from './deps.ts';
import { type Judged, judge, type Pricing } from './judge.ts';
import { storeImage, storeThumbnail } from './store-image.ts';
import { tellCourse } from './tell-course.ts';

export type SettleDeps = Pick<
  AttemptDeps,
  'ledger' | 'store' | 'outbox' | 'clock' | 'random' | 'latency' | 'calls' | 'log' | 'metrics' | 'draining'
>;

/** What a lane does beside, at the steps on the way. */
export type Settling = {
  channel: string;
  /** Its prices, where they are not the catalogue's. */
  pricing?: Pricing;
  /** Told what the answer means before anything is written of it. */
  judged?: (judged: Judged) => Promise<void>;
  /** Where the job may go on from here; asked once the end is known, and is a failure. */
  onward?: (end: AttemptEnd) => Promise<Onward>;
  /** Says on the record that an image is being stored. */
  tellStoring: boolean;
  received?: () => void;
  stored?: () => void;
  settled?: (end: AttemptEnd) => Promise<void> | void;
  /** Given by a lane in which other answers may settle the attempt first: decides as it is written, in the place of `settle`. */
  decide?: (job: Job, end: AttemptEnd) => Change | undefined;
  /** Given by a lane that makes the small copy later, from these bytes; without it, it is made here. */
  keepForLater?: (blob: SpooledBlob) => void;
};

/** `stopped` = the process must end first, and the answer is kept for the next one. `unrecorded` = the record went away meanwhile. */
export type SettledAttempt = 'done' | 'stopped' | 'unrecorded';

/** Brings what came of a call onto the record of its job: judged, stored, settled, with its small copy. */
export async function settleAttempt(
  deps: SettleDeps,
  job: Job,
  ref: AttemptRef,
  exchange: Exchange,
  settling: Settling,
): Promise<SettledAttempt> {
  const request = requestOfAttempt(job, ref);
  const { channel, pricing } = settling;
  const judged = judge(exchange, { request, channel, lane: laneOfAttempt(job, ref), ...(pricing && { pricing }) });
  const told = settling.judged?.(judged);
  // What a refusal teaches holds before anybody is woken by it; an image need not wait for anybody.
  if (judged.type !== 'image') await told;
  const end = judged.type === 'image' ? await store(deps, job, ref, judged, settling) : judged.end;
  await told;
  if (!end) return 'stopped';
  settling.stored?.();
  const onward = end.type === 'image' ? undefined : await settling.onward?.(end);
  const updated = await settleJob(deps, ref, end, { onward, decide: settling.decide });
  if (!updated) return 'unrecorded';
  await settling.settled?.(end);
  if (updated.changed) {
    report(deps, ref, end, updated.job, settling.channel);
    noteTime(deps, ref, updated.job);
    noteCall(deps, ref, end, { job: updated.job, channel: settling.channel });
    tellCourse(deps, { ref, end, before: job, after: updated.job, onward });
  }
  if (judged.type !== 'image' || end.type !== 'image') return 'done';
  if (!settling.keepForLater) return storeThumbnail(deps, { job: ref.job, tenant: ref.tenant }, judged.blob, end.image);
  settling.keepForLater(judged.blob);
  return 'done';
}

/** What was asked of the model that the call was made to. */
function requestOfAttempt({ request, state }: Job, { attempt }: AttemptRef): JobRequest {
  const model = state.attempts.find(({ id }) => id === attempt)?.model ?? request.model;
  return model === request.model ? request : { ...request, model };
}

/** The job may travel on another lane by now; its call is priced by the one it was made on. */
function laneOfAttempt(job: Job, { attempt }: AttemptRef): Lane {
  return job.state.attempts.find(({ id }) => id === attempt)?.lane ?? laneOf(job);
}

async function store(
  deps: SettleDeps,
  job: Job,
  ref: AttemptRef,
  judged: Extract<Judged, { type: 'image' }>,
  settling: Settling,
): Promise<AttemptEnd | undefined> {
  if (settling.tellStoring)
    await updateJob(deps.ledger, ref.tenant, ref.job, (now) => received(now, ref.attempt, deps.clock.now()));
  settling.received?.();
  const { blob } = judged;
  const image = await withSpan('store', { facts: { 'darkroom.image.bytes': blob.bytes } }, () =>
    storeImage(deps, job, blob),
  );
  if (image === 'stopped') return undefined;
  if (image.type !== 'stored') return { ...judged.unusable };
  const { model } = requestOfAttempt(job, ref);
  return { ...judged.end, image: { ...image.image, ...(model !== job.request.model && { model }) } };
}

/** Teaches the router how long a job takes that succeeds at once: its call on the standard lane, all of its wait on the other. */
function noteTime({ latency, clock, log }: SettleDeps, ref: AttemptRef, job: Job): void {
  const { status, attempts, createdAt } = job.state;
  const [only] = attempts;
  if (status !== 'succeeded' || !only || attempts.length > 1) return;
  // Before its call a job may have waited for a provider batch, for a twin or through a pause: that says nothing of a call.
  const began = only.lane === 'standard' ? only.startedAt : createdAt;
  // In the background: nobody's job waits for a statistic.
  latency
    .note(only.lane, job.request, clock.now() - began)
    .catch((error: unknown) => log.debug({ ...ref, ...describeError(error) }, 'latency.not_noted'));
}

/** For the alerts, which are about calls over all workers. Of a provider batch, its lines count, and not its hours. */
function noteCall(
  { calls }: SettleDeps,
  ref: AttemptRef,
  end: AttemptEnd,
  { job, channel }: { job: Job; channel: string },
): void {
  const as = callCountsAs(end);
  if (as === 'nothing') return;
  const ms = laneOfAttempt(job, ref) === 'standard' ? end.ms : undefined;
  calls.ended({ channel, model: requestOfAttempt(job, ref).model, failed: as === 'failed', ...(ms && { ms }) });
}

/** The record once the attempt has ended, with its twins and its next wake-up looked after. */
export async function settleJob(
  deps: Pick<SettleDeps, 'ledger' | 'clock' | 'random' | 'outbox'>,
  ref: AttemptRef,
  end: AttemptEnd,
  how: { onward?: Onward | undefined; decide?: Settling['decide'] | undefined } = {},
): Promise<Updated | undefined> {
  const { ledger, clock, outbox, random } = deps;
  const decide = how.decide ?? ((job: Job) => settle(job, ref.attempt, end, clock.now(), random, how.onward));
  const updated = await updateJob(ledger, ref.tenant, ref.job, (job) => decide(job, end));
  if (updated?.changed && isAwaitingWake(updated.job.state)) outbox.push(updated.job);
  if (updated?.followers) await handOff({ ledger, clock, outbox }, ref.tenant, ref.job);
  return updated;
}

/** Tells log, metrics and the span around it how an attempt ended. */
export function report(
  { metrics, log }: Pick<SettleDeps, 'metrics' | 'log'>,
  ref: AttemptRef,
  end: AttemptEnd,
  job: Job,
  channel: string,
): void {
  const { state } = job;
  const { model } = requestOfAttempt(job, ref);
  const outcome = end.type === 'image' ? 'succeeded' : end.type === 'refused' ? end.code : end.type;
  const cost = costOf(state);
  // The hours in a provider batch say nothing about how fast the provider answers.
  metrics.ended({ channel, model }, outcome, {
    ms: laneOfAttempt(job, ref) === 'standard' ? end.ms : undefined,
    error: end.type === 'rejected' ? end.verdict.code : undefined,
  });
  log.info(
    {
      ...ref,
      model,
      channel,
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
  tellSpan({
    'darkroom.outcome': outcome,
    'darkroom.status': state.status,
    'darkroom.cost_micros': cost.actual,
    'darkroom.in_doubt_micros': cost.inDoubt || undefined,
    'darkroom.retry_at': state.status === 'queued' ? new Date(state.runAt).toISOString() : undefined,
  });
  // A refusal is an answer; these are calls that came to nothing.
  if (end.type === 'rejected') failSpan(end.verdict.code);
  if (end.type === 'in_doubt' || end.type === 'unsent') failSpan(end.type);
}
