import type { ChannelSpec } from '../domain/index.ts';
import type { Lines, Quotas } from '../ports/index.ts';
import type { ResumedModel } from '../schemas/index.ts';
import { placesOf } from './look-channels.ts';

type Deps = { quotas: Quotas; lines: Lines; specs: readonly ChannelSpec[] };

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
