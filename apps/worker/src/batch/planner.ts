/**
 * From the pool of a model to chunks whose members' records say so.
 *
 * The claim only keeps two planners from doing the same work. What keeps a job out of two chunks is its record: it is
 * begun at the very version it was chosen at, or not at all.
 */

import {
  type BatchId,
  byHaste,
  type Chunk,
  cutChunk,
  type EpochMs,
  fitsChunk,
  isAwaitingWake,
  isLateForBatch,
  type Job,
  laneOf,
  leaveBatch,
  type Place,
  type ProviderBatch,
  planChunk,
  weigh,
} from '@darkroom/shared/domain';
import type { PoolMember } from '@darkroom/shared/ports';
import { ifReadable, updateJob } from '@darkroom/shared/usecases';
import { accountsFor, carries, chunkCost, type RoomyAccount, roomyAccounts } from './accounts.ts';
import { spillOf } from './demand.ts';
import type { BatchAccount, BatchDeps } from './deps.ts';
import { sampleLeavers } from './funds.ts';
import { rescueTime } from './rescue-time.ts';
import { sealChunk } from './seal.ts';

/** Members looked at in one step, and at most for one chunk: those in front may all be waiting for their time. */
const PAGE = 200;
/** Members weighed again in one round. */
const AGAIN = 50;
const LOOK_MAX = 10_000;
/** Jobs sent on to the standard lane in one round. */
const LATE_MAX = 1_000;

/** Cuts every chunk that is due. @returns how many */
export async function planOnce(deps: BatchDeps): Promise<number> {
  let cut = 0;
  for (const model of await deps.pool.models()) {
    await using held = await deps.batches.hold(`plan-${model}`, deps.holdMs);
    if (!held) continue;
    await bringBack(deps, model);
    await weighNewcomers(deps, model);
    await weighMembers(deps, model, await deps.pool.some(model, AGAIN));
    await sendLateOn(deps, model);
    while (!deps.draining.aborted && (await cutOne(deps, model))) cut++;
  }
  return cut;
}

/** Jobs that were put aside take their places again once their batch goes on, or is over: then their records say so. */
async function bringBack({ pool, isPaused, draining, log }: BatchDeps, model: string): Promise<void> {
  for (const batch of await pool.asides(model)) {
    if (await isPaused(batch.tenant, batch.id)) continue;
    const members = await pool.bringBack(model, batch, draining);
    log.info({ tenant: batch.tenant, batch: batch.id, model, members }, 'pool.brought_back');
  }
}

async function weighNewcomers(deps: BatchDeps, model: string): Promise<void> {
  for (let looked = 0; looked < LOOK_MAX && !deps.draining.aborted; looked += PAGE) {
    const page = await deps.pool.newcomers(model, PAGE);
    await weighMembers(deps, model, page);
    if (page.length < PAGE) break;
  }
}

/**
 * Which members can pay for the standard lane: only they are counted among what it may have to make. What the rows of a
 * batch can pay together changes as they end, so that some of all are weighed again in each round.
 */
async function weighMembers(deps: BatchDeps, model: string, members: PoolMember[]): Promise<void> {
  const { pool } = deps;
  const { jobs, stale, paused } = await readWaiting(deps, model, members);
  await pool.remove(model, stale);
  await putAside(deps, model, paused);
  const leaving = new Set(await sampleLeavers(deps, jobs));
  const staying = jobs.filter((job) => !leaving.has(job));
  await pool.weighed(model, { leaving: [...leaving], staying });
}

/**
 * Jobs whose time no longer suffices for a batch go on by themselves; and some more, before so many are late at the same
 * time that the standard lane could not make them any more.
 */
async function sendLateOn(deps: BatchDeps, model: string): Promise<void> {
  const { plan, clock, specs } = deps;
  const times = await plan.times(model);
  const lateUntil = clock.now() + times.standardMs + times.batchMsMin;
  const late = (job: Job) => isLateForBatch(job, { ...times, specs }, clock.now());
  await sendDueOn(deps, model, { until: lateUntil, most: LATE_MAX }, late, 'too late for a provider batch');
  const spill = await spillOf(deps, model, times, clock.now());
  await sendDueOn(deps, model, spill, () => true, 'too many are due for all to wait for a provider batch');
}

