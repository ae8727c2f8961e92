/**
 * One message, at most one paid call.
 *
 *   read → slot → may it run? → intent on disk | quota → references → lease (the record says: sent) → call
 *        → answer on disk → judge → store → settle → thumbnail → spool emptied
 *
 * A crash before the intent leaves nothing. After it, the next process on this spool finds the intent: with an answer
 * it goes on from there, without one the attempt is in doubt if the record knows it, and never was if it does not.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { begin, type Job, modelById, type Tenant, wait } from '@darkroom/shared/domain';
import { type CrashPoint, describeError, failSpan, withCrashPoints } from '@darkroom/shared/observability';
import type { Exchange, SpoolEntry } from '@darkroom/shared/ports';
import { updateJob } from '@darkroom/shared/usecases';
import { inAttemptSpan } from '../attempt-span.ts';
import type { AttemptDeps } from './deps.ts';
import { finishAttempt } from './finish-attempt.ts';
import { holdLease, takeLease } from './lease.ts';
import { loadReferences, referenceBytes } from './references.ts';
import type { Slot } from './slots.ts';
import { isSpoolFull } from './spool-room.ts';

/** `later` = not now; the model as a whole has to wait when `scope` says so. */
export type Ran = { type: 'done' } | { type: 'later'; ms: number; scope: 'job' | 'model' };

/** `host` = only this one cannot run it now. */
type Tried = Ran | { type: 'later'; ms: number; scope: 'host' };

const DONE = { type: 'done' } as const;
/** What this host cannot run is kept in hand for this long. */
const IN_HAND_MS = 30_000;
/** Put off for want of a slot: long enough for a host that has one to be first. */
const NO_SLOT_MS = 1_000;
/** A limit of less than this is no news to the caller. */
const WORTH_SHOWING_MS = 2_000;
/** A model's limit that ends within this is waited for with the message in hand. */
const NAP_MS = 30_000;
const SPOOL_FULL_MS = 5_000;
/** Jobs of a paused batch come back after about this long. */
const PAUSED_MS = 20_000;

/**
 * Runs the job of one message, or says when to come back.
 *
 * A model's limit is waited for here as long as it is short: put off through the queue, the next message would be
 * looked for up to five seconds late, and a limit of 150 calls a minute would let 12 through. That limit is everybody's.
 * What only this host lacks is waited for a while; then the message goes back, so that another host may take it.
 */
export async function runAttempt(deps: AttemptDeps, tenant: Tenant, id: string): Promise<Ran> {
  const { clock, draining } = deps;
  const inHandUntil = clock.now() + IN_HAND_MS;
  for (let hopeful = true; ; hopeful = false) {
    const ran = await tryOnce(deps, tenant, id, { inHandUntil, hopeful });
    if (ran.type === 'done' || ran.scope === 'job') return ran;
    if (ran.scope === 'model' && ran.ms > NAP_MS) return { ...ran, scope: 'model' };
    if (ran.scope === 'host' && clock.now() + ran.ms > inHandUntil) return { ...ran, scope: 'job' };
    await sleep(ran.ms, undefined, { signal: draining }).catch(() => undefined);
  }
}

/** `hopeful` = nothing has stood in the way of this message so far. */
type Try = { inHandUntil: number; hopeful: boolean };

async function tryOnce(deps: AttemptDeps, tenant: Tenant, id: string, { inHandUntil, hopeful }: Try): Promise<Tried> {
  const { ledger, slots, clock, draining, crash } = deps;
  if (draining.aborted) return { type: 'later', ms: 0, scope: 'job' };
  // Read before the wait for a slot: should it change meanwhile, the write of the lease finds out.
  const job = await ledger.read(tenant, id);
  if (!job) return DONE;
  const patience = { ms: inHandUntil - clock.now(), signal: draining };
  using slot = await slots.take(referenceBytes(job.request), patience);
  if (!slot) return { type: 'later', ms: draining.aborted ? 0 : NO_SLOT_MS, scope: 'job' };
  const refusal = await mayNotRun(deps, job);
  if (refusal) return refusal;
  crash('attempt.admitted');
  const ready = await makeReady(deps, job, hopeful);
  if (ready.type !== 'ready') return ready;
  await inAttemptSpan(deps, ready.entry.ref, job, () => callOnce(deps, job, slot, ready));
  return DONE;
}

