/** Builds every adapter of the API; the only file here that names Redis or BullMQ. */

import { randomUUIDv7 } from 'node:crypto';
import { type ChannelsConfig, derivedKey, keyBoundsOf, shareOf } from '@darkroom/shared/config';
import { idFrom, limitsIn } from '@darkroom/shared/domain';
import { createSafeFetch, createUrlCheck, localToo } from '@darkroom/shared/net';
import {
  createCrashPoint,
  describeError,
  type Log,
  tellOfClock,
  withCrashPoints,
} from '@darkroom/shared/observability';
import { type ApiKeys, systemClock } from '@darkroom/shared/ports';
import { createLaneQueue } from '@darkroom/shared/queue';
import { createWakeQueue } from '@darkroom/shared/queue/bullmq';
import { SCOPES } from '@darkroom/shared/schemas';
import { openStore } from '@darkroom/shared/storage';
import {
  checkRedis,
  createApiKeys,
  createRedisActions,
  createRedisAlerts,
  createRedisBatches,
  createRedisBreakers,
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
  createRedisQuotas,
  createRedisQuotes,
  createRedisSubmissionRate,
  createRedisTemplates,
  createRedisWorkers,
  lookAtRedis,
  type OnUnreadable,
  openPatientRedis,
  openRedisClock,
  openRequestRedis,
} from '@darkroom/shared/storage/redis';
import {
  createChannelTeller,
  createEventArchive,
  createEventLog,
  createOutbox,
  createPausedBatches,
  createPlaces,
  resolveReferences,
} from '@darkroom/shared/usecases';
import { createSecretSeal, ownWebhookSecret } from '@darkroom/shared/webhooks';
import type { ApiConfig } from './config.ts';
import type { ApiDeps } from './deps.ts';
import { createDoctor } from './doctor/examine-api.ts';
import { createHealth } from './health.ts';
import { createApiMetrics } from './metrics.ts';

/** Below the idle limit of common proxies, so a quiet stream of events stays open. */
const HEARTBEAT_MS = 15_000;

/** A body of any length, as long as it moves; six hours are 200,000 rows at ten a second. */
const BATCH_PACE = { idleMs: 30_000, totalMs: 6 * 3_600_000 };

const DAY_MS = 86_400_000;
const ALERT_WINDOW_MS = 600_000;

export type Composed = { deps: ApiDeps; drain: () => Promise<void> } & AsyncDisposable;

