import { AppError, isAwaitingWake, type Job, reprioritise, type Tenant } from '../domain/index.ts';
import type { Clock, Ledger, WakeQueue } from '../ports/index.ts';
import { type Outbox, toWake } from './outbox.ts';
import { updateJob } from './update-job.ts';

export type ReprioritiseDeps = { ledger: Ledger; clock: Clock; outbox: Outbox; queue: Pick<WakeQueue, 'withdraw'> };

/**
 * Puts a queued job at another place among those that wait; twice is as good as once. Its message follows: the new one is
 * sent, then the old one is taken back, so that a crash between the two leaves one too many and none too few.
 *
 * @throws AppError `conflict` when it waits no longer, `not_found`
 */
export async function reprioritiseJob(
  { ledger, clock, outbox, queue }: ReprioritiseDeps,
  tenant: Tenant,
  id: string,
  priority: number,
): Promise<Job> {
  let before: Job | undefined;
  const updated = await updateJob(ledger, tenant, id, (job) => {
    before = job;
    return reprioritise(job, priority, clock.now());
  });
  if (!updated) throw new AppError('not_found', { message: 'There is no such job.', param: 'id' });
  const { job, changed } = updated;
  if (changed && isAwaitingWake(job.state)) {
    outbox.push(job);
    if (before) await queue.withdraw(toWake(before));
  }
  if (job.state.status === 'queued') return job;
  throw new AppError('conflict', {
    message: `The job is ${job.state.status}; its priority no longer matters.`,
    param: 'id',
  });
}
