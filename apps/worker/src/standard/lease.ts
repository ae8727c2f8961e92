import {
  type AttemptRef,
  begin,
  type Candidate,
  type EpochMs,
  type Job,
  modelOf,
  type Place,
} from '@darkroom/shared/domain';
import { describeError, type Log } from '@darkroom/shared/observability';
import type { Clock, Ledger } from '@darkroom/shared/ports';
import { updateJob } from '@darkroom/shared/usecases';
import type { AttemptDeps } from './deps.ts';

/** A sixth of the lease, so several renewals may fail before a reaper gives the attempt up. */
const RENEW_MS = 10_000;
/** On the record of an attempt whose channel nobody knows any more. */
const UNKNOWN_CHANNEL = 'unknown';

/** Clocks of two machines are no further apart. */
const SKEW_MS_MAX = 2 * 3_600_000;

/**
 * When it is for a job that is next in line: who let it stand there knew that it was due, and this machine's clock may be
 * behind theirs.
 */
export function timeFor({ state }: Job, clock: Clock): EpochMs {
  const own = clock.now();
  return state.runAt - own <= SKEW_MS_MAX ? Math.max(own, state.runAt) : own;
}

/**
 * Puts the attempt on the record.
 *
 * @param read the job as it was read last
 * @returns the job, or `undefined` when somebody else was faster, or the job may not run
 */
export async function takeLease(
  { ledger, clock }: Pick<AttemptDeps, 'ledger' | 'clock'>,
  ref: AttemptRef,
  read: Job,
  { place, cost }: Pick<Candidate, 'place' | 'cost'>,
): Promise<Job | undefined> {
  const attempt = { id: ref.attempt, channel: place.channel, ...(cost !== read.state.estimated && { estimate: cost }) };
  // Mostly nobody has changed the record since it was read, and the write itself finds out.
  const hoped = begin(read, attempt, timeFor(read, clock));
  if (hoped.type === 'go' && (await ledger.write(hoped.change)).type === 'written') return hoped.change.after;
  const updated = await updateJob(ledger, ref.tenant, ref.job, (job) => {
    const begun = begin(job, attempt, timeFor(job, clock));
    return begun.type === 'go' ? begun.change : undefined;
  });
  return updated?.job.state.open === ref.attempt ? updated.job : undefined;
}

/** Puts an attempt on a record that has lost it, when no other has begun. @param place where it was made, if its intent said so */
export async function takeBack(
  deps: Pick<AttemptDeps, 'ledger' | 'clock'>,
  ref: AttemptRef,
  read: Job,
  place: Place = { channel: UNKNOWN_CHANNEL, model: modelOf(read) },
): Promise<Job | undefined> {
  return takeLease(deps, ref, read, {
    place,
    cost: read.state.estimated,
  });
}

/** Renews the lease until stopped. A lost lease aborts nothing: the call is paid, and its image is worth keeping. */
export function holdLease(ledger: Ledger, ref: AttemptRef, log: Log): Disposable {
  const timer = setInterval(() => renewLease(ledger, ref, log), RENEW_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Renews the lease once, in the background. */
export function renewLease(ledger: Ledger, ref: AttemptRef, log: Log): void {
  ledger.renew(ref).then(
    (state) => state === 'lost' && log.debug({ ...ref }, 'lease.lost'),
    (error: unknown) => log.warn({ ...ref, ...describeError(error) }, 'lease.not_renewed'),
  );
}
