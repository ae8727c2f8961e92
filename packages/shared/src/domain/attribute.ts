/** Which attempt of a job a line of a provider batch stands for, when more than one batch was made of its chunk. Pure. */

import { type Change, changeTo } from './change.ts';
import type { Attempt, AttemptId, EpochMs, Job } from './job.ts';
import { estimateCost } from './price.ts';
import type { ProviderBatch } from './provider-batch.ts';
import { suffixOf } from './provider-batch-steps-stray.ts';

/** `change` = what has to be written before the attempt is settled. */
export type Attributed = { attempt: AttemptId; change?: Change };

/**
 * The chunk's own batch and each stray settle one attempt each, so that every charge is on the record once: the attempt
 * that was sent, for the first of them that has something to tell about it; one more, for every other that was billed.
 *
 * @param sent the attempt that the line names, which is on the record
 * @param billed whether the line costs anything
 * @returns `undefined` when the line changes nothing
 */
export function attribute(
  job: Job,
  sent: AttemptId,
  batch: Pick<ProviderBatch, 'id' | 'channel' | 'stray' | 'providerName'>,
  { billed, now }: { billed: boolean; now: EpochMs },
): Attributed | undefined {
  const { attempts } = job.state;
  const extra = `${sent}-${suffixOf(batch.providerName ?? batch.id)}`;
  const known = attempts.find(({ id }) => id === sent);
  const taken = attempts.find(({ id, providerBatch }) => providerBatch === batch.id && (id === sent || id === extra));
  if (taken) return { attempt: taken.id };
  if (known && mayTakeOver(known, batch.stray, billed)) {
    return {
      attempt: sent,
      change: withAttempts(job, attempts.with(attempts.indexOf(known), { ...known, providerBatch: batch.id }), now),
    };
  }
  if (!billed) return undefined;
  const more: Attempt = {
    id: extra,
    channel: batch.channel,
    model: job.request.model,
    lane: 'batch',
    providerBatch: batch.id,
    state: 'in_doubt',
    // When it came to light: attempts of a record follow each other.
    startedAt: now,
    cost: estimateCost(job.request, 'batch'),
    error: 'outcome_unknown',
    reason: 'The provider made it more than once.',
  };
  return { attempt: extra, change: withAttempts(job, [...attempts, more], now) };
}

/** Nobody has settled it, and no other stray has taken it. What was not made here may be made by the others, unless there are none. */
function mayTakeOver({ state, providerBatch }: Attempt, stray: ProviderBatch['stray'], billed: boolean): boolean {
  if (!stray || providerBatch !== stray.of) return false;
  return billed ? state === 'open' || state === 'in_doubt' : state === 'in_doubt' && stray.only;
}

function withAttempts(job: Job, attempts: Attempt[], now: EpochMs): Change {
  return changeTo(job, { ...job.state, attempts }, [], now);
}
