/** What a worker does in each of its roles, put together. Nothing runs before it is told to. */

import { randomUUIDv7 } from 'node:crypto';
import type { ConfiguredChannel } from '@darkroom/shared/config';
import { idFrom } from '@darkroom/shared/domain';
import { openBucket } from '@darkroom/shared/storage';
import { createRedisChanges, openBlockingRedis } from '@darkroom/shared/storage/redis';
import type { Adapters } from './adapters.ts';
import { alertOptions } from './alert-config.ts';
import { runBatchLane } from './batch/lane.ts';
import { laneOptions } from './batch/lane-options.ts';
import { openAccounts, outPlaces } from './batch/open-accounts.ts';
import { runBatches } from './batches/loops.ts';
import type { WorkerConfig } from './config.ts';
import type { createWorkerMetrics } from './metrics.ts';
import { retentionMsOf } from './records.ts';
import type { AttemptDeps } from './standard/deps.ts';
import { letGo } from './standard/let-go.ts';
import { runBesideLane } from './standard/loops.ts';
import { createRecovery } from './standard/recovery.ts';
import { arrive, runNext } from './standard/run-attempt.ts';
import { eventSweepDeps } from './sweeper/events.ts';
import { runSweeper, type SweeperDeps } from './sweeper/loops.ts';
import { createWatchdog } from './watchdog.ts';
import { createWebhookLane } from './webhooks/lane.ts';
import { createStandardLane } from './worker.ts';

/** What all of them share. */
export type RoleParts = {
  config: WorkerConfig;
  channels: readonly ConfiguredChannel[];
  adapters: Adapters;
  deps: AttemptDeps;
  metrics: ReturnType<typeof createWorkerMetrics>;
};

/** Runs until draining. */
type Run = () => Promise<void>[];

/**
 * Single calls, rung for by messages. `idle` resolves when nothing that was paid is in hand any more.
 *
 * @param giveUp told of a queue that this process takes no messages from any more
 */
export function openStandard(
  opened: AsyncDisposableStack,
  { config, adapters, deps }: RoleParts,
  giveUp: (queue: string) => void,
): { run: Run; drain: () => Promise<void>; idle: () => Promise<void> } {
  const { redis, check, records } = adapters;
  const { log } = deps;
  const lane = createStandardLane({
    lookout: redis,
    redis: () => connectBlocking(opened, config),
    prefix: config.REDIS_PREFIX,
    concurrency: config.WORKER_CONCURRENCY,
    lockMs: config.MESSAGE_LOCK * 1_000,
    run: (model, turns) => runNext(deps, model, turns),
    arrived: (tenant, id) => arrive(deps, tenant, id),
    waiting: async (model) => (await records.lines.sizes(model)).reduce((sum, size) => sum + size.waiting, 0),
    draining: deps.draining,
    ended: giveUp,
    log,
  });
  opened.use(lane);
  const watch = createWatchdog({ look: () => lane.look(), fit: async () => (await check()).ok, stuck: giveUp, log });
  const recovery = createRecovery(deps, { uploads: config.WORKER_CONCURRENCY });
  return {
    run: () => {
      lane.run();
      return runBesideLane(deps, {
        recovery,
        workers: records.workers,
        watch,
        serveUnrung: () => lane.serveUnrung(),
        stuckAfterMs: config.STUCK_AFTER * 1_000,
      });
    },
    drain: () => lane.drain(),
    idle: () => recovery.idle(),
  };
}

/** The callers' batches, and the provider's that carry their rows. */
export function openBatch(opened: AsyncDisposableStack, { config, channels, adapters, deps }: RoleParts): Run {
  const { records, reach, queue, clock } = adapters;
  const { batches, callers, pool } = records;
  const { accounts } = opened.use(
    openAccounts(channels, {
      log: deps.log,
      clock,
      openBucket: (bucket, token) =>
        openBucket({
          bucket,
          ...(token && { token }),
          ...(config.GCS_API_ENDPOINT && { apiEndpoint: config.GCS_API_ENDPOINT }),
        }),
    }),
  );
  const isOut = outPlaces(reach);
  const lane = laneOptions(config, { ...deps, batches, callers, pool, accounts, specs: channels, isOut });
  return () => [...runBatches({ ...deps, batches: callers, chunks: batches, queue }), ...runBatchLane(lane)];
}

/** Events on their way to their receivers. */
export function openWebhooks(opened: AsyncDisposableStack, { config, adapters, deps, metrics }: RoleParts): Run {
  const { redis, records } = adapters;
  const subscriber = connectBlocking(opened, config);
  const lane = opened.use(
    createWebhookLane(config, {
      ...deps,
      batches: records.callers,
      recent: records.recent,
      endpoints: records.endpoints,
      deliveries: records.deliveries,
      changes: () => createRedisChanges({ redis, subscriber, prefix: config.REDIS_PREFIX }),
      registry: metrics.registry,
    }),
  );
  return () => lane.run(deps.draining);
}

/** What looks after the records. It opens nothing. */
export function prepareSweeper({ config, adapters, deps }: RoleParts): Run {
  const { records, store, clock, queue } = adapters;
  const { recent, callers, endpoints, deliveries, ingests, actions, walk, alerts } = records;
  const sweeper: SweeperDeps = {
    ...deps,
    ...eventSweepDeps(deps, { recent, store, clock, retentionMs: retentionMsOf(config), crash: deps.crash }),
    queue,
    letGo: (job, attempt) => letGo(deps, job, attempt),
    batches: callers,
    endpoints,
    deliveries,
    ingests,
    actions,
    walk,
    alerting: { ...deps, ...alertOptions(config), alerts },
    newJobId: () => idFrom('job', randomUUIDv7(), clock.now()),
  };
  return () => runSweeper(sweeper);
}

/** Whoever blocks on a connection, or listens on it, needs one of its own. */
function connectBlocking(opened: AsyncDisposableStack, { REDIS_URL }: WorkerConfig) {
  return opened.adopt(openBlockingRedis(REDIS_URL), (client) => client.disconnect());
}
