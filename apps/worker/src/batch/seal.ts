/** Puts a planned chunk on its members' records, and fixes who is in it. Repeated by anybody, it comes to the same. */

import {
  begin,
  type Job,
  laneOf,
  type ProviderBatch,
  type ProviderBatchMember,
  seal,
  weighAll,
} from '@darkroom/shared/domain';
import { isTracing } from '@darkroom/shared/observability';
import { ifReadable, updateJob } from '@darkroom/shared/usecases';
import { chunkCost } from './accounts.ts';
import type { BatchDeps } from './deps.ts';
import { rescueTime } from './rescue-time.ts';

/** Members' records written side by side. */
const WIDTH = 50;
/** Traces that a chunk is linked to; of thousands of members, the first ones stand for the others. */
const TRACES_MAX = 16;

/** @param batch in the state `sealing` */
export async function sealChunk(deps: BatchDeps, batch: ProviderBatch): Promise<void> {
  const { batches, clock, pool, crash, log } = deps;
  const planned = await batches.members(batch.id);
  const kept: { member: ProviderBatchMember; job: Job }[] = [];
  for (let at = 0; at < planned.length; at += WIDTH) {
    const begun = await Promise.all(
      planned.slice(at, at + WIDTH).map(async (member) => ({ member, job: await beginMember(deps, batch, member) })),
    );
    for (const { member, job } of begun) if (job) kept.push({ member, job });
  }
  const jobs = kept.map(({ job }) => job);
  const weight = weighAll(
    jobs.map(({ request }) => request),
    await batches.lineBytes(batch.model),
  );
  const estimated = jobs.reduce((sum, job) => sum + chunkCost(deps, batch, job), 0);
  const rescue = await rescueTime(deps, batch, jobs);
  const traces = isTracing() ? await tracesOf(deps, jobs) : [];
  const facts = { ...weight, estimated, size: kept.length, ...rescue, ...(traces.length && { traces }) };
  const sealed = seal(batch, facts, clock.now());
  const members = kept.map(({ member }) => member);
  if (!sealed || !(await batches.seal(sealed, members))) return;
  crash('chunk.sealed');
  await tellCallers(deps, batch, jobs);
  log.info({ providerBatch: batch.id, model: batch.model, size: kept.length, state: sealed.state }, 'chunk.sealed');
  await pool.remove(batch.model, jobs);
}

async function tracesOf({ originOf }: BatchDeps, jobs: Job[]): Promise<string[]> {
  const traces = new Set<string>();
  for (const job of jobs) {
    if (traces.size >= TRACES_MAX) break;
    const from = await originOf(job);
    if (from) traces.add('parent' in from ? from.parent : (from.links[0] ?? ''));
  }
  return [...traces];
}

/** For the view of each caller's batch; a crash before it leaves a view that is short of one, and nothing else. */
async function tellCallers({ callers }: BatchDeps, { id }: ProviderBatch, jobs: Job[]): Promise<void> {
  const rows = jobs.flatMap(({ tenant, request }) => (request.batch ? [{ tenant, batch: request.batch.id }] : []));
  const distinct = new Map(rows.map((row) => [row.batch, row]));
  await Promise.all([...distinct.values()].map(({ tenant, batch }) => callers.carriedBy(tenant, batch, id)));
}

/**
 * The member's job, if its record has the member's attempt.
 *
 * A job stays out for reasons that last for ever, whoever looks and whenever: its version has moved on, or is moved on
 * here. Else a slow planner could begin a member behind the back of a faster one that has left it out.
 */
async function beginMember(deps: BatchDeps, batch: ProviderBatch, member: ProviderBatchMember) {
  const { ledger, clock } = deps;
  const { tenant, job: id, attempt, version } = member;
  const take = (job: Job) => {
    if (job.version !== version || laneOf(job) !== 'batch') return undefined;
    // Its time has come by the clock of whoever planned it.
    const now = Math.max(clock.now(), job.state.runAt);
    const estimate = chunkCost(deps, batch, job);
    const begun = begin(job, { id: attempt, channel: batch.channel, providerBatch: batch.id, estimate }, now);
    return begun.type === 'go' || begun.type === 'expired' ? begun.change : undefined;
  };
  const updated = await ifReadable(updateJob(ledger, tenant, id, take));
  deps.crash('chunk.begun');
  const begun = updated?.job.state.attempts.some((known) => known.id === attempt);
  return begun ? updated?.job : undefined;
}
