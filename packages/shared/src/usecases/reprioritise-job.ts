import { AppError, isAwaitingWake, type Job, reprioritise, type Tenant } from '../domain/index.ts';
import type { Clock, Ledger } from '../ports/index.ts';
import type { Outbox } from './outbox.ts';
import { updateJob } from './update-job.ts';

export type ReprioritiseDeps = { ledger: Ledger; clock: Clock; outbox: Outbox };

/**
 * Puts a queued job at another place among those that wait; twice is as good as once. It stands there once its new version
 * has a message; the one of the version before it is heard for nothing.
 *
 * @throws AppError `conflict` when it waits no longer, `not_found`
 */
export async function reprioritiseJob(
  { ledger, clock, outbox }: ReprioritiseDeps,
  tenant: Tenant,
  id: string,
  priority: number,
): Promise<Job> {
  const updated = await updateJob(ledger, tenant, id, (job) => reprioritise(job, priority, clock.now()));
  if (!updated) throw new AppError('not_found', { message: 'There is no such job.', param: 'id' });
  const { job, changed } = updated;
  if (changed && isAwaitingWake(job.state)) outbox.push(job);
  if (job.state.status === 'queued') return job;
  throw new AppError('conflict', {
    message: `The job is ${job.state.status}; its priority no longer matters.`,
    param: 'id',
  });
}
