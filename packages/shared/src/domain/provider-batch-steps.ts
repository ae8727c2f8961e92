/**
 * The life of a provider batch, decided. Pure: each function takes the record and gives its next version, or
 * `undefined` when there is nothing to do. Who writes that version first has decided; the other reads again.
 *
 *   sealing → sealed → creating → submitted → ended → closed
 *
 * Here: what happens on this side. The call that makes it is in `-create`, what the provider tells in `-look`, its
 * results in `-harvest`.
 */

import type { EpochMs, ProviderBatchId } from './job.ts';
import type { ProviderBatch } from './provider-batch.ts';
import { alarm, dropping, endedBy, next, returnAt, waitsUntil } from './provider-batch-steps-next.ts';

const MINUTE_MS = 60_000;
const DISPLAY_PREFIX = 'darkroom-';
const BACKOFF_MS = 30_000;
const BACKOFF_MS_MAX = 10 * MINUTE_MS;
const WHY_MAX = 500;
const CANCEL_MS = MINUTE_MS;
const CANCEL_MS_MAX = 10 * MINUTE_MS;

/** When a chunk is looked at for being taken back, for which deadline, and for how many. */
export type Rescue = Pick<ProviderBatch, 'rescueAt' | 'rescueDue' | 'rescueSize' | 'reviewAt'>;

type Sums = Pick<ProviderBatch, 'size' | 'estimated' | 'tokens' | 'inputBytes' | 'outputBytes'>;

/** A chunk whose members are chosen, and whose records do not know it yet. */
export function planChunk(
  id: ProviderBatchId,
  plan: Pick<ProviderBatch, 'channel' | 'model'> & Sums & Rescue,
  now: EpochMs,
): ProviderBatch {
  return {
    ...plan,
    id,
    version: 1,
    state: 'sealing',
    createdAt: now,
    dueAt: now,
    displayName: `${DISPLAY_PREFIX}${id}`,
    creates: [],
    waste: 0,
    troubles: 0,
    alarms: [],
  };
}

/** The chunk that a batch was made for, by its display name; `undefined` when it was not made by this program. */
export function chunkOf(displayName: string): ProviderBatchId | undefined {
  return displayName.startsWith(DISPLAY_PREFIX) ? displayName.slice(DISPLAY_PREFIX.length) : undefined;
}

/** Members and sums are final; a chunk that nobody is left in is closed. */
export function seal(
  batch: ProviderBatch,
  kept: Sums & Rescue & Pick<ProviderBatch, 'traces'>,
  now: EpochMs,
): ProviderBatch | undefined {
  if (batch.state !== 'sealing') return undefined;
  return next(dropping(batch, 'rescueDue', 'rescueSize', 'reviewAt'), {
    ...kept,
    state: kept.size ? 'sealed' : 'closed',
    dueAt: now,
  });
}

/** The input file is at the provider. */
export function uploaded(
  batch: ProviderBatch,
  input: NonNullable<ProviderBatch['input']>,
  now: EpochMs,
): ProviderBatch | undefined {
  if (batch.state !== 'sealed') return undefined;
  return next(batch, { input, dueAt: now, troubles: 0 });
}

/**
 * Why the chunk should be taken back, if it should; for a rescue, others may go first.
 *
 * @param wanted whether any caller still waits for a member
 */
export function cancelReason(
  batch: ProviderBatch,
  wanted: boolean,
  now: EpochMs,
): NonNullable<ProviderBatch['cancelFor']> | undefined {
  if (batch.state !== 'sealed' && batch.state !== 'submitted') return undefined;
  // While it goes on all the same: again, after a while.
  if (batch.cancelAskedAt !== undefined) return now >= (batch.cancelAgainAt ?? 0) ? batch.cancelFor : undefined;
  if (batch.stray) return 'stray';
  if (now >= returnAt(batch)) return 'rescue';
  return wanted ? undefined : 'callers';
}

