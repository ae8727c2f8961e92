import {
  type EpochMs,
  expectedAt,
  isAwaitingWake,
  type Job,
  jobsAhead,
  laneOf,
  modelOf,
  type Phase,
  standerOf,
  waitingPhase,
} from '../domain/index.ts';
import type { Latency, Ledger, Lines } from '../ports/index.ts';
import { type CandidatesDeps, chooseFor } from './candidates.ts';
import type { PausedBatches } from './paused-batches.ts';

export type QueuePlaceDeps = CandidatesDeps & {
  ledger: Pick<Ledger, 'position'>;
  lines: Pick<Lines, 'crowd'>;
  latency: Pick<Latency, 'p50Ms'>;
  isPaused: PausedBatches;
};

/** `ahead`: how many jobs go before it; `at`: when its image is likely to be there; `phase`: what keeps its line waiting. */
export type QueuePlace = { ahead?: number; at?: EpochMs; phase?: Phase };

/**
 * Where a queued job stands. What stands in line is told of the line; what waits otherwise, such as for a provider batch,
 * of how many of the tenant's own are older. Only the head of a line is looked at by workers, so why all of them wait is
 * found out here, as a worker would.
 */
export async function queuePlace(deps: QueuePlaceDeps, job: Job): Promise<QueuePlace | undefined> {
  if (job.state.status !== 'queued') return undefined;
  const { ledger, lines, latency, clock } = deps;
  const older = async () => {
    const ahead = await ledger.position(job.tenant, job.id);
    return ahead === undefined ? undefined : { ahead };
  };
  if (!isOrdinary(job) || (job.state.runAt > clock.now() && !isLimited(job))) return older();
  const [crowd, callMs, { ms: waitMs, phase }] = await Promise.all([
    lines.crowd(standerOf(job)),
    latency.p50Ms('standard', { model: modelOf(job), size: job.request.size }),
    channelsWait(deps, job),
  ]);
  if (crowd) {
    // While only an operator can end its wait, nobody knows when.
    const waits = waitMs !== undefined && { ...crowd, waitMs: Math.max(crowd.waitMs, waitMs) };
    const at = waits ? expectedAt(waits, callMs, clock.now()) : undefined;
    return { ahead: jobsAhead(crowd), ...(at !== undefined && { at }), ...(phase && { phase }) };
  }
  const place = await older();
  return place && isLimited(job) && waitMs ? { ...place, at: clock.now() + waitMs + callMs } : place;
}

/** It stands in line when it is due. */
function isOrdinary(job: Job): boolean {
  return laneOf(job) === 'standard' && isAwaitingWake(job.state);
}

/** It was refused by a limit, and stands in line again in a moment. */
function isLimited({ state }: Job): boolean {
  return state.phase === 'rate_limited' || state.phase === 'parked';
}

/** How long until the first of its channels may be called, and why; without `ms` until somebody mends what is in the way. */
async function channelsWait(deps: QueuePlaceDeps, job: Job): Promise<{ ms?: number; phase?: Phase | undefined }> {
  const { batch } = job.request;
  if (batch && (await deps.isPaused(job.tenant, batch.id))) return {};
  const choice = await chooseFor(deps, job, { look: true });
  if (choice.type === 'none') return { phase: 'backoff' };
  if (choice.type === 'try') return { ms: 0 };
  const ms = Math.max(0, choice.until - deps.clock.now());
  return { ms, phase: waitingPhase(ms, choice.reason) };
}
