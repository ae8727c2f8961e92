/**
 * One message, at most one paid call.
 *
 *   read → may it run? → slot, quota → intent on disk → lease (the record says: sent) → call → answer on disk
 *        → judge → store → settle → thumbnail → spool emptied
 *
 * A crash before the intent leaves nothing. After it, the next process on this spool finds the intent: with an answer
 * it goes on from there, without one the attempt is in doubt if the record knows it, and never was if it does not.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { type AttemptRef, begin, type Job, modelById, type Tenant, wait } from '@darkroom/shared/domain';
import { type CrashPoint, describeError, withCrashPoints } from '@darkroom/shared/observability';
import type { Exchange, SpoolEntry } from '@darkroom/shared/ports';
import { updateJob } from '@darkroom/shared/usecases';
import type { AttemptDeps } from './deps.ts';
import { finishAttempt } from './finish-attempt.ts';
import { holdLease, takeLease } from './lease.ts';
import { loadReferences } from './references.ts';

/** `later` = not now; the model as a whole has to wait when `scope` says so. */
export type Ran = { type: 'done' } | { type: 'later'; ms: number; scope: 'job' | 'model' };

const DONE: Ran = { type: 'done' };
/** A limit of less than this is no news to the caller. */
const WORTH_SHOWING_MS = 2_000;
/** A model's limit that ends within this is waited for with the message in hand. */
const NAP_MS = 30_000;
const SPOOL_FULL_MS = 5_000;
const SPOOL_SHARE = 0.8;

/**
 * Runs the job of one message, or says when to come back.
 *
 * A model's limit is waited for here as long as it is short: put off through the queue, the next message would be
 * looked for up to five seconds late, and a limit of 150 calls a minute would let 12 through.
 */
export async function runAttempt(deps: AttemptDeps, tenant: Tenant, id: string): Promise<Ran> {
  for (;;) {
    const ran = await tryOnce(deps, tenant, id);
    if (ran.type === 'done' || ran.scope === 'job' || ran.ms > NAP_MS) return ran;
    await sleep(ran.ms, undefined, { signal: deps.draining }).catch(() => undefined);
  }
}

async function tryOnce(deps: AttemptDeps, tenant: Tenant, id: string): Promise<Ran> {
  const release = await deps.slots.take();
  try {
    if (deps.draining.aborted) return { type: 'later', ms: 0, scope: 'job' };
    const job = await deps.ledger.read(tenant, id);
    const refusal = job ? await mayNotRun(deps, job) : DONE;
    if (!job || refusal) return refusal ?? DONE;
    // Before anything is promised: a reference that cannot be read now must not cost a call's place.
    const references = await loadReferences(deps.store, job.request);
    const limited = await takeLeave(deps, job);
    if (limited) return limited;
    await callOnce(deps, job, references);
    return DONE;
  } finally {
    release();
  }
}

/** Why this message leads to no call now, if it does not. */
async function mayNotRun(deps: AttemptDeps, job: Job): Promise<Ran | undefined> {
  const { clock, ledger, spool, channel } = deps;
  const begun = begin(job, { id: '', channel: channel.id }, clock.now());
  if (begun.type === 'early') return { type: 'later', ms: begun.runAt - clock.now(), scope: 'job' };
  if (begun.type === 'expired') await ledger.write(begun.change);
  if (begun.type !== 'go') return DONE;
  const { bytes } = await spool.usage();
  return bytes > deps.spoolBytesMax * SPOOL_SHARE ? { type: 'later', ms: SPOOL_FULL_MS, scope: 'model' } : undefined;
}

async function takeLeave(deps: AttemptDeps, job: Job): Promise<Ran | undefined> {
  const { quota, channel, clock, ledger, outbox } = deps;
  const leave = await quota.take(channel.id, job.request.model);
  if (leave.granted) return undefined;
  const { retryAfterMs: ms, reason } = leave;
  if (ms >= WORTH_SHOWING_MS) {
    const shown = await updateJob(ledger, job.tenant, job.id, (now) => wait(now, reason, clock.now()));
    // The record moved on to a version that has no message yet.
    if (shown?.changed) outbox.push(shown.job);
  }
  return { type: 'later', ms, scope: 'model' };
}

async function callOnce(deps: AttemptDeps, job: Job, references: Buffer[]): Promise<void> {
  const { ledger, spool, channel, clock, crash, metrics } = deps;
  const ref: AttemptRef = { tenant: job.tenant, job: job.id, attempt: deps.newAttemptId() };
  crash('attempt.admitted');
  const entry = await spool.intend(ref);
  crash('attempt.intended');
  let exchange: Exchange = { type: 'unsent', reason: 'its lease could not be written' };
  try {
    if (!(await takeLease(deps, ref, job))) return await entry.remove();
    crash('attempt.leased');
    using _held = holdLease(ledger, ref, deps.log);
    metrics.called();
    exchange = { type: 'unknown', reason: 'the call broke off' };
    exchange = await channel.call(job.request, {
      entry: markArrival(entry, crash),
      references,
      timeoutMs: modelById(job.request.model).timeoutMs,
      signal: deps.stopping,
    });
    crash('attempt.answered');
    await finishAttempt(deps, entry, exchange, clock.now());
  } catch (error) {
    deps.unfinished.add({ entry, exchange });
    deps.log.error({ ...ref, ...describeError(error) }, 'attempt.unfinished');
  }
}

/** The entry, with the moment marked at which a whole answer is here and not yet durable. */
function markArrival(entry: SpoolEntry, crash: CrashPoint): SpoolEntry {
  return withCrashPoints(entry, crash, { commit: { before: 'attempt.arrived' } });
}
