/** Which attempt of a job a line of a provider batch stands for, when more than one batch was made of its chunk. Pure. */

import { begin, settle } from './attempt.ts';
import type { AttemptEnd } from './attempt-end.ts';
import { type Change, changeTo } from './change.ts';
import type { Attempt, AttemptId, EpochMs, Job, JobState } from './job.ts';
import { estimateCost } from './price.ts';
import type { ProviderBatch } from './provider-batch.ts';
import { suffixOf } from './provider-batch-steps-stray.ts';

/** A line for the attempt `sent`, in the results of `batch`. `billed` = it may have cost something. */
export type BilledLine = {
  sent: AttemptId;
  batch: Pick<ProviderBatch, 'id' | 'channel' | 'stray' | 'providerName'>;
  billed: boolean;
};

/** `job` = as it is with the attempt on its record; `change` = what made it so, if anything had to. */
export type Attributed = { attempt: AttemptId; job: Job; change?: Change };

const EXTRA = '-';

/**
 * The chunk's own batch and each stray settle one attempt each, so that every charge is on the record once: the chunk's
 * is the attempt that was sent; a stray's is one more, unless the one that was sent is in doubt: that is what it resolves.
 * While the chunk's own batch may still tell, nothing that a stray says ends the attempt.
 *
 * A record that Redis has lost the attempt of takes it again, if no other has begun. What was billed behind the rejection
 * of its attempt is one more, too.
 *
 * @returns `undefined` when the line changes nothing
 */
export function attribute(job: Job, { sent, batch, billed }: BilledLine, now: EpochMs): Attributed | undefined {
  const { attempts } = job.state;
  const extra = sent + EXTRA + suffixOf(batch.providerName ?? batch.id);
  const own = attempts.find(
    ({ id, providerBatch, state }) =>
      (id === extra || (id === sent && providerBatch === batch.id)) && !(billed && state === 'rejected'),
  );
  if (own) return { attempt: own.id, job };
  const known = attempts.find(({ id }) => id === sent);
  if (known && mayTakeOver(known, batch.stray, billed))
    return written(job, sent, attempts.with(attempts.indexOf(known), { ...known, providerBatch: batch.id }), now);
  if (!known) {
    const begun = begin(job, { id: sent, channel: batch.channel, providerBatch: batch.id }, now);
    if (begun.type === 'go') return { attempt: sent, job: begun.change.after, change: begun.change };
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
  return written(job, extra, [...attempts, more], now);
}

/**
 * The job once a line has ended the attempt that it stands for: attributed and settled by one change, so that no other
 * batch's collector can come between the two.
 *
 * @returns `undefined` when the line changes nothing, or has been settled before
 */
export function settleLine(
  job: Job,
  line: BilledLine,
  end: AttemptEnd,
  now: EpochMs,
  random: () => number,
): Change | undefined {
  const found = attribute(job, line, now);
  if (!found) return undefined;
  const settled = settle(found.job, found.attempt, end, now, random);
  if (!found.change || !settled) return settled ?? found.change;
  const { after, events } = settled;
  return {
    before: job,
    after: { ...after, version: job.version + 1 },
    events: [...found.change.events, ...events],
    at: now,
  };
}

/** The last attempt that was sent from here: what the provider made beside it is no try of ours. */
export function lastSent({ attempts }: JobState): Attempt | undefined {
  return attempts.findLast(({ id }) => !id.includes(EXTRA));
}

/** It is in doubt, and no other stray has taken it. What was not made here may be made by the others, unless there are none. */
function mayTakeOver({ state, providerBatch }: Attempt, stray: ProviderBatch['stray'], billed: boolean): boolean {
  return stray !== undefined && providerBatch === stray.of && state === 'in_doubt' && (billed || stray.only);
}

function written(job: Job, attempt: AttemptId, attempts: Attempt[], now: EpochMs): Attributed {
  const change = changeTo(job, { ...job.state, attempts }, [], now);
  return { attempt, job: change.after, change };
}
