/** Members that no line came for: what became of them follows from how their chunk ended. */

import {
  type AttemptEnd,
  type ErrorCode,
  failWaiting,
  isAwaitingWake,
  isLateForBatch,
  isRescued,
  type Job,
  type JobError,
  laneOf,
  lastSent,
  leaveBatch,
  leaveBatchBy,
  type Onward,
  type ProviderBatch,
  type ProviderBatchMember,
} from '@darkroom/shared/domain';
import { handOff, ifReadable, updateJob } from '@darkroom/shared/usecases';
import { inSettleSpan } from '../attempt-span.ts';
import { report, settleJob } from '../standard/settle-attempt.ts';
import { accountsFor } from './accounts.ts';
import type { BatchDeps } from './deps.ts';
import { hasStandardLane, isOfAccount } from './elsewhere.ts';

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
  const failures = job ? await failuresOf(deps, batch, job) : 0;
  if (attempt?.state === 'open') {
    const { type = 'succeeded', code } = batch.end ?? {};
    const elsewhere = batch.cancelFor === 'channel' || code !== undefined;
    const reason = WORDS[type];
    const retryAfterMs = failures && AGAIN_MS * 2 ** (failures - 1);
    // Of a chunk that nothing was sent of, no member has had its attempt.
    const fault = batch.creates.length ? 'upstream_unavailable' : 'upstream_unreachable';
    const again = { code: code ?? fault, retryable: true, retryAfterMs, elsewhere, detail: reason } as const;
    if (how === 'rejected') await rejectMember(deps, batch, member, again);
    else await end(deps, batch, member, { type: 'in_doubt', reason });
  }
  await moveOn(deps, batch, member, failures);
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
  {
    code,
    retryable,
    retryAfterMs,
    elsewhere = false,
    detail,
  }: { code: ErrorCode; retryable: boolean; retryAfterMs?: number; elsewhere?: boolean; detail: string },
): Promise<void> {
  const message = batch.end?.message;
  const error: JobError = { code, detail, upstream: { channel: batch.channel, ...(message && { message }) } };
  const record = await deps.ledger.read(member.tenant, member.job);
  const began = record?.state.attempts.find(({ id }) => id === member.attempt)?.startedAt ?? batch.createdAt;
  const ms = deps.clock.now() - began;
  const how: AttemptEnd = {
    type: 'rejected',
    verdict: {
      type: 'rejected',
      code,
      retryable,
      http: 0,
      ...(retryAfterMs && { retryAfterMs }),
      ...(message && { message }),
    },
    error,
    ms,
  };
  await end(deps, batch, member, how, { elsewhere });
}

/** @param onward `elsewhere`: at once, with another account or by itself */
async function end(
  deps: BatchDeps,
  batch: ProviderBatch,
  member: ProviderBatchMember,
  how: AttemptEnd,
  onward: Onward = {},
): Promise<void> {
  const { tenant, job, attempt } = member;
  const ref = { tenant, job, attempt };
  const updated = await settleJob(deps, ref, how, { onward });
  if (!updated?.changed) return;
  await inSettleSpan(ref, updated.job, async () => report(deps, ref, how, updated.job, batch.channel));
}

/** Provider batches that may end without a job before it is made by itself: what ails them may well be one of their lines. */
const FAILURES_MAX = 2;
/** As many for a job that `max_cost` keeps from being made by itself. */
const FAILURES_MAX_POOR = 3;
/** From the first of them to the next try; each time twice as long. */
const AGAIN_MS = 60_000;

/** How many provider batches have failed or expired with the job in them: none, unless this one has. */
async function failuresOf({ batches }: BatchDeps, batch: ProviderBatch, { state }: Job): Promise<number> {
  if (!isFailure(batch)) return 0;
  const rejected = state.attempts.filter((one) => one.state === 'rejected');
  const others = new Set(rejected.flatMap(({ providerBatch: id }) => (id && id !== batch.id ? [id] : [])));
  const ended = await Promise.all([...others].map((id) => batches.read(id)));
  return 1 + ended.filter((one) => one && isFailure(one)).length;
}

/** One that was refused says nothing of its lines. */
function isFailure({ end }: ProviderBatch): boolean {
  return end?.code === undefined && (end?.type === 'failed' || end?.type === 'expired');
}

/**
 * A member that its chunk was taken back for, or whose time is short, goes on by itself; the others wait for another, as
 * does one that has not the money to go. But not for ever.
 */
async function moveOn(deps: BatchDeps, batch: ProviderBatch, member: ProviderBatchMember, failures: number) {
  const { ledger, clock, outbox, plan, rules, specs } = deps;
  const { tenant, job: id } = member;
  const way = { ...(await plan.times(batch.model)), specs };
  const { code } = batch.end ?? {};
  const updated = await updateJob(ledger, tenant, id, (job) => {
    if (!isBack(job, member)) return undefined;
    if (code && !staysInLane(deps, batch, job))
      return hasStandardLane(deps, job) ? leaveBatch(job, { reason: REFUSED, specs }, clock.now()) : undefined;
    const leaveBy = leaveBatchBy(job, way) ?? Number.POSITIVE_INFINITY;
    const late = isRescued(batch, leaveBy, rules.lifeMs) || isLateForBatch(job, way, clock.now());
    if (!late && failures < FAILURES_MAX) return undefined;
    return leaveBatch(job, { reason: 'rescued from a provider batch', specs }, clock.now());
  });
  if (!updated?.changed) {
    if (failures >= FAILURES_MAX_POOR) return giveUp(deps, member, tooOften(failures));
    if (code && updated && !staysInLane(deps, batch, updated.job))
      return giveUp(deps, member, { code, detail: batch.end?.message ?? REFUSED });
    return undefined;
  }
  outbox.push(updated.job);
  deps.calls.failedOver(batch.id);
  deps.log.info({ tenant, job: id, providerBatch: batch.id }, 'batch.rescued');
}

const REFUSED = 'the provider takes no such batch';

/** Of a chunk that was refused for good: another account may take what this one does not, but not what is wrong with it. */
function staysInLane(deps: BatchDeps, { channel, end: refused }: ProviderBatch, job: Job): boolean {
  if (!refused?.code || !isOfAccount(refused.code)) return false;
  return accountsFor(deps, job).some(({ spec }) => spec.id !== channel);
}

/** Waiting since this very attempt ended. */
function isBack({ state }: Job, { attempt }: ProviderBatchMember): boolean {
  return isAwaitingWake(state) && lastSent(state)?.id === attempt;
}

/** Ends a member that is back in the batch lane and may not leave it. */
async function giveUp({ ledger, clock, outbox }: BatchDeps, member: ProviderBatchMember, error: JobError) {
  const { tenant, job: id } = member;
  const updated = await updateJob(ledger, tenant, id, (job) =>
    isBack(job, member) && laneOf(job) === 'batch' ? failWaiting(job, error, clock.now()) : undefined,
  );
  if (updated?.followers) await handOff({ ledger, clock, outbox }, tenant, id);
}

function tooOften(failures: number): JobError {
  const detail = `${failures} provider batches failed or expired without it, and max_cost has no room for a call by itself.`;
  return { code: 'max_cost_exceeded', detail };
}