const TERMS = ['rescueAt', 'rescueDue', 'rescueSize', 'reviewAt'] as const;

/**
 * Its members have other terms than before, or other chunks go first. `undefined` when that changes nothing, or it is
 * on its way back already.
 */
export function rescheduled(batch: ProviderBatch, rescue: Rescue): ProviderBatch | undefined {
  if (batch.cancelAskedAt !== undefined || batch.state === 'ended' || batch.state === 'closed') return undefined;
  if (TERMS.every((term) => rescue[term] === batch[term])) return undefined;
  const dueAt = waitsUntil({ state: batch.state, ...rescue }, batch.dueAt);
  return next(dropping(batch, 'rescueDue', 'rescueSize', 'reviewAt'), { ...rescue, dueAt });
}

/** Whether a member that must leave the lane by `leaveBy` is one that the chunk was taken back for; the others may go again. */
export function isRescued({ cancelFor, ...batch }: ProviderBatch, leaveBy: EpochMs, lifeMs: number): boolean {
  if (cancelFor !== 'rescue') return false;
  const since = Math.min(batch.createdAt, batch.submittedAt ?? batch.createdAt);
  const outlived = batch.end !== undefined && batch.end.at >= since + lifeMs;
  return outlived || leaveBy <= (batch.rescueDue ?? Number.POSITIVE_INFINITY);
}

/**
 * Taken back: at once when nothing was sent yet, else when the provider has confirmed it. Whoever writes this asks it to;
 * the call may fail or have no effect, so it is made again: after a minute, then each time twice as late.
 */
export function cancelAsked(
  batch: ProviderBatch,
  cancelFor: NonNullable<ProviderBatch['cancelFor']>,
  now: EpochMs,
): ProviderBatch | undefined {
  if (batch.state === 'submitted') {
    const { cancelAskedAt = now } = batch;
    const waitMs = Math.min(CANCEL_MS_MAX, Math.max(CANCEL_MS, now - cancelAskedAt));
    return next(batch, { cancelFor, cancelAskedAt, cancelAgainAt: now + waitMs });
  }
  if (batch.state !== 'sealed') return undefined;
  const text = cancelFor === 'rescue' ? 'not sent in time' : 'not sent: canceled by the callers';
  return { ...endedBy(batch, 'canceled', text, now), cancelFor };
}

/**
 * Given back to its jobs, so that another account takes them: its own takes none. Nothing of it was sent, or what was is
 * known to have come to nothing.
 */
export function givenBack(batch: ProviderBatch, why: string, now: EpochMs): ProviderBatch | undefined {
  if (batch.state !== 'sealed') return undefined;
  return { ...endedBy(batch, 'canceled', why.slice(0, WHY_MAX), now), cancelFor: 'channel' };
}

/** Over without the provider: nothing of it can be made. */
export function giveUp(batch: ProviderBatch, message: string, now: EpochMs): ProviderBatch | undefined {
  return batch.state === 'sealed' ? endedBy(batch, 'failed', message, now) : undefined;
}

/** Not before `at`: it, or another chunk, was told so. */
export function waitUntil(batch: ProviderBatch, at: EpochMs): ProviderBatch {
  return next(batch, { dueAt: waitsUntil(batch, at) });
}

/**
 * A step failed: again later, each time twice as late.
 *
 * @param told what an operator has to mend, where that is known
 */
export function troubled(batch: ProviderBatch, now: EpochMs, random: () => number, told?: string): ProviderBatch {
  const troubles = batch.troubles + 1;
  const most = Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** Math.min(troubles - 1, 10));
  const at = now + Math.round(most * (0.5 + random() / 2));
  // One whose time has come fails to be taken back: that is no reason to try it without a pause.
  const dueAt = now < returnAt(batch) ? waitsUntil(batch, at) : at;
  return next(batch, { troubles, dueAt, ...(told !== undefined && alarm(batch, told)) });
}
