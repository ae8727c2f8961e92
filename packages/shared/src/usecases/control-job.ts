import { AppError, cancel, isTerminal, type Job, release, type Tenant } from '../domain/index.ts';
import type { Clock, Ledger, ObjectStore } from '../ports/index.ts';
import { getJob } from './get-job.ts';
import { handOff } from './hand-off.ts';
import type { Outbox } from './outbox.ts';
import { updateJob } from './update-job.ts';

export type ControlDeps = { ledger: Ledger; store: ObjectStore; clock: Clock; outbox: Outbox };

/** Cancels an open job; canceling twice is fine. @throws AppError `conflict` when it ended in another way */
export async function cancelJob(deps: ControlDeps, tenant: Tenant, id: string): Promise<Job> {
  const updated = await updateJob(deps.ledger, tenant, id, (job) => cancel(job, deps.clock.now()));
  const job = updated?.job ?? (await getJob(deps, tenant, id));
  if (updated?.followers) await handOff(deps, tenant, id);
  if (job.state.status === 'canceled') return job;
  throw new AppError('conflict', {
    message: `The job is ${job.state.status} already; it cannot be canceled.`,
    param: 'id',
  });
}

/**
 * Releases a job that was held because a call's outcome is unknown.
 *
 * @param how `again`: asked for perhaps for the second time, so an open job that is not held is as good as released
 * @returns the released job, or `undefined` for a finished one: that one stays as it is, and is made again as a new job
 * @throws AppError `conflict` when there is nothing to retry
 */
export async function releaseJob(
  deps: ControlDeps,
  tenant: Tenant,
  id: string,
  how: { again: boolean } = { again: false },
): Promise<Job | undefined> {
  const updated = await updateJob(deps.ledger, tenant, id, (job) => release(job, deps.clock.now()));
  if (updated?.changed) {
    deps.outbox.push(updated.job);
    return updated.job;
  }
  const job = updated?.job ?? (await getJob(deps, tenant, id));
  if (how.again && !isTerminal(job.state.status)) return job;
  if (isTerminal(job.state.status) && job.state.status !== 'succeeded') return undefined;
  throw new AppError('conflict', {
    message: `The job is ${job.state.status}; there is nothing to retry.`,
    param: 'id',
  });
}
