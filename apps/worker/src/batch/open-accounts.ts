/** The accounts that the configuration gives the batch lane. */

import { type OpenBatchOptions, openBatchChannel } from '@darkroom/shared/channels';
import type { ConfiguredChannel } from '@darkroom/shared/config';
import type { Log } from '@darkroom/shared/observability';
import type { Breakers } from '@darkroom/shared/ports';
import type { BatchAccount, BatchAccounts, BatchDeps } from './deps.ts';

/** Of the provider's allowance: what it counts is not exactly what we do. */
const ALLOWANCE_SHARE = 0.8;

export type OpenAccounts = AsyncDisposable & { accounts: BatchAccounts };

/** Opens those that carry the lane, and tells of the others why they do not. */
export function openAccounts(
  configured: readonly ConfiguredChannel[],
  { log, ...options }: OpenBatchOptions & { log: Log },
): OpenAccounts {
  const opened = new AsyncDisposableStack();
  const accounts = new Map<string, BatchAccount>();
  for (const one of configured) {
    const channel = openBatchChannel(one, options);
    if (!channel || !one.batch) {
      log.info({ channel: one.id, kind: one.kind, why: whyNot(one) }, 'channel.no_batches');
      continue;
    }
    opened.use(channel);
    const { slots, enqueuedTokens } = one.batch;
    // 0 = no limit of ours.
    const allowed = enqueuedTokens * ALLOWANCE_SHARE || Number.POSITIVE_INFINITY;
    accounts.set(one.id, { spec: one, channel, slots, enqueuedTokens: allowed });
  }
  return { accounts, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

/** Goes on from the channel's name. */
function whyNot({ connection, batch }: ConfiguredChannel): string {
  const why = 'does not carry lane batch';
  switch (connection.kind) {
    case 'gemini':
      return connection.auth === 'bearer' ? `${why}: relays have no batches, unless its lanes say so` : why;
    case 'vertex':
      return batch?.bucket ? why : `${why}: that needs batch.bucket`;
    default:
      return `${why}: kind ${connection.kind} has no batches`;
  }
}

/** Whether a place is given nothing, as all workers know it. */
export function outPlaces({ breakers }: { breakers: Breakers }): BatchDeps['isOut'] {
  return async (place) => {
    const [standing] = await breakers.stand([place]);
    const { override, out } = standing ?? {};
    if (override === 'open' || override === 'drain') return true;
    return out !== undefined && override !== 'close';
  };
}