/**
 * At most so many of those due by an instant; whoever may not leave the lane stays, and hides no other. Of a batch whose
 * `max_cost` has no room for one row the others are not asked about again in the same round: there may be thousands.
 */
async function sendDueOn(
  deps: BatchDeps,
  model: string,
  { until, most }: { until: EpochMs; most: number },
  may: (job: Job) => boolean,
  reason: string,
): Promise<void> {
  let left = Math.min(most, LATE_MAX);
  const poor = new Set<BatchId>();
  for (let looked = 0, staying = 0; left > 0 && looked < LOOK_MAX; ) {
    const page = await deps.pool.pressed(model, until, staying, PAGE);
    const { jobs, stale, paused } = await readWaiting(deps, model, page);
    await deps.pool.remove(model, stale);
    await putAside(deps, model, paused);
    for (const job of jobs) {
      const { batch } = job.request;
      const stays = left === 0 || !may(job) || (batch && poor.has(batch.id));
      const went = stays ? 'stayed' : await sendOn(deps, job, reason);
      if (went === 'poor' && batch) poor.add(batch.id);
      if (went === 'sent') left--;
      else staying++;
    }
    looked += page.length;
    if (page.length < PAGE) break;
  }
}

/** @returns `poor` when the `max_cost` of its batch has no room for it */
async function sendOn(deps: BatchDeps, job: Job, reason: string): Promise<'sent' | 'stayed' | 'poor'> {
  const { ledger, clock, outbox, log, pool, specs } = deps;
  const leave = (now: Job) => leaveBatch(now, { reason, specs }, clock.now());
  const updated = await updateJob(ledger, job.tenant, job.id, leave);
  if (!updated?.changed) return updated?.poor ? 'poor' : 'stayed';
  outbox.push(updated.job);
  await pool.remove(job.request.model, [job]);
  log.info({ tenant: job.tenant, job: job.id, reason }, 'chunk.rerouted');
  return 'sent';
}

/** @returns whether there may be another one */
async function cutOne(deps: BatchDeps, model: string): Promise<boolean> {
  const { batches, plan } = deps;
  const roomy = await roomyAccounts(deps, model);
  if (!roomy.length) return false;
  const learnt = await batches.lineBytes(model);
  const waiting = await gather(deps, model, plan.limits.lines, (job) => {
    const takers = accountsFor(deps, job);
    // One that nobody takes is no reason to wait: it is told below, and goes.
    return !takers.length || roomy.some(({ account }) => takers.includes(account));
  });
  const fitting = await sendUnfitOn(deps, waiting, learnt);
  for (const one of roomy) {
    const chunk = await cutFor(deps, one, fitting, { model, learnt });
    if (!chunk) continue;
    await plant(deps, { channel: one.account.spec.id, model }, chunk);
    return true;
  }
  return false;
}

type Learnt = ReadonlyMap<string, number>;

/** The first chunk that is due of those jobs which the account may carry. */
async function cutFor(
  { plan, clock, specs }: BatchDeps,
  { account, room }: RoomyAccount,
  waiting: Job[],
  { model, learnt }: { model: string; learnt: Learnt },
): Promise<Chunk | undefined> {
  const own = waiting.filter((job) => carries(account, job) && fitsAlone(account, job, { plan, learnt }));
  const limits = { ...plan.limits, tokens: room.tokens };
  const groups = byHaste(own, { ...(await plan.times(model)), specs }, clock.now());
  return groups.map((jobs) => cutChunk(jobs, limits, learnt)).find((one) => isDue(one, { plan, clock }));
}

function fitsAlone(
  { enqueuedTokens }: BatchAccount,
  { request }: Job,
  { plan, learnt }: Pick<BatchDeps, 'plan'> & { learnt: Learnt },
): boolean {
  return fitsChunk(weigh(request, learnt), 1, { ...plan.limits, tokens: enqueuedTokens });
}