/** Opens everything the API needs; it closes in reverse order, also when a later step throws. */
export async function compose(
  config: ApiConfig,
  log: Log,
  { publicUrl, channels }: { publicUrl: () => string; channels: ChannelsConfig },
): Promise<Composed> {
  await using opened = new AsyncDisposableStack();
  const redis = opened.adopt(await openRequestRedis(config.REDIS_URL), (client) => client.disconnect());
  const bull = opened.adopt(await openRequestRedis(config.REDIS_URL), (client) => client.disconnect());
  const subscriber = opened.adopt(openPatientRedis(config.REDIS_URL), (client) => client.disconnect());
  const prefix = config.REDIS_PREFIX;
  const clock =
    config.CLOCK === 'host'
      ? systemClock
      : opened.use(await openRedisClock({ redis, tell: (aheadMs) => tellOfClock(log, aheadMs) }));
  const address = publicUrl();
  const store = await openStore(config.STORAGE_URL, {
    publicUrl: address,
    signingKey: derivedKey(config.DARKROOM_SECRET, 'links'),
    clock,
    gcsReadBuckets: config.GCS_READ_BUCKETS,
    ...(config.GCS_API_ENDPOINT && { gcsApiEndpoint: config.GCS_API_ENDPOINT }),
  });
  const crash = createCrashPoint(config.CRASH_AT);
  const tailMs = config.JOB_TAIL * 1_000;
  const onUnreadable: OnUnreadable = (record) => log.error(record, 'record.unreadable');
  const ledger = withCrashPoints(
    createRedisLedger({ redis, prefix, tailMs, backlogMax: config.BACKLOG_MAX, onUnreadable, now: () => clock.now() }),
    crash,
    {
      admit: { before: 'admission.parsed', after: 'admission.recorded' },
      write: { after: 'control.written' },
      enqueued: { after: 'outbox.noted' },
    },
  );
  const pool = withCrashPoints(createRedisPool({ redis, prefix }), crash, { add: { after: 'chunk.pooled' } });
  const lines = createRedisLines({
    redis,
    prefix,
    shareOf: (tenant) => shareOf(channels, tenant),
    keyShareOf: (key) => keyBoundsOf(channels, key),
  });
  const standard = opened.use(createWakeQueue({ redis: bull, prefix, lines, channels: channels.channels }));
  const queue = withCrashPoints(createLaneQueue({ standard, pool }), crash, {
    enqueue: { before: 'outbox.gathered', after: 'outbox.enqueued' },
  });
  const onError = (error: unknown) => log.warn(describeError(error), 'outbox.deferred');
  const outbox = createOutbox({ ledger, queue, clock, onError });
  const pepper = derivedKey(config.DARKROOM_SECRET, 'api-keys');
  const keys = createApiKeys({ redis, prefix, pepper, now: () => clock.now() });
  await registerFirstKey(keys, config);
  const ownKey = derivedKey(config.DARKROOM_SECRET, 'webhook-own');
  const safeFetch = createSafeFetch({ allowHttp: config.DOWNLOAD_HTTP === 'true' });
  const providerBatches = createRedisProviderBatches({ redis, prefix });
  const workers = createRedisWorkers({ redis, prefix });
  const health = opened.use(createHealth({ check: () => checkRedis(redis, `${prefix}probe`), workers, store, log }));
  await health.lookAtRedis(); // Known before the first submission comes; a store may be away then.
  // Only what was told is asked of it here, and no counts of calls.
  const alerts = createRedisAlerts({ redis, prefix, window: { windowMs: ALERT_WINDOW_MS, now: () => clock.now() } });
  const breakers = createRedisBreakers({ redis, prefix });
  const quotas = createRedisQuotas({ redis, prefix, limitsOf: limitsIn(channels.channels) });
  const batches = withCrashPoints(createRedisBatches({ redis, prefix, tailMs }), crash, {
    accept: { before: 'batch.streamed', after: 'batch.accepted' },
  });
  const draining = new AbortController();
  const deps: ApiDeps = {
    log,
    metrics: createApiMetrics({ ledger, clock }),
    clock,
    keys,
    ledger,
    breakers,
    // A job is told that it is parked in the moment in which its channel is: an older look would not show why.
    places: createPlaces({ breakers, quotas, clock, freshMs: 0 }),
    channelTeller: createChannelTeller({ alerts, log, tenant: config.ALERTS_TENANT }),
    quotas,
    store,
    publicUrl: address,
    channels,
    batches,
    isPaused: createPausedBatches({ batches, clock }),
    actions: createRedisActions({ redis, prefix }),
    walk: createRedisJobWalk({ redis, prefix, onUnreadable }),
    ingests: createRedisIngests({ redis, prefix }),
    templates: createRedisTemplates({ redis, prefix }),
    quotes: createRedisQuotes({ redis, prefix }),
    lines,
    submissions: createRedisSubmissionRate({ redis, prefix }),
    latency: createRedisLatency({ redis, prefix, now: () => clock.now() }),
    changes: await createRedisChanges({ redis, subscriber, prefix }),
    events: createEventLog({
      recent: createRedisEvents({ redis, prefix }),
      archive: createEventArchive(store),
      clock,
      retentionMs: config.EVENTS_RETENTION_DAYS * DAY_MS,
    }),
    endpoints: createRedisEndpoints({ redis, prefix }),
    deliveries: createRedisDeliveries({ redis, prefix, deadMs: config.EVENTS_RETENTION_DAYS * DAY_MS }),
    outbox,
    ...(config.GEMINI_WEBHOOK_SECRET && {
      providerWebhook: {
        secret: config.GEMINI_WEBHOOK_SECRET,
        wake: (cause) => providerBatches.callTurn('poll', cause),
      },
    }),
    safeFetch,
    checkUrl: createUrlCheck(config.WEBHOOK_HTTP === 'true' ? localToo() : {}),
    secrets: createSecretSeal(derivedKey(config.DARKROOM_SECRET, 'webhook-secrets')),
    ownSecret: (tenant, generation) => ownWebhookSecret(ownKey, tenant, generation),
    newJobId: () => idFrom('job', randomUUIDv7(), clock.now()),
    newBatchId: () => idFrom('bat', randomUUIDv7(), clock.now()),
    newActionId: () => idFrom('act', randomUUIDv7(), clock.now()),
    newEndpointId: () => idFrom('whe', randomUUIDv7(), clock.now()),
    resolveReferences: (tenant, references) => resolveReferences({ ledger, store, safeFetch }, tenant, references),
    deadlineMs: config.JOB_DEADLINE * 1_000,
    batchPace: BATCH_PACE,
    bodyLimitMb: config.BODY_LIMIT_MB,
    bodiesMaxMb: config.BODIES_MAX_MB,
    authFailuresMax: config.AUTH_FAILURES_MAX,
    health: health.look,
    doctor: createDoctor(config, {
      // It says how far this host's own clock is off.
      look: () => lookAtRedis(redis, { key: `${prefix}probe`, clock: systemClock }),
      store,
      channels,
      clock,
    }),
    accepting: health.accepting,
    heartbeatMs: HEARTBEAT_MS,
    draining: draining.signal,
    crash,
  };
  const owned = opened.move();
  const drain = async () => {
    draining.abort();
    await outbox.flush();
  };
  return { deps, drain, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function registerFirstKey(keys: ApiKeys, { DARKROOM_API_KEY }: ApiConfig): Promise<void> {
  if (DARKROOM_API_KEY) await keys.register(DARKROOM_API_KEY.reveal(), { tenant: 'default', scopes: SCOPES });
}
