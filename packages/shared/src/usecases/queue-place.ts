import {
  type ChannelSpec,
  type EpochMs,
  eligible,
  expectedAt,
  isAwaitingWake,
  type Job,
  jobsAhead,
  laneOf,
  modelOf,
  standerOf,
} from '../domain/index.ts';
import type { Breakers, Clock, Latency, Ledger, Lines, Quotas } from '../ports/index.ts';

export type QueuePlaceDeps = {
  ledger: Pick<Ledger, 'position'>;
  lines: Pick<Lines, 'crowd'>;
  quotas: Pick<Quotas, 'look'>;
  breakers: Pick<Breakers, 'stand'>;
  channels: { channels: readonly ChannelSpec[] };
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
  const isOrdinary = laneOf(job) === 'standard' && isAwaitingWake(job.state);
  if (isOrdinary && (isLimited(job) || job.state.runAt <= clock.now())) {
    const [crowd, callMs, waitMs] = await Promise.all([
      lines.crowd(standerOf(job)),
      latency.p50Ms('standard', { model: modelOf(job), size: job.request.size }),
      channelsWait(deps, job),
    ]);
    if (crowd) {
      const at = expectedAt({ ...crowd, waitMs: Math.max(crowd.waitMs, waitMs) }, callMs, clock.now());
      return { ahead: jobsAhead(crowd), ...(at !== undefined && { at }) };
    }
    const ahead = await ledger.position(job.tenant, job.id);
    const at = isLimited(job) && waitMs > 0 ? { at: clock.now() + waitMs + callMs } : {};
    return ahead === undefined ? undefined : { ahead, ...at };
  }
  const ahead = await ledger.position(job.tenant, job.id);
  return ahead === undefined ? undefined : { ahead };
}

/** It was refused by a limit, and stands in line again in a moment. */
function isLimited({ state }: Job): boolean {
  return state.phase === 'rate_limited' || state.phase === 'parked';
}

/** How long until the first of its channels may be called: a line is looked at more often than that. */
async function channelsWait({ quotas, breakers, channels }: QueuePlaceDeps, job: Job): Promise<number> {
  const model = modelOf(job);
  const able = eligible(job.request, { model, lane: 'standard' }, channels.channels).channels;
  if (!able.length) return 0;
  const places = able.map(({ spec }) => ({ channel: spec.id, model }));
  const [limits, standings] = await Promise.all([quotas.look(places), breakers.stand(places)]);
  return Math.min(...places.map((_, n) => Math.max(limits[n]?.waitMs ?? 0, standings[n]?.waitMs ?? 0)));
}