/** Why this message leads to no call now, if it does not. */
async function mayNotRun(deps: AttemptDeps, job: Job): Promise<Tried | undefined> {
  const { clock, ledger, channel } = deps;
  const begun = begin(job, { id: '', channel: channel.id }, clock.now());
  if (begun.type === 'early') return { type: 'later', ms: begun.runAt - clock.now(), scope: 'job' };
  if (begun.type === 'expired') await ledger.write(begun.change);
  if (begun.type !== 'go') return DONE;
  const { batch } = job.request;
  if (batch && (await deps.isPaused(job.tenant, batch.id))) return pausedFor(deps.random);
  return undefined;
}

/** Spread out, so that a large batch does not come back all at once, again and again. */
function pausedFor(random: () => number): Ran {
  return { type: 'later', ms: Math.round(PAUSED_MS * (0.5 + random())), scope: 'job' };
}

type Ready = { type: 'ready'; call: (entry: SpoolEntry) => Promise<Exchange>; entry: SpoolEntry };

/**
 * Everything a call needs before its lease. The intent goes to the disk while leave is asked of Redis and the spool is
 * looked at; when the call may not leave it is taken back, and after a crash found as a call that was never sent. After one
 * refusal the next is likely, so then each step waits for the one before, and no leave is taken that is not used.
 */
async function makeReady(deps: AttemptDeps, job: Job, hopeful: boolean): Promise<Ready | Tried> {
  const intend = () => deps.spool.intend({ tenant: job.tenant, job: job.id, attempt: deps.newAttemptId() });
  if (hopeful) deps.channel.preconnect();
  const early = hopeful ? intend() : undefined;
  early?.catch(() => undefined); // Told where it is awaited.
  let ready: Ready | undefined;
  try {
    const refusal = hopeful
      ? (await Promise.all([takeLeave(deps, job), findRoom(deps)])).find((refused) => refused)
      : ((await findRoom(deps)) ?? (await takeLeave(deps, job)));
    if (refusal) return refusal;
    // Only now: whoever waits for leave must not fill the memory with references.
    const call = await prepare(deps, job);
    ready = { type: 'ready', call, entry: await (early ?? intend()) };
    return ready;
  } finally {
    if (!ready) await (await early?.catch(() => undefined))?.remove();
  }
}

async function findRoom(deps: AttemptDeps): Promise<Tried | undefined> {
  return (await isSpoolFull(deps)) ? { type: 'later', ms: SPOOL_FULL_MS, scope: 'host' } : undefined;
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

async function callOnce(deps: AttemptDeps, job: Job, slot: Slot, { call, entry }: Ready): Promise<void> {
  const { ledger, clock, crash, metrics } = deps;
  const { ref } = entry;
  crash('attempt.intended');
  let exchange: Exchange = { type: 'unsent', reason: 'its lease could not be written' };
  try {
    if (!(await takeLease(deps, ref, job))) return await entry.remove();
    crash('attempt.leased');
    using _held = holdLease(ledger, ref, deps.log);
    metrics.called();
    exchange = { type: 'unknown', reason: 'the call broke off' };
    exchange = await call(entry);
    slot.freeMemory();
    crash('attempt.answered');
    await finishAttempt(deps, entry, exchange, clock.now());
  } catch (error) {
    deps.unfinished.add({ entry, exchange });
    failSpan('unfinished');
    deps.log.error({ ...ref, ...describeError(error) }, 'attempt.unfinished');
  }
}

/** Reads the references, which the call then takes with it: behind it, however long storing lasts, nothing holds them. */
async function prepare(deps: AttemptDeps, { request }: Job): Promise<(entry: SpoolEntry) => Promise<Exchange>> {
  let references = await loadReferences(deps.store, request);
  return (entry) => {
    const taken = references;
    references = [];
    return deps.channel.call(request, {
      entry: markArrival(entry, deps.crash),
      references: taken,
      timeoutMs: Math.min(deps.callMsMax, modelById(request.model).timeoutMs),
      signal: deps.stopping,
    });
  };
}

/** The entry, with the moment marked at which a whole answer is here and not yet durable. */
function markArrival(entry: SpoolEntry, crash: CrashPoint): SpoolEntry {
  return withCrashPoints(entry, crash, { commit: { before: 'attempt.arrived' } });
}
