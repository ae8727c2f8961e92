import { setTimeout as sleep } from 'node:timers/promises';
import { lookAtChannel } from '@darkroom/shared/channels';
import type { ConfiguredChannel } from '@darkroom/shared/config';
import type { Clock } from '@darkroom/shared/ports';
import { type Check, channelCheck, providerClockCheck } from '@darkroom/shared/usecases';
import { watchProviderDates } from './provider-dates.ts';

/** Below the time of a check, so that it is the channel that is said to hang, and not the clocks, which wait for it. */
const LOOK_MS = 8_000;
const DATES_MS = 9_000;

/**
 * A free look at each channel, and at the clocks of those who answered; for one examination.
 *
 * @param options `secretsHere`: this program is to have the credentials
 */
export function channelChecks(
  channels: readonly ConfiguredChannel[],
  { clock, secretsHere }: { clock: Clock; secretsHere: boolean },
): Check[] {
  if (channels.length === 0) return [];
  const dates = watchProviderDates(channels, clock);
  const ended: Promise<unknown>[] = [];
  const checks = channels.map((channel) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    ended.push(promise);
    const look = (_id: string, signal: AbortSignal) => {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(LOOK_MS)]);
      return lookAtChannel(channel, { clock }, limit).finally(resolve);
    };
    return channelCheck(channel, { look, clock, secretsHere });
  });
  const skews = async () => {
    using seen = dates;
    await Promise.race([Promise.all(ended), sleep(DATES_MS, undefined, { ref: false })]);
    return seen.skews;
  };
  return [...checks, providerClockCheck(skews)];
}
