/** What the standard lane would have to make if no provider batch came home any more, and what that means for waiting jobs. */

import type { EpochMs, LaneTimes, ProviderBatch, ProviderBatchId } from '@darkroom/shared/domain';
import type { BatchDeps } from './deps.ts';

/** Looks at the time ahead of a pool. */
const STEPS = 16;

type DemandDeps = Pick<BatchDeps, 'pool' | 'batches' | 'plan'>;

/** Jobs that have to leave the batch lane by an instant: those that wait, and those of open chunks. */
export type Leaving = { waiting: number; sent: number };

/** @param instants ascending. @param except a chunk that is not to be counted */
export async function countLeaving(
  { pool, batches }: DemandDeps,
  model: string,
  instants: EpochMs[],
  { standardMs }: LaneTimes,
  except?: ProviderBatchId,
): Promise<Leaving[]> {
  const waiting = await pool.dueBy(
    model,
    instants.map((at) => at + standardMs),
  );
  const open = (await batches.open()).filter((batch) => batch.model === model && batch.id !== except && isAway(batch));
  return instants.map((at, n) => {
    const due = open.filter(({ rescueDue }) => rescueDue !== undefined && rescueDue <= at);
    return { waiting: waiting[n] ?? 0, sent: due.reduce((sum, { size, rescueSize = size }) => sum + rescueSize, 0) };
  });
}

/** Its members lie in the pool no more, and nobody knows yet what becomes of them. */
function isAway({ state }: ProviderBatch): boolean {
  return state !== 'sealing' && state !== 'ended';
}

/**
 * How many waiting jobs have to go on by themselves now, and by which deadline they are chosen. One job less to be made
 * gives all behind it more time: so they go one after the other, as fast as they can be made.
 */
export async function spillOf(
  deps: DemandDeps,
  model: string,
  times: LaneTimes,
  now: EpochMs,
): Promise<{ most: number; until: EpochMs }> {
  const { pool, batches, plan } = deps;
  const waiting = await pool.size(model);
  const none = { most: 0, until: now };
  if (!waiting) return none;
  const open = (await batches.open()).filter((batch) => batch.model === model);
  const stepMs = (open.reduce((sum, { size }) => sum + size, waiting) * plan.rescueMsPerJob) / STEPS;
  const first = now + times.batchMsMin;
  const ends = Array.from({ length: STEPS }, (_, n) => first + (n + 1) * stepMs);
  const leaving = await countLeaving(deps, model, ends, times);
  return leaving.reduce((worst, one, n) => {
    const inTime = Math.floor((n * stepMs) / plan.rescueMsPerJob);
    const most = Math.min(one.waiting, one.waiting + one.sent - inTime);
    return most > worst.most ? { most, until: (ends[n] ?? first) + times.standardMs } : worst;
  }, none);
}
