import type { ChannelSpec } from '../domain/index.ts';
import type { Clock, Lines, Quotas } from '../ports/index.ts';
import type { LimitView, ResumedModel } from '../schemas/index.ts';

type Deps = { quotas: Quotas; lines: Lines; specs: readonly ChannelSpec[] };

/** All places that the provider keeps everybody away from, and until when. */
export async function pausedModels({
  quotas,
  specs,
  clock,
}: Omit<Deps, 'lines'> & { clock: Clock }): Promise<LimitView[]> {
  const states = await quotas.look(placesOf(specs));
  const now = clock.now();
  return states.flatMap(({ place, pause, waitMs }) =>
    pause ? [{ ...place, reason: pause.reason, until: new Date(now + waitMs).toISOString() }] : [],
  );
}

/**
 * Lifts a model's pauses before their end, on every channel, for an operator who knows that the limit is gone. Should it not
 * be, the next call's answer pauses the model again. Safe to repeat.
 */
export async function resumeModel({ quotas, lines, specs }: Deps, model: string): Promise<ResumedModel> {
  const places = placesOf(specs).filter((place) => place.model === model);
  const resumed = await Promise.all(places.map((place) => quotas.resume(place)));
  for (const { channel } of places) await lines.open(model, channel);
  const waiting = (await lines.sizes(model)).reduce((sum, size) => sum + size.waiting, 0);
  return { model, resumed: resumed.includes(true), woken: waiting };
}

function placesOf(specs: readonly ChannelSpec[]): { channel: string; model: string }[] {
  return specs.flatMap(({ id, models }) => Object.keys(models).map((model) => ({ channel: id, model })));
}
