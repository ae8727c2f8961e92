/** The deliverer, put together from the environment and the adapters. */

import { derivedKey } from '@darkroom/shared/config';
import { createSafePost, localToo } from '@darkroom/shared/net';
import { type CrashPoint, type Registry, withCrashPoints } from '@darkroom/shared/observability';
import type { Changes, RecentEvents } from '@darkroom/shared/ports';
import { createEventArchive, createEventLog } from '@darkroom/shared/usecases';
import { createSecretSeal } from '@darkroom/shared/webhooks';
import type { WorkerConfig } from '../config.ts';
import { loop } from '../sweeper/loop.ts';
import type { WebhookDeps } from './deps.ts';
import { dropRemovedOnce } from './drop-removed.ts';
import { registerWebhookMetrics } from './metrics.ts';
import { createPump } from './pump.ts';

/** What it needs; the rest follows from the environment. */
export type WebhookLaneParts = Pick<
  WebhookDeps,
  'ledger' | 'store' | 'batches' | 'endpoints' | 'deliveries' | 'clock' | 'random' | 'log'
> & {
  recent: RecentEvents;
  registry: Registry;
  /** Begins to listen. */
  changes: () => Promise<Changes>;
  crash: CrashPoint;
};

export type WebhookLane = {
  /** Until the signal; what is under way then ends, which takes no longer than a post may. */
  run(signal: AbortSignal): Promise<void>[];
} & AsyncDisposable;

/** What it failed with altogether may be over by then. */
const AGAIN_MS = 1_000;
const REMOVED_MS = 5_000;
const DAY_MS = 86_400_000;

/** Opens nothing until it runs. */
export function createWebhookLane(
  config: WorkerConfig,
  { recent, crash, changes, registry, ...parts }: WebhookLaneParts,
): WebhookLane {
  const { store, clock, log } = parts;
  const retentionMs = config.EVENTS_RETENTION_DAYS * DAY_MS;
  const poster = createSafePost({ ...(config.WEBHOOK_HTTP === 'true' && localToo()), now: () => clock.now() });
  const deps = {
    ...parts,
    metrics: registerWebhookMetrics(registry, parts),
    events: createEventLog({ recent, archive: createEventArchive(store), clock, retentionMs }),
    deliveries: withCrashPoints(parts.deliveries, crash, {
      fanOut: { after: 'webhook.fanned' },
      claim: { after: 'webhook.claimed' },
      settle: { after: 'webhook.settled' },
    }),
    poster: withCrashPoints(poster, crash, { post: { after: 'webhook.sent' } }),
    seal: createSecretSeal(derivedKey(config.DARKROOM_SECRET, 'webhook-secrets')),
    ownKey: derivedKey(config.DARKROOM_SECRET, 'webhook-own'),
    failuresMax: config.WEBHOOK_FAILURES_MAX,
    concurrency: config.WEBHOOK_CONCURRENCY,
  };
  const send = async (signal: AbortSignal) => {
    const pump = createPump({ ...deps, changes: await changes() });
    await pump.run(signal);
    await pump.idle();
  };
  return {
    run: (signal) => [
      loop('webhooks', AGAIN_MS, () => send(signal), log, signal),
      loop('removed_endpoints', REMOVED_MS, () => dropRemovedOnce(deps, signal), log, signal),
    ],
    [Symbol.asyncDispose]: () => poster[Symbol.asyncDispose](),
  };
}
