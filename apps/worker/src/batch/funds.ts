/**
 * Who of the batch lane can pay for the standard one. A job's own `max_cost` may keep it where it is; that of its batch
 * keeps as many rows as it has no room for.
 */

import { costOfLeaving, type Job, mayLeaveBatch } from '@darkroom/shared/domain';
import type { BatchDeps } from './deps.ts';

type FundsDeps = Pick<BatchDeps, 'callers' | 'specs'>;

/** A job that can leave. `share` = how many of its batch's open jobs money lets go, of all of them: in (0, 1]. */
export type Leaver = { job: Job; share: number };

/** What a batch has to have money for, of its rows in a chunk: those without lose their place in it. */
const MOST = 0.5;

/**
 * Those that can leave together. Of a batch whose money does not suffice for most of its rows among `jobs`, none can:
 * taking back a chunk for a few would cost the others their place in it. `poor` = what others cost less than they were
 * expected to, or not at all, may be enough for them later.
 */
export async function leaversOf(deps: FundsDeps, jobs: Job[]): Promise<{ leavers: Leaver[]; poor: Job[] }> {
  const funds = await fundsOf(deps, jobs);
  return {
    leavers: funds.flatMap(({ group, share, suffices }) => (suffices ? group.map((job) => ({ job, share })) : [])),
    poor: funds.flatMap(({ group, suffices }) => (suffices ? [] : group)),
  };
}

/** As many as are expected to be able to leave one after the other, whichever of a batch's rows these turn out to be. */
export async function sampleLeavers(deps: FundsDeps & Pick<BatchDeps, 'random'>, jobs: Job[]): Promise<Job[]> {
  const funds = await fundsOf(deps, jobs);
  return funds.flatMap(({ group, share }) => group.filter(() => deps.random() < share));
}

type Funds = { group: Job[]; share: number; suffices: boolean };

async function fundsOf(deps: FundsDeps, jobs: Job[]): Promise<Funds[]> {
  const able = jobs.filter((job) => mayLeaveBatch(job, deps.specs));
  const groups = Map.groupBy(able, ({ tenant, request }) => request.batch && `${tenant}~${request.batch.id}`);
  return Promise.all([...groups.values()].map((group) => fund(deps, group)));
}

/** @param group jobs of one batch, or of none */
async function fund({ callers, specs }: FundsDeps, group: Job[]): Promise<Funds> {
  const enough = { group, share: 1, suffices: true };
  const [first] = group;
  const batch = first?.request.batch && (await callers.read(first.tenant, first.request.batch.id));
  if (batch?.maxCost === undefined) return enough;
  const cost = group.reduce((sum, job) => sum + costOfLeaving(job, specs), 0);
  if (cost <= 0) return enough;
  const { costs, counts, openEstimated } = await callers.totals(batch.tenant, batch.id);
  const room = Math.max(0, batch.maxCost - costs.actual - costs.inDoubt - openEstimated);
  const open = Math.max(group.length, counts.queued + counts.running);
  return { group, share: Math.min(1, (room / cost) * (group.length / open)), suffices: room >= cost * MOST };
}
