/** How a new job stands to its twins and to cached results: decided here, for single jobs and for the rows of batches. */

import {
  AppError,
  isTerminal,
  type Job,
  type JobId,
  type JobState,
  laneOf,
  sharedResult,
  without,
} from '../domain/index.ts';
import type { Admission, AdmitMode, CachedResult, Ledger, ObjectStore } from '../ports/index.ts';
import { findJob } from './get-job.ts';

/** How a job is to be written, and what its caller is told when it was. */
export type AdmissionPlan = {
  job: Job;
  mode: AdmitMode;
  how: { dedup: 'miss' | 'joined'; cache?: 'hit' };
};

/** An answer that ends the matter. */
type Final<A extends { type: string }> = Exclude<A, { type: 'twin' | 'cached' | 'gone' }>;

/** What a job knows of others already: a twin that will not do, a cached result that is too old for it. */
type Known = { past?: JobId; uncached?: true };

const TRIES = 10;

/**
 * Has the job written as its own, as a follower or with a shared result, whichever is true at the moment of writing.
 *
 * @param write writes it as planned, or says what stands against it
 * @throws AppError `conflict` (retryable) when a twin kept changing
 */
export async function admitAsTrue<A extends { type: string }>(
  deps: { ledger: Ledger; store: ObjectStore },
  fresh: Job,
  write: (plan: AdmissionPlan) => Promise<A | Extract<Admission, { type: 'twin' | 'cached' | 'gone' }>>,
): Promise<{ plan: AdmissionPlan; admission: Final<A> }> {
  // Only ever grows: to forget one of the two while learning the other would go round for ever.
  const known: Known = {};
  let plan = leading(fresh, known);
  for (let n = 0; n < TRIES; n++) {
    const admission = await write(plan);
    const obstacle = obstacleOf(admission);
    if (!obstacle) return { plan, admission: admission as Final<A> };
    plan = (await around(deps, fresh, obstacle, known)) ?? leading(fresh, known);
  }
  throw new AppError('conflict', {
    message: 'A twin of this job kept changing.',
    retryable: true,
    retryAfterMs: 1_000,
  });
}

type Obstacle = Extract<Admission, { type: 'twin' | 'cached' | 'gone' }>;

function obstacleOf(admission: { type: string }): Obstacle | undefined {
  const stands = admission.type === 'twin' || admission.type === 'cached' || admission.type === 'gone';
  return stands ? (admission as Obstacle) : undefined;
}

async function around(
  deps: { ledger: Ledger; store: ObjectStore },
  fresh: Job,
  obstacle: Obstacle,
  known: Known,
): Promise<AdmissionPlan | undefined> {
  if (obstacle.type === 'gone') return undefined;
  if (obstacle.type === 'cached') {
    const plan = withCached(fresh, obstacle.result);
    if (!plan) known.uncached = true;
    return plan;
  }
  const plan = await beside(deps, fresh, obstacle.id);
  if (!plan) known.past = obstacle.id;
  return plan;
}

function leading(job: Job, known: Known): AdmissionPlan {
  return { job, mode: { type: 'lead', ...known }, how: { dedup: 'miss' } };
}

/** What a job becomes that found a twin: its follower or the sharer of its result; `undefined` when that one has nothing to share, or is slower. */
async function beside(
  deps: { ledger: Ledger; store: ObjectStore },
  fresh: Job,
  twinId: JobId,
): Promise<AdmissionPlan | undefined> {
  // In the archive too: a window may be longer than a finished job stays in Redis.
  const twin = await findJob(deps, fresh.tenant, twinId);
  const joined: JobState = { ...without(fresh.state, 'phase'), leader: twinId, source: 'joined', estimated: 0 };
  if (twin && !isTerminal(twin.state.status)) {
    // A twin may be in a provider batch for a day, or in one that is paused: who pays for more haste does not wait for it.
    if (laneOf(twin) === 'batch' && laneOf(fresh) !== 'batch') return undefined;
    return { job: { ...fresh, state: joined }, mode: { type: 'join', leader: twinId }, how: { dedup: 'joined' } };
  }
  const window = fresh.request.dedup ? fresh.request.dedup.windowMs : 0;
  const completedAt = twin?.state.completedAt ?? 0;
  if (twin?.state.status === 'succeeded' && completedAt + window > fresh.state.createdAt) {
    const state = { ...joined, ...sharedResult(twin), completedAt: fresh.state.createdAt };
    return { job: { ...fresh, state }, mode: { type: 'alone' }, how: { dedup: 'joined' } };
  }
  return undefined;
}

/** With the cached result; `undefined` when that one is older than this caller wants it. */
function withCached(fresh: Job, { id, at, state }: CachedResult): AdmissionPlan | undefined {
  const ttl = fresh.request.cache?.ttlMs ?? 0;
  if (at + ttl <= fresh.state.createdAt) return undefined;
  const shared: JobState = {
    ...without(fresh.state, 'phase'),
    ...state,
    status: 'succeeded',
    estimated: 0,
    completedAt: fresh.state.createdAt,
    leader: id,
    source: 'cache',
  };
  return { job: { ...fresh, state: shared }, mode: { type: 'alone' }, how: { dedup: 'miss', cache: 'hit' } };
}
