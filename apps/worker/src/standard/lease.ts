import { type AttemptRef, begin, type Job } from '@darkroom/shared/domain';
import { describeError, type Log } from '@darkroom/shared/observability';
import type { Ledger } from '@darkroom/shared/ports';
import { updateJob } from '@darkroom/shared/usecases';
import type { AttemptDeps } from './deps.ts';

/** A sixth of the lease, so several renewals may fail before a reaper gives the attempt up. */
const RENEW_MS = 10_000;

/**
 * Puts the attempt on the record.
 *
 * @param read the job as it was read last
 * @returns the job, or `undefined` when somebody else was faster, or the job may not run
 */
export async function takeLease(
  { ledger, channel, clock }: Pick<AttemptDeps, 'ledger' | 'channel' | 'clock'>,
  ref: AttemptRef,
  read: Job,
): Promise<Job | undefined> {
  // Mostly nobody has changed the record since it was read, and the write itself finds out.
  const hoped = begin(read, { id: ref.attempt, channel: channel.id }, clock.now());
  if (hoped.type === 'go' && (await ledger.write(hoped.change)).type === 'written') return hoped.change.after;
  const updated = await updateJob(ledger, ref.tenant, ref.job, (job) => {
    const begun = begin(job, { id: ref.attempt, channel: channel.id }, clock.now());
    return begun.type === 'go' ? begun.change : undefined;
  });
  return updated?.job.state.open === ref.attempt ? updated.job : undefined;
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
