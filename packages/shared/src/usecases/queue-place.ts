import { type EpochMs, expectedAt, isAwaitingWake, type Job, jobsAhead, laneOf, standerOf } from '../domain/index.ts';
import type { Clock, Latency, Ledger, Lines } from '../ports/index.ts';

export type QueuePlaceDeps = {
  ledger: Pick<Ledger, 'position'>;
  lines: Pick<Lines, 'crowd'>;
  latency: Pick<Latency, 'p50Ms'>;
  clock: Clock;
};

/** `ahead`: how many jobs go before it; `at`: when its image is likely to be there. */
export type QueuePlace = { ahead?: number; at?: EpochMs };

/**
 * Where a queued job stands. What stands in line is told of the line; what waits otherwise, such as for a provider batch,
 * of how many of the tenant's own are older.
 */
export async function queuePlace(deps: QueuePlaceDeps, job: Job): Promise<QueuePlace | undefined> {
  if (job.state.status !== 'queued') return undefined;
  const { ledger, lines, latency, clock } = deps;
  if (laneOf(job) === 'standard' && isAwaitingWake(job.state) && job.state.runAt <= clock.now()) {
    const stander = standerOf(job);
    const [crowd, callMs] = await Promise.all([
      lines.crowd(stander),
      latency.p50Ms('standard', { model: stander.model, size: job.request.size }),
    ]);
    if (crowd) {
      const at = expectedAt(crowd, callMs, clock.now());
      return { ahead: jobsAhead(crowd), ...(at !== undefined && { at }) };
    }
  }
  const ahead = await ledger.position(job.tenant, job.id);
  return ahead === undefined ? undefined : { ahead };
}
