/**
 * Calls of a day that are used up, told to the operator.
 *
 * A limit that the configuration has is no refusal of the provider's, and a job that another channel carries meets it
 * nowhere: so it is looked at, and not waited for.
 */

import type { ChannelSpec, Place } from '@darkroom/shared/domain';
import type { PlaceState, Quotas } from '@darkroom/shared/ports';
import { type ChannelTeller, placesOf } from '@darkroom/shared/usecases';

export type UsedDaysDeps = {
  channels: { specs: readonly ChannelSpec[] };
  quotas: Pick<Quotas, 'look'>;
  channelTeller: Pick<ChannelTeller, 'parked'>;
};

const DAY_MS = 86_400_000;

/** Looks once at every place. @returns how many were news */
export async function usedDaysOnce({ channels: { specs }, quotas, channelTeller }: UsedDaysDeps): Promise<number> {
  let told = 0;
  for (const state of await quotas.look(placesOf(specs))) {
    const { pause, waitMs, place } = state;
    if (!pause || !isDayUsed(state)) continue;
    const { until, why } = pause;
    const parking = { until, ms: waitMs, why, ...(rolls(specs, place) && { quietMs: DAY_MS }) };
    if (await channelTeller.parked(place, parking)) told++;
  }
  return told;
}

function isDayUsed({ windows }: PlaceState): boolean {
  return windows.some(({ window, freeAt }) => window === 'day' && freeAt !== undefined);
}

/** Of such a day one call after the other is free again. */
function rolls(specs: readonly ChannelSpec[], { channel, model }: Place): boolean {
  return specs.find(({ id }) => id === channel)?.models[model]?.limits?.day === 'rolling';
}
