/** Builds every adapter of the worker; with `worker.ts`, the only file here that names Redis or BullMQ. */

import { randomUUIDv7 } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { resolve } from 'node:path';
import { type ChannelsConfig, derivedKey, keyBoundsOf, publicUrlOf, shareOf } from '@darkroom/shared/config';
import { idFrom } from '@darkroom/shared/domain';
import { configureSharp } from '@darkroom/shared/images';
import {
  type CrashPoint,
  createCrashPoint,
  describeError,
  type Log,
  withCrashPoints,
} from '@darkroom/shared/observability';
import { systemClock } from '@darkroom/shared/ports';
import { createLaneQueue } from '@darkroom/shared/queue';
import { createWakeQueue } from '@darkroom/shared/queue/bullmq';
import { openBucket, openStore } from '@darkroom/shared/storage';
import {
  checkRedis,
  createRedisActions,
  createRedisAlerts,
  createRedisBatches,
  createRedisCallNotes,
  createRedisChanges,
  createRedisDeliveries,
  createRedisEndpoints,
  createRedisEvents,
  createRedisIngests,
  createRedisJobWalk,
  createRedisLatency,
  createRedisLedger,
  createRedisLines,
  createRedisPool,
  createRedisProviderBatches,
  createRedisWorkers,
  type OnUnreadable,
  openBlockingRedis,
  openPatientRedis,
} from '@darkroom/shared/storage/redis';
import { createFolderSpool } from '@darkroom/shared/storage/spool';
import { createChannelTeller, createOriginOf, createOutbox, createPausedBatches } from '@darkroom/shared/usecases';
import type { Redis } from 'ioredis';
import { alertOptions } from './alert-config.ts';
import { runBatchLane } from './batch/lane.ts';
import { laneOptions } from './batch/lane-options.ts';
import { openAccounts, outPlaces } from './batch/open-accounts.ts';
import { runBatches } from './batches/loops.ts';
import type { WorkerConfig } from './config.ts';
import { createWorkerMetrics } from './metrics.ts';
import { startOps } from './ops.ts';
import { openReach } from './reach.ts';
import type { AttemptDeps } from './standard/deps.ts';
import { letGo } from './standard/let-go.ts';
import { createRecovery } from './standard/recovery.ts';
import { arrive, runNext } from './standard/run-attempt.ts';
import { createSlots } from './standard/slots.ts';
import { isSpoolFull } from './standard/spool-room.ts';
import { eventSweepDeps } from './sweeper/events.ts';
import { loop } from './sweeper/loop.ts';
import { runSweeper, type SweeperDeps } from './sweeper/loops.ts';
import { createWatchdog, LOOKS_MAX } from './watchdog.ts';
import { createWebhookLane } from './webhooks/lane.ts';
import { createStandardLane } from './worker.ts';

export type WorkerApp = {
  run(): void;
  /** Lets calls in flight end and settles them; takes no new ones. */
  drain(): Promise<void>;
  /** Aborted when this process will do no more work and should end; a new one can. */
  broken: AbortSignal;
} & AsyncDisposable;

const DAY_MS = 86_400_000;
const RECOVER_MS = 5_000;
const BEAT_MS = 2_000;
const MEBIBYTE = 1_048_576;

