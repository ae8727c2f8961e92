/** Members that no line came for: what became of them follows from how their chunk ended. */

import {
  type AttemptEnd,
  type ErrorCode,
  isAwaitingWake,
  isLateForBatch,
  isRescued,
  type Job,
  type JobError,
  leaveBatchBy,
  type ProviderBatch,
  type ProviderBatchMember,
  reroute,
} from '@darkroom/shared/domain';
import { ifReadable, updateJob } from '@darkroom/shared/usecases';
import { report, settleJob } from '../standard/settle-attempt.ts';
import type { BatchDeps } from './deps.ts';

const WIDTH = 16;

/**
 * Ends the attempt of every member that is still open.
 *
 * @param how `in_doubt`: it may have been made and billed; `rejected`: the provider says that it was not
 * @returns how many there were
 */
export async function endLeftovers(
  deps: BatchDeps,
  batch: ProviderBatch,
  members: ProviderBatchMember[],
  how: 'in_doubt' | 'rejected',
): Promise<number> {
  let ended = 0;
  for (let at = 0; at < members.length; at += WIDTH) {
    const step = members.slice(at, at + WIDTH);
    const some = await Promise.all(step.map((member) => ifReadable(endMember(deps, batch, member, how))));
    ended += some.filter(Boolean).length;
  }
  return ended;
}

async function endMember(
  deps: BatchDeps,
  batch: ProviderBatch,
  member: ProviderBatchMember,
  how: 'in_doubt' | 'rejected',
): Promise<boolean> {
  const job = await deps.ledger.read(member.tenant, member.job);
  // One that a stray has a line for is settled by that.
  const attempt = job?.state.attempts.find(
    ({ id, providerBatch }) => id === member.attempt && providerBatch === batch.id,
  );
  if (attempt?.state === 'open') {
    const { type = 'succeeded', code } = batch.end ?? {};
    const reason = WORDS[type];
    const again = { code: code ?? 'upstream_unavailable', retryable: !code, detail: reason } as const;
    if (how === 'rejected') await rejectMember(deps, batch, member, again);
    else await end(deps, batch, member, { type: 'in_doubt', reason });
  }
  await moveOn(deps, batch, member);
  return attempt?.state === 'open';
}

/**
 * What the end of a stray says of members that it did not make: nothing, as long as another batch of their chunk may have
 * made them; else those that were in doubt cost nothing after all.
 */
export async function resolveDoubts(
  deps: BatchDeps,
  batch: ProviderBatch,
  members: ProviderBatchMember[],
  how: 'in_doubt' | 'rejected',
): Promise<void> {
  const { stray } = batch;
  if (how !== 'rejected' || !stray?.only) return;
  const again = { code: 'upstream_unavailable', retryable: true, detail: WORDS[batch.end?.type ?? 'failed'] } as const;
  for (const member of members) {
    const job = await ifReadable(deps.ledger.read(member.tenant, member.job));
    const attempt = job?.state.attempts.find(({ id }) => id === member.attempt);
    if (attempt?.state !== 'in_doubt' || attempt.providerBatch !== stray.of) continue;
    await ifReadable(rejectMember(deps, batch, member, again));
  }
}

const WORDS: Record<NonNullable<ProviderBatch['end']>['type'], string> = {
  succeeded: 'The provider batch ended without a result for it.',
  failed: 'The provider batch failed.',
  canceled: 'The provider batch was canceled.',
  expired: 'The provider batch expired.',
  lost: 'The provider batch is lost.',
};

/** Nothing was spent on the member. */
export async function rejectMember(
  deps: BatchDeps,
  batch: ProviderBatch,
  member: ProviderBatchMember,
  { code, retryable, detail }: { code: ErrorCode; retryable: boolean; detail: string },
): Promise<void> {
  const message = batch.end?.message;
  const error: JobError = { code, detail, upstream: { channel: batch.channel, ...(message && { message }) } };
  const record = await deps.ledger.read(member.tenant, member.job);
  const began = record?.state.attempts.find(({ id }) => id === member.attempt)?.startedAt ?? batch.createdAt;
  const ms = deps.clock.now() - began;
  await end(deps, batch, member, {
    type: 'rejected',
    verdict: { type: 'rejected', code, retryable, http: 0, ...(message && { message }) },
    error,
    ms,
  });
}

async function end(deps: BatchDeps, batch: ProviderBatch, member: ProviderBatchMember, how: AttemptEnd): Promise<void> {
  const { tenant, job, attempt } = member;
  const ref = { tenant, job, attempt };
  const updated = await settleJob(deps, ref, how);
  if (updated?.changed) report(deps, ref, how, updated.job, batch.channel);
}

/** A member that its chunk was taken back for, or whose time is short, goes on by itself; the others wait for another. */
async function moveOn(deps: BatchDeps, batch: ProviderBatch, { tenant, job: id, attempt }: ProviderBatchMember) {
  const { ledger, clock, outbox, plan, rules } = deps;
  const times = await plan.times(batch.model);
  const updated = await updateJob(ledger, tenant, id, (job) => {
    if (!isAwaitingWake(job.state) || job.state.attempts.at(-1)?.id !== attempt) return undefined;
    const leaveBy = leaveBatchBy(job, times) ?? Number.POSITIVE_INFINITY;
    const goes =
      isRescued(batch, leaveBy, rules.lifeMs) || isLateForBatch(job, times, clock.now()) || isLeftOut(batch, job);
    if (!goes) return undefined;
    return reroute(job, 'standard', 'rescued from a provider batch', clock.now());
  });
  if (!updated?.changed) return;
  outbox.push(updated.job);
  deps.log.info({ tenant, job: id, providerBatch: batch.id }, 'batch.rescued');
}

/** Provider batches that may end without a job before it is made by itself: what ails them may well be one of their lines. */
const LEFT_OUT_MAX = 2;

function isLeftOut({ end }: ProviderBatch, { state }: Job): boolean {
  if (end?.type !== 'failed' && end?.type !== 'expired') return false;
  const without = state.attempts.filter(
    (one) => one.providerBatch !== undefined && one.state === 'rejected' && one.error === 'upstream_unavailable',
  );
  return without.length >= LEFT_OUT_MAX;
}
