/** What all steps of a provider batch are made of. */

import type { EpochMs } from './job.ts';
import type { ProviderBatch, ProviderEnd } from './provider-batch.ts';

const ALARMS_MAX = 20;

/** The next version of the record. */
export function next(batch: ProviderBatch, change: Partial<ProviderBatch>): ProviderBatch {
  return { ...batch, ...change, version: batch.version + 1 };
}

/** Notes something that an operator should know, once; the oldest of many goes. */
export function alarm({ alarms }: ProviderBatch, text: string): Pick<ProviderBatch, 'alarms'> {
  return { alarms: [...alarms.filter((known) => known !== text), text].slice(-ALARMS_MAX) };
}

/** The record without what no longer holds. */
export function dropping(
  batch: ProviderBatch,
  ...names: ('cancelAskedAt' | 'cancelAgainAt' | 'unseen' | 'providerState' | 'rescueDue' | 'rescueSize' | 'reviewAt')[]
): ProviderBatch {
  const copy = { ...batch };
  for (const name of names) delete copy[name];
  return copy;
}

type Returning = Pick<ProviderBatch, 'state' | 'rescueAt' | 'reviewAt'>;

/** When it may have to be taken back. */
export function returnAt({ rescueAt, reviewAt = rescueAt }: Omit<Returning, 'state'>): EpochMs {
  return Math.min(rescueAt, reviewAt);
}

/** One that is not sent yet waits for whatever it is, but not beyond the time when it may have to be taken back. */
export function waitsUntil(batch: Returning, at: EpochMs): EpochMs {
  return batch.state === 'sealed' ? Math.min(at, returnAt(batch)) : at;
}

/** Over at the provider, or without it. */
export function endedBy(
  batch: ProviderBatch,
  type: ProviderEnd,
  message: string | undefined,
  now: EpochMs,
): ProviderBatch {
  return next(batch, {
    state: 'ended',
    end: { type, at: now, ...(message && { message }) },
    dueAt: now,
    troubles: 0,
  });
}
