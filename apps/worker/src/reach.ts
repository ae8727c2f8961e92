/** How models are reached: the configured channels, opened, with what all workers share about them. */

import { openChannels } from '@darkroom/shared/channels';
import type { ConfiguredChannel } from '@darkroom/shared/config';
import { limitsIn } from '@darkroom/shared/domain';
import type { Breakers, Clock, Quotas } from '@darkroom/shared/ports';
import { createRedisBreakers, createRedisQuotas } from '@darkroom/shared/storage/redis';
import type { Redis } from 'ioredis';
import type { Channels } from './standard/deps.ts';
import { createPlaces, type Places } from './standard/places.ts';

export type Reach = AsyncDisposable & { channels: Channels; quotas: Quotas; breakers: Breakers; places: Places };

/** @param options `minuteMs`: what a minute of a limit lasts, where it is another than a real one */
export function openReach(
  configured: readonly ConfiguredChannel[],
  options: { redis: Redis; prefix: string; clock: Clock; minuteMs?: number | undefined },
): Reach {
  const { redis, prefix, clock, minuteMs } = options;
  const channels = openChannels(configured, { clock });
  const spans = minuteMs && { minuteMs, tenMinutesMs: 10 * minuteMs, dayMs: 1_440 * minuteMs };
  const quotas = createRedisQuotas({ redis, prefix, limitsOf: limitsIn(configured), ...(spans && { spans }) });
  const breakers = createRedisBreakers({ redis, prefix });
  return {
    channels,
    quotas,
    breakers,
    places: createPlaces({ breakers, quotas, clock }),
    [Symbol.asyncDispose]: () => channels[Symbol.asyncDispose](),
  };
}
