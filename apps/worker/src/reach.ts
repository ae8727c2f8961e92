/** How models are reached: the configured channels, opened, with what all workers share about them. */

import { openChannels } from '@darkroom/shared/channels';
import type { ConfiguredChannel } from '@darkroom/shared/config';
import { limitsIn } from '@darkroom/shared/domain';
import type { Breakers, Clock, Quotas } from '@darkroom/shared/ports';
import { createRedisBreakers, createRedisQuotas } from '@darkroom/shared/storage/redis';
import { createPlaces, type Places } from '@darkroom/shared/usecases';
import type { Redis } from 'ioredis';
import type { Channels } from './standard/deps.ts';

export type Reach = AsyncDisposable & { channels: Channels; quotas: Quotas; breakers: Breakers; places: Places };

/** Longest cool-down of a breaker, of the first one. */
const COOL_DOWNS_MAX = 30;

/** @param options `minuteMs`: what a minute of a limit lasts, `coolDownMs`: a breaker's first cool-down, where they are others than usual */
export function openReach(
  configured: readonly ConfiguredChannel[],
  options: {
    redis: Redis;
    prefix: string;
    clock: Clock;
    minuteMs?: number | undefined;
    coolDownMs?: number | undefined;
  },
): Reach {
  const { redis, prefix, clock, minuteMs, coolDownMs } = options;
  const channels = openChannels(configured, { clock });
  const spans = minuteMs && { minuteMs, tenMinutesMs: 10 * minuteMs, dayMs: 1_440 * minuteMs };
  const quotas = createRedisQuotas({
    redis,
    prefix,
    limitsOf: limitsIn(configured),
    paced: true,
    ...(spans && { spans }),
  });
  const rules = coolDownMs && { coolDownMs, coolDownMsMax: COOL_DOWNS_MAX * coolDownMs };
  const breakers = createRedisBreakers({ redis, prefix, ...(rules && { rules }) });
  return {
    channels,
    quotas,
    breakers,
    places: createPlaces({ breakers, quotas, clock }),
    [Symbol.asyncDispose]: () => channels[Symbol.asyncDispose](),
  };
}
