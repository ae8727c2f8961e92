/** Leave to call: of a channel's breaker and of its quota, both or neither. */

import { type Candidate, inputTokens, type Job, type Place, type WaitReason } from '@darkroom/shared/domain';
import type { Demand } from '@darkroom/shared/ports';
import { requestNow } from '@darkroom/shared/usecases';
import type { AttemptDeps } from './deps.ts';

type Deps = Pick<AttemptDeps, 'breakers' | 'quotas' | 'places'>;

export type Leave = { type: 'go'; candidate: Candidate } | { type: 'wait'; ms: number; reason: WaitReason };

/**
 * Asks the channels in this order.
 *
 * @param moving told before any but the first is asked
 * @returns the first that lets the call go, else how long until one of them may
 */
export async function takeLeave(
  deps: Deps,
  job: Job,
  order: Candidate[],
  attempt: string,
  moving: (to: Candidate) => Promise<void>,
): Promise<Leave> {
  let soonest: Extract<Leave, { type: 'wait' }> | undefined;
  for (const [n, candidate] of order.entries()) {
    if (n > 0) await moving(candidate);
    const leave = await enter(deps, job, candidate, attempt, { evenly: !goesBefore(candidate, order.slice(n + 1)) });
    if (leave.type === 'go') return leave;
    deps.places.forget(candidate.place);
    if (!soonest || leave.ms < soonest.ms) soonest = leave;
  }
  return soonest ?? { type: 'wait', ms: 1_000, reason: 'rate_limited' };
}

/**
 * Whether a dearer one comes after it, or one of a later `order`. A minute's calls leave evenly so that a newcomer finds some
 * left; where they could only go on to such a channel, all of the better one is used first, and the newcomer finds the other.
 */
function goesBefore({ spec, cost }: Candidate, rest: readonly Candidate[]): boolean {
  return rest.some((one) => one.spec.order > spec.order || (one.spec.order === spec.order && one.cost > cost));
}

async function enter(
  deps: Deps,
  job: Job,
  candidate: Candidate,
  attempt: string,
  how: { evenly: boolean },
): Promise<Leave> {
  const { breakers, quotas } = deps;
  const { place } = candidate;
  const [entered, leave] = await Promise.all([
    breakers.enter(place, attempt),
    quotas.take(place, attempt, demandOf(job, candidate), how),
  ]).catch(async (error: unknown) => {
    // Whichever of the two was had must not be held for as long as a call can last.
    await giveBack(deps, place, attempt);
    throw error;
  });
  if (entered.type === 'go' && leave.granted) return { type: 'go', candidate };
  await Promise.all([
    entered.type === 'go' && breakers.leave(place, attempt),
    leave.granted && quotas.giveBack(place, attempt),
  ]);
  const broken = entered.type === 'go' ? 0 : entered.retryAfterMs;
  const limited = leave.granted ? 0 : leave.retryAfterMs;
  const reason = leave.granted || broken > limited ? 'broken' : leave.reason;
  return { type: 'wait', ms: Math.max(broken, limited), reason };
}

/** Gives back what no call will use. Never throws: what is not given back ends by itself. */
export async function giveBack(
  { breakers, quotas }: Pick<Deps, 'breakers' | 'quotas'>,
  place: Place,
  attempt: string,
): Promise<void> {
  await Promise.allSettled([breakers.leave(place, attempt), quotas.giveBack(place, attempt)]);
}

/** Gives back what a call held that was made, and that no record tells of. Never throws, as `giveBack`. */
export async function endLeave(
  { breakers, quotas }: Pick<Deps, 'breakers' | 'quotas'>,
  place: Place,
  attempt: string,
): Promise<void> {
  await Promise.allSettled([breakers.leave(place, attempt), quotas.ended(place, attempt)]);
}

function demandOf(job: Job, { cost }: Candidate): Demand {
  return { tokens: inputTokens(requestNow(job)), images: 1, cost };
}
