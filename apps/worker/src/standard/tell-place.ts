/** What a call's end says of the place it was made at: of its quota, of its breaker, of its limits. */

import { type AttemptRef, callEndOf, type Lesson, lessonOf, type Place } from '@darkroom/shared/domain';
import { describeError } from '@darkroom/shared/observability';
import type { Demand, Exchange } from '@darkroom/shared/ports';
import type { AttemptDeps } from './deps.ts';
import type { Judged } from './judge.ts';

type Deps = Pick<AttemptDeps, 'ledger' | 'quotas' | 'breakers' | 'lines' | 'places' | 'channelTeller' | 'log'>;
type Pause = Extract<Lesson, { type: 'pause' }>;
type Called = { place: Place; ref: AttemptRef; exchange: Exchange };

/** Holds for every worker once it is written. Never throws: a job is settled all the same, and limits free themselves in time. */
export async function tellPlace(deps: Deps, { place, ref, exchange }: Called, judged: Judged): Promise<void> {
  const { quotas, breakers, log } = deps;
  const { attempt } = ref;
  try {
    await Promise.all([
      // First that it is over: what a refusal teaches goes by what was used.
      quotas.ended(place, attempt, usedBy(judged)),
      learn(deps, place, attempt, judged),
      // A call that was given up here says nothing of the provider.
      isOurs(exchange) ? breakers.leave(place, attempt) : note(deps, place, ref, judged),
    ]);
  } catch (error) {
    log.warn({ ...ref, ...place, ...describeError(error) }, 'channel.not_noted');
  }
}

async function note(deps: Deps, place: Place, ref: AttemptRef, judged: Judged): Promise<void> {
  const { tenant, attempt } = ref;
  const end = judged.type === 'image' ? 'ok' : callEndOf(judged.end);
  // Refusals are quick, and would bend the figures of what an image takes.
  const ms = end === 'ok' ? judged.end.ms : undefined;
  const again = end === 'no_image' && (await hadNoImage(deps, ref));
  const transition = await deps.breakers.note(place, attempt, end, { tenant, again, ...(ms !== undefined && { ms }) });
  if (!transition) return;
  deps.places.forget(place);
  if (transition.to === 'recovered') await deps.lines.open(place.model, place.channel);
  await deps.channelTeller.tell(transition);
}

/** Another call of the job had none, wherever it was made; by the record as it is now, on which a second call may have ended. */
async function hadNoImage({ ledger }: Deps, { tenant, job, attempt }: AttemptRef): Promise<boolean> {
  const recorded = await ledger.read(tenant, job);
  return recorded?.state.attempts.some(({ id, error }) => id !== attempt && error === 'no_image') ?? false;
}

async function learn(deps: Deps, place: Place, attempt: string, judged: Judged): Promise<void> {
  if (judged.type === 'image' || judged.end.type !== 'rejected') return;
  for (const lesson of lessonOf(judged.end.verdict)) {
    await deps.quotas.learn(place, lesson, attempt);
    deps.places.forget(place);
    deps.log.warn({ ...place, lesson }, 'quota.learnt');
    if (lesson.type === 'pause') await tellParked(deps, place, lesson);
  }
}

async function tellParked(deps: Deps, place: Place, { why }: Pause): Promise<void> {
  const [state] = await deps.quotas.look([place]);
  if (!state?.pause) return;
  await deps.channelTeller.parked(place, { until: state.pause.until, ms: state.waitMs, why });
}

/** What is not known stays as it was expected. A refused call costs nothing, and counts as one all the same. */
function usedBy(judged: Judged): Partial<Demand> {
  // An image also says that whatever kept everybody away is over.
  if (judged.type === 'image') return { cost: judged.end.cost, images: 1 };
  switch (judged.end.type) {
    case 'refused':
      return { cost: judged.end.cost };
    case 'rejected':
    case 'unsent':
      return { cost: 0, images: 0 };
    case 'in_doubt':
      return {};
  }
}

function isOurs(exchange: Exchange): boolean {
  return exchange.type === 'unknown' && exchange.ours === true;
}
