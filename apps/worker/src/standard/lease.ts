import type { AttemptRef } from '@darkroom/shared/domain';
import { describeError, type Log } from '@darkroom/shared/observability';
import type { Ledger } from '@darkroom/shared/ports';

/** A sixth of the lease, so several renewals may fail before a reaper gives the attempt up. */
const RENEW_MS = 10_000;

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
