/** What all workers know: the records in Redis. A step at which a test may have this process die is marked here. */

import { type ChannelsConfig, keyBoundsOf, shareOf } from '@darkroom/shared/config';
import { type CrashPoint, describeError, type Log, withCrashPoints } from '@darkroom/shared/observability';
import type { Clock } from '@darkroom/shared/ports';
import {
  createRedisActions,
  createRedisAlerts,
  createRedisBatches,
  createRedisCallNotes,
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
} from '@darkroom/shared/storage/redis';
import type { Redis } from 'ioredis';
import type { WorkerConfig } from './config.ts';

const DAY_MS = 86_400_000;

type RecordsOptions = {
  redis: Redis;
  shares: Pick<ChannelsConfig, 'tenants' | 'keys'>;
  clock: Clock;
  crash: CrashPoint;
  log: Log;
};

/** `batches` are the provider's, `callers` the callers'. */
export function createRecords(config: WorkerConfig, { redis, shares, clock, crash, log }: RecordsOptions) {
  const at = { redis, prefix: config.REDIS_PREFIX };
  const tailMs = config.JOB_TAIL * 1_000;
  const onUnreadable: OnUnreadable = (record) => log.error(record, 'record.unreadable');
  const now = () => clock.now();
  const window = { windowMs: config.ALERT_WINDOW * 1_000, now };
  return {
    ledger: withCrashPoints(createRedisLedger({ ...at, tailMs, onUnreadable, now }), crash, {
      enqueued: { after: 'wake.noted' },
      unfollow: { before: 'handoff.decided', after: 'handoff.moved' },
      handedOff: { before: 'handoff.ended' },
      forget: { before: 'archive.written', after: 'archive.forgotten' },
    }),
    pool: withCrashPoints(createRedisPool(at), crash, { add: { after: 'chunk.pooled' } }),
    lines: createRedisLines({
      ...at,
      shareOf: (tenant) => shareOf(shares, tenant),
      keyShareOf: (key) => keyBoundsOf(shares, key),
      lapseMs: config.MESSAGE_LOCK * 1_000,
    }),
    batches: createRedisProviderBatches(at),
    callers: withCrashPoints(createRedisBatches({ ...at, tailMs }), crash, {
      enlist: { after: 'batch.enlisted' },
      write: { before: 'batch.decided', after: 'batch.written' },
    }),
    recent: createRedisEvents(at),
    endpoints: createRedisEndpoints(at),
    deliveries: createRedisDeliveries({ ...at, deadMs: retentionMsOf(config) }),
    latency: createRedisLatency({ ...at, now }),
    calls: createRedisCallNotes({
      ...at,
      window,
      onError: (error) => log.debug(describeError(error), 'calls.not_noted'),
    }),
    alerts: createRedisAlerts({ ...at, window }),
    ingests: createRedisIngests(at),
    actions: createRedisActions(at),
    walk: createRedisJobWalk({ ...at, onUnreadable }),
    workers: createRedisWorkers(at),
  };
}

/** For how long events, and deliveries that came to nothing, are kept. */
export function retentionMsOf({ EVENTS_RETENTION_DAYS }: WorkerConfig): number {
  return EVENTS_RETENTION_DAYS * DAY_MS;
}