/** Opens everything the worker needs; it closes in reverse order, also when a later step throws. */
export async function compose(
  config: WorkerConfig,
  { channels: configured, ...shares }: ChannelsConfig,
  log: Log,
): Promise<WorkerApp> {
  await using opened = new AsyncDisposableStack();
  const closing = (client: Redis) => opened.adopt(client, (one) => one.disconnect());
  const connect = () => closing(openPatientRedis(config.REDIS_URL));
  const redis = connect();
  await refuseUnfit(redis, config, log);
  const prefix = config.REDIS_PREFIX;
  const clock = systemClock;
  const store = await openStore(config.STORAGE_URL, {
    publicUrl: publicUrlOf(config, config.PORT),
    signingKey: derivedKey(config.DARKROOM_SECRET, 'links'),
    clock,
    ...(config.GCS_API_ENDPOINT && { gcsApiEndpoint: config.GCS_API_ENDPOINT }),
  });
  const crash = createCrashPoint(config.CRASH_AT);
  const onUnreadable: OnUnreadable = (record) => log.error(record, 'record.unreadable');
  const ledger = withCrashPoints(
    createRedisLedger({ redis, prefix, tailMs: config.JOB_TAIL * 1_000, onUnreadable }),
    crash,
    {
      enqueued: { after: 'wake.noted' },
      unfollow: { before: 'handoff.decided', after: 'handoff.moved' },
      handedOff: { before: 'handoff.ended' },
      forget: { before: 'archive.written', after: 'archive.forgotten' },
    },
  );
  const pool = withCrashPoints(createRedisPool({ redis, prefix }), crash, { add: { after: 'chunk.pooled' } });
  const lines = createRedisLines({
    redis,
    prefix,
    shareOf: (tenant) => shareOf(shares, tenant),
    keyShareOf: (key) => keyBoundsOf(shares, key),
    lapseMs: config.MESSAGE_LOCK * 1_000,
  });
  const standard = opened.use(createWakeQueue({ redis: connect(), prefix, lines, channels: configured }));
  const queue = withCrashPoints(createLaneQueue({ standard, pool }), crash, {
    enqueue: { before: 'wake.gathered', after: 'wake.enqueued' },
  });
  const outbox = createOutbox({ ledger, queue, clock, onError: (e) => log.warn(describeError(e), 'outbox.deferred') });
  const spool = opened.use(
    createFolderSpool({ root: resolve(config.DARKROOM_DATA, 'spool'), owner: idFrom('att', randomUUIDv7()), clock }),
  );
  const reach = opened.use(
    openReach(configured, {
      redis,
      prefix,
      clock,
      minuteMs: config.QUOTA_MINUTE_MS,
      coolDownMs: config.BREAKER_COOL_DOWN_MS,
    }),
  );
  const batches = createRedisProviderBatches({ redis, prefix });
  const callers = withCrashPoints(createRedisBatches({ redis, prefix, tailMs: config.JOB_TAIL * 1_000 }), crash, {
    enlist: { after: 'batch.enlisted' },
    write: { before: 'batch.decided', after: 'batch.written' },
  });
  const spoolBytesMax = config.SPOOL_MAX_MB * MEBIBYTE;
  const retentionMs = config.EVENTS_RETENTION_DAYS * DAY_MS;
  const recent = createRedisEvents({ redis, prefix });
  const endpoints = createRedisEndpoints({ redis, prefix });
  const deliveries = createRedisDeliveries({ redis, prefix, deadMs: retentionMs });
  const metrics = createWorkerMetrics({
    ledger,
    clock,
    channels: configured,
    spool,
    spoolBytesMax,
    reach: { ...reach, lines },
    lane: { batches, pool },
  });
  const draining = new AbortController();
  const stopping = new AbortController();
  await configureSharp({ concurrency: 1 });
  const window = { windowMs: config.ALERT_WINDOW * 1_000, now: () => clock.now() };
  const calls = createRedisCallNotes({
    redis,
    prefix,
    window,
    onError: (error) => log.debug(describeError(error), 'calls.not_noted'),
  });
  const alerts = createRedisAlerts({ redis, prefix, window });
  const deps: AttemptDeps = {
    ledger,
    store,
    spool,
    ...reach,
    lines,
    channelTeller: createChannelTeller({ alerts, log, tenant: config.ALERTS_TENANT }),
    latency: createRedisLatency({ redis, prefix, now: () => clock.now() }),
    calls,
    outbox,
    clock,
    random: Math.random,
    newAttemptId: () => idFrom('att', randomUUIDv7()),
    slots: createSlots(config.WORKER_CONCURRENCY),
    callMsMax: config.CALL_TIMEOUT === undefined ? Number.POSITIVE_INFINITY : config.CALL_TIMEOUT * 1_000,
    log,
    metrics,
    crash,
    unfinished: new Set(),
    spoolBytesMax,
    isPaused: createPausedBatches({ batches: callers, clock }),
    originOf: createOriginOf({ batches: callers }),
    draining: draining.signal,
    stopping: stopping.signal,
  };
  const { accounts } = opened.use(
    openAccounts(configured, {
      log,
      clock,
      openBucket: (bucket, token) =>
        openBucket({
          bucket,
          ...(token && { token }),
          ...(config.GCS_API_ENDPOINT && { apiEndpoint: config.GCS_API_ENDPOINT }),
        }),
    }),
  );
  const batchDeps = laneOptions(config, {
    ...deps,
    batches,
    callers,
    pool,
    accounts,
    specs: configured,
    isOut: outPlaces(reach),
  });
  const subscriber = closing(openBlockingRedis(config.REDIS_URL));
  const webhookLane = opened.use(
    createWebhookLane(config, {
      ...deps,
      batches: callers,
      recent,
      endpoints,
      deliveries,
      changes: () => createRedisChanges({ redis, subscriber, prefix }),
      registry: metrics.registry,
    }),
  );
  const sweeperDeps: SweeperDeps = {
    ...deps,
    ...eventSweepDeps(deps, { recent, store, clock, retentionMs, crash }),
    queue,
    letGo: (job, attempt) => letGo(deps, job, attempt),
    batches: callers,
    endpoints,
    deliveries,
    ingests: createRedisIngests({ redis, prefix }),
    actions: createRedisActions({ redis, prefix }),
    walk: createRedisJobWalk({ redis, prefix, onUnreadable }),
    alerting: { ...deps, ...alertOptions(config), alerts },
    newJobId: () => idFrom('job', randomUUIDv7()),
  };
  const broken = new AbortController();
  const giveUp = (queue: string) => broken.abort(`no messages are taken from ${queue}`);
  const check = () => checkRedis(redis, `${prefix}probe`);
  const lane = createStandardLane({
    lookout: redis,
    redis: () => closing(openBlockingRedis(config.REDIS_URL)),
    prefix,
    concurrency: config.WORKER_CONCURRENCY,
    lockMs: config.MESSAGE_LOCK * 1_000,
    run: (model, turns) => runNext(deps, model, turns),
    arrived: (tenant, id) => arrive(deps, tenant, id),
    ended: giveUp,
    log,
  });
  opened.use(lane);
  opened.use(await startOps({ config, log, metrics, check, broken: broken.signal }));
  opened.defer(() => stopping.abort());
  if (config.CRASH_AT) opened.defer(markSent(crash));
  const watch = createWatchdog({ look: () => lane.look(), fit: async () => (await check()).ok, stuck: giveUp, log });
  const workers = createRedisWorkers({ redis, prefix });
  const ownName = randomUUIDv7();
  const beat = async () => workers.beat(ownName, { spoolFull: await isSpoolFull(deps) });
  const recovery = createRecovery(deps, { uploads: config.WORKER_CONCURRENCY });
  const owned = opened.move();
  const loops: Promise<void>[] = [];
  return {
    broken: broken.signal,
    run: () => {
      const { WORKER_ROLES: roles } = config;
      if (roles.includes('standard')) {
        lane.run();
        loops.push(loop('watch', (config.STUCK_AFTER * 1_000) / LOOKS_MAX, watch, log, draining.signal));
        loops.push(loop('beat', BEAT_MS, beat, log, draining.signal));
        loops.push(loop('recover', RECOVER_MS, () => recovery.once(), log, draining.signal));
      }
      if (roles.includes('batch')) {
        loops.push(...runBatches({ ...deps, batches: callers, chunks: batches, queue }));
        loops.push(...runBatchLane(batchDeps));
      }
      if (roles.includes('webhooks')) loops.push(...webhookLane.run(draining.signal));
      if (roles.includes('sweeper')) loops.push(...runSweeper(sweeperDeps));
    },
    drain: async () => {
      draining.abort();
      await Promise.all([lane.drain(), ...loops]);
      await recovery.idle();
      await outbox.flush();
      await calls.flush();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Marks the moment a paid request's last byte went to its socket, which only the HTTP client sees. */
function markSent(crash: CrashPoint): () => void {
  const channel = 'undici:request:bodySent';
  const look = (message: unknown) => {
    const { request } = message as { request: { path?: unknown } };
    if (String(request.path).endsWith(':generateContent')) crash('attempt.sent');
  };
  subscribe(channel, look);
  return () => unsubscribe(channel, look);
}

/** @throws when Redis would lose or evict accepted jobs */
async function refuseUnfit(redis: Redis, { REDIS_PREFIX }: WorkerConfig, log: Log): Promise<void> {
  await redis.connect();
  const health = await checkRedis(redis, `${REDIS_PREFIX}probe`);
  if (!health.ok) throw new Error(`Redis is not fit to keep jobs: ${health.problems.join('; ')}`);
  for (const warning of health.warnings) log.warn({ warning }, 'redis.warning');
}
