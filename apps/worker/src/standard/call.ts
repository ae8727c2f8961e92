/** One call, from leave to an ended attempt. */

import {
  type AttemptRef,
  type Candidate,
  type Job,
  type JobError,
  type JobRequest,
  modelById,
  type Place,
} from '@darkroom/shared/domain';
import { type CrashPoint, describeError, failSpan, withCrashPoints } from '@darkroom/shared/observability';
import type { Exchange, SpoolEntry } from '@darkroom/shared/ports';
import { requestNow } from '@darkroom/shared/usecases';
import type { AttemptDeps } from './deps.ts';
import { finishAttempt } from './finish-attempt.ts';
import { holdLease } from './lease.ts';
import { giveBack, type Leave, takeLeave } from './leave.ts';
import { loadReferences } from './references.ts';
import { isSpoolFull } from './spool-room.ts';

export type Ready = {
  type: 'ready';
  candidate: Candidate;
  entry: SpoolEntry;
  call: (entry: SpoolEntry) => Promise<Exchange>;
};
/** `host` = only this one cannot make it now. `gone` = nobody ever can: a reference was deleted. */
export type NotReady = Extract<Leave, { type: 'wait' }> | { type: 'host' } | { type: 'gone'; error: JobError };

/**
 * Everything a call needs before its lease. The intent goes to the disk while leave is asked for and the spool is looked
 * at; when the call may not go it is taken back, and after a crash found as a call that was never sent.
 */
export async function makeReady(
  deps: AttemptDeps,
  job: Job,
  order: [Candidate, ...Candidate[]],
): Promise<Ready | NotReady> {
  const attempt = deps.newAttemptId();
  deps.channels.get(order[0].place.channel)?.preconnect();
  const intent = deps.spool.intend({ tenant: job.tenant, job: job.id, attempt }, order[0].place);
  intent.catch(() => undefined); // Told where it is awaited.
  // Before another place is asked, the intent names it: whoever finds it can give back what was had there.
  const leave = takeLeave(deps, job, order, attempt, async ({ place }) => (await intent).moveTo(place));
  let ready: Ready | undefined;
  try {
    const [taken, full] = await Promise.all([leave, isSpoolFull(deps)]);
    if (full) return { type: 'host' };
    if (taken.type === 'wait') return taken;
    deps.crash('attempt.leave_taken');
    // Only now: whoever waits for leave must not fill the memory with references.
    const prepared = await prepare(deps, requestNow(job), taken.candidate);
    if (prepared.type === 'gone') return prepared;
    ready = { type: 'ready', candidate: taken.candidate, call: prepared.call, entry: await intent };
    return ready;
  } finally {
    if (!ready) {
      // It may have been taken though the spool could not be looked at.
      const taken = await leave.catch(() => undefined);
      if (taken?.type === 'go') await giveBack(deps, taken.candidate.place, attempt);
      await (await intent.catch(() => undefined))?.remove();
    }
  }
}

type Steps = {
  /** What its steps are called: those of the job's own call, or of one beside it. */
  name: 'attempt' | 'hedge';
  /** Puts the attempt on the record; `undefined` = it may not be made. */
  lease: () => Promise<Job | undefined>;
  leased?: () => void;
  answered?: () => void;
  /** What goes on beside the call. */
  beside?: (call: Promise<Exchange>) => Promise<void>;
};

/** Makes the call and brings it to its end; what cannot be ended now is left to recovery. Never throws. */
export async function makeCall(deps: AttemptDeps, job: Job, ready: Ready, steps: Steps): Promise<void> {
  const { ledger, crash, metrics } = deps;
  const { entry, candidate } = ready;
  const { ref } = entry;
  crash(`${steps.name}.intended`);
  let exchange: Exchange = { type: 'unsent', reason: 'its lease could not be written' };
  let beside: Promise<void> | undefined;
  try {
    if (!(await steps.lease())) {
      await giveBack(deps, candidate.place, ref.attempt);
      return await entry.remove();
    }
    crash(`${steps.name}.leased`);
    steps.leased?.();
    using _held = holdLease(ledger, ref, deps.log);
    metrics.called();
    exchange = { type: 'unknown', reason: 'the call broke off' };
    const calling = ready.call(entry);
    beside = steps.beside?.(calling);
    exchange = await calling;
    if (exchange.type === 'unknown' && deps.stopping.aborted) exchange = { ...exchange, ours: true };
    steps.answered?.();
    crash(`${steps.name}.answered`);
    await finishAttempt(deps, entry, exchange);
  } catch (error) {
    deps.unfinished.add({ entry, exchange });
    failSpan('unfinished');
    deps.log.error({ ...ref, ...describeError(error) }, 'attempt.unfinished');
  } finally {
    await beside;
  }
}

/** Reads the references, which the call then takes with it: behind it, however long storing lasts, nothing holds them. */
async function prepare(
  deps: AttemptDeps,
  request: JobRequest,
  { place }: Candidate,
): Promise<(Pick<Ready, 'call'> & { type: 'prepared' }) | Extract<NotReady, { type: 'gone' }>> {
  const channel = deps.channels.get(place.channel);
  if (!channel) throw new Error(`no channel ${place.channel}`);
  const loaded = await loadReferences(deps.store, request, channel);
  if (loaded.type === 'gone') return loaded;
  let references = loaded.inputs;
  const call = (entry: SpoolEntry) => {
    const taken = references;
    references = [];
    return channel.call(request, {
      entry: markArrival(entry, deps.crash),
      references: taken,
      timeoutMs: Math.min(deps.callMsMax, modelById(request.model).timeoutMs),
      signal: deps.stopping,
      leaving: () => tellLeaving(deps, place, entry.ref),
    });
  };
  return { type: 'prepared', call };
}

/** The provider counts calls when they come, and so does the quota: a connection may have taken its time. Nobody waits for it. */
function tellLeaving({ quotas, log }: AttemptDeps, place: Place, { attempt }: AttemptRef): void {
  quotas
    .sent(place, attempt)
    .catch((error: unknown) => log.debug({ ...place, attempt, ...describeError(error) }, 'quota.not_told'));
}

/** The entry, with the moment marked at which a whole answer is here and not yet durable. */
function markArrival(entry: SpoolEntry, crash: CrashPoint): SpoolEntry {
  return withCrashPoints(entry, crash, { commit: { before: 'attempt.arrived' } });
}