/** Jobs that no account could ever take do not wait for one. @returns the others */
async function sendUnfitOn(deps: BatchDeps, waiting: Job[], learnt: Learnt): Promise<Job[]> {
  const fitting: Job[] = [];
  for (const job of waiting) {
    const takers = accountsFor(deps, job);
    if (takers.some((account) => fitsAlone(account, job, { ...deps, learnt }))) fitting.push(job);
    else await sendOn(deps, job, takers.length ? 'too large for a provider batch' : 'no channel has batches for it');
  }
  return fitting;
}

/** Full, or waiting for more for long enough. */
function isDue({ members, full }: Chunk, { plan, clock }: Pick<BatchDeps, 'plan' | 'clock'>): boolean {
  const oldest = Math.min(...members.map(({ state }) => state.runAt));
  return members.length > 0 && (full || clock.now() - oldest >= plan.gatherMs);
}

async function plant(deps: BatchDeps, place: Place, chunk: Chunk): Promise<void> {
  const { batches, clock, crash, log } = deps;
  const { channel, model } = place;
  const members = chunk.members.map(({ tenant, id, version }) => ({
    tenant,
    job: id,
    version,
    attempt: deps.newAttemptId(),
  }));
  const now = clock.now();
  const id = deps.newId();
  const rescue = await rescueTime(deps, { id, model, createdAt: now }, chunk.members);
  const facts = { ...chunk.weight, size: members.length, ...rescue };
  const estimated = chunk.members.reduce((sum, job) => sum + chunkCost(deps, place, job), 0);
  const batch: ProviderBatch = planChunk(id, { ...facts, estimated, model, channel }, now);
  if (!(await batches.plan(batch, members))) return;
  crash('chunk.planned');
  log.info(
    { providerBatch: batch.id, channel, model, size: batch.size, outputBytes: batch.outputBytes },
    'chunk.planned',
  );
  await sealChunk(deps, batch);
}

/** Due members from the front of the pool, as many of those that `may` go now as could fill a chunk. */
async function gather(deps: BatchDeps, model: string, most: number, may: (job: Job) => boolean): Promise<Job[]> {
  const { pool, clock } = deps;
  const due: Job[] = [];
  const gone: PoolMember[] = [];
  const away: PausedMember[] = [];
  for (let offset = 0; due.length <= most && offset < LOOK_MAX; offset += PAGE) {
    const page = await pool.peek(model, offset, PAGE);
    const { jobs, stale, paused } = await readWaiting(deps, model, page);
    const now = clock.now();
    due.push(...jobs.filter((job) => job.state.runAt <= now && job.state.expiresAt > now && may(job)));
    gone.push(...stale);
    away.push(...paused);
    if (page.length < PAGE) break;
  }
  await pool.remove(model, gone);
  await putAside(deps, model, away);
  return due;
}

type PausedMember = PoolMember & { batch: BatchId };

/** The records behind some members; those whose batch is paused, and those that wait for no batch of this model any more. */
async function readWaiting(
  { ledger, isPaused }: Pick<BatchDeps, 'ledger' | 'isPaused'>,
  model: string,
  members: PoolMember[],
): Promise<{ jobs: Job[]; paused: PausedMember[]; stale: PoolMember[] }> {
  const jobs: Job[] = [];
  const paused: PausedMember[] = [];
  const stale: PoolMember[] = [];
  // A record that cannot be read has been told of by the ledger; it must not keep the others waiting.
  const read = await Promise.all(members.map(({ tenant, id }) => ifReadable(ledger.read(tenant, id))));
  for (const [n, member] of members.entries()) {
    const job = read[n];
    const batch = job?.request.batch?.id;
    if (!job || !isWaiting(job) || job.request.model !== model) stale.push(member);
    else if (batch !== undefined && (await isPaused(member.tenant, batch))) paused.push({ ...member, batch });
    else jobs.push(job);
  }
  return { jobs, paused, stale };
}

/** Thousands of them must not stand before the others. */
async function putAside({ pool }: BatchDeps, model: string, members: PausedMember[]): Promise<void> {
  for (const some of Map.groupBy(members, ({ batch }) => batch).values()) {
    const [first] = some;
    if (first) await pool.putAside(model, { tenant: first.tenant, id: first.batch }, some);
  }
}

function isWaiting(job: Job): boolean {
  return isAwaitingWake(job.state) && laneOf(job) === 'batch';
}
