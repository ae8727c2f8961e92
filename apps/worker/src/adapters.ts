/** Opens what all roles of a worker work on. Here, in `records.ts`, `reach.ts` and `worker.ts` Redis and BullMQ are named. */

import { randomUUIDv7 } from 'node:crypto';
import { resolve } from 'node:path';
import { type ChannelsConfig, derivedKey, publicUrlOf } from '@darkroom/shared/config';
import { idFrom } from '@darkroom/shared/domain';
import { type CrashPoint, describeError, type Log, tellOfClock, withCrashPoints } from '@darkroom/shared/observability';
import { type RedisHealth, systemClock } from '@darkroom/shared/ports';
import { createLaneQueue } from '@darkroom/shared/queue';
import { createWakeQueue } from '@darkroom/shared/queue/bullmq';
import { openStore } from '@darkroom/shared/storage';
import { checkRedis, openPatientRedis, openRedisClock } from '@darkroom/shared/storage/redis';
import { createFolderSpool } from '@darkroom/shared/storage/spool';
import { createOutbox } from '@darkroom/shared/usecases';
import type { WorkerConfig } from './config.ts';
import { openReach } from './reach.ts';
import { createRecords } from './records.ts';

export type Adapters = Awaited<ReturnType<typeof openAdapters>>;

/**
 * They close in reverse order, also when a later step throws.
 *
 * @throws when Redis would lose or evict accepted jobs
 */
export async function openAdapters(
  config: WorkerConfig,
  { channels, ...shares }: ChannelsConfig,
  { crash, log }: { crash: CrashPoint; log: Log },
) {
  await using opened = new AsyncDisposableStack();
  const connect = () => opened.adopt(openPatientRedis(config.REDIS_URL), (client) => client.disconnect());
  const redis = connect();
  await redis.connect();
  const prefix = config.REDIS_PREFIX;
  const check = () => checkRedis(redis, `${prefix}probe`);
  refuseUnfit(await check(), log);
  const clock =
    config.CLOCK === 'host'
      ? systemClock
      : opened.use(await openRedisClock({ redis, tell: (aheadMs) => tellOfClock(log, aheadMs) }));
  const store = await openStore(config.STORAGE_URL, {
    publicUrl: publicUrlOf(config, config.PORT),
    signingKey: derivedKey(config.DARKROOM_SECRET, 'links'),
    clock,
    ...(config.GCS_API_ENDPOINT && { gcsApiEndpoint: config.GCS_API_ENDPOINT }),
  });
  const records = createRecords(config, { redis, shares, clock, crash, log });
  const { ledger, pool, lines } = records;
  const standard = opened.use(createWakeQueue({ redis: connect(), prefix, lines, channels }));
  const queue = withCrashPoints(createLaneQueue({ standard, pool }), crash, {
    enqueue: { before: 'wake.gathered', after: 'wake.enqueued' },
  });
  const outbox = createOutbox({ ledger, queue, clock, onError: (e) => log.warn(describeError(e), 'outbox.deferred') });
  const root = resolve(config.DARKROOM_DATA, 'spool');
  const spool = opened.use(createFolderSpool({ root, owner: idFrom('att', randomUUIDv7()), clock }));
  const reach = opened.use(
    openReach(channels, {
      redis,
      prefix,
      clock,
      minuteMs: config.QUOTA_MINUTE_MS,
      coolDownMs: config.BREAKER_COOL_DOWN_MS,
    }),
  );
  const owned = opened.move();
  return {
    redis,
    check,
    clock,
    store,
    records,
    queue,
    outbox,
    spool,
    reach,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function refuseUnfit(health: RedisHealth, log: Log): void {
  if (!health.ok) throw new Error(`Redis is not fit to keep jobs: ${health.problems.join('; ')}`);
  for (const warning of health.warnings) log.warn({ warning }, 'redis.warning');
}
