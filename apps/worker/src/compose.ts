/** Puts the worker together: adapters, what an attempt needs, and its roles. */

import { randomUUIDv7 } from 'node:crypto';
import type { ChannelsConfig } from '@darkroom/shared/config';
import { idFrom } from '@darkroom/shared/domain';
import { configureSharp } from '@darkroom/shared/images';
import { createCrashPoint, type Log } from '@darkroom/shared/observability';
import { createChannelTeller, createOriginOf, createPausedBatches } from '@darkroom/shared/usecases';
import { type Adapters, openAdapters } from './adapters.ts';
import type { WorkerConfig } from './config.ts';
import { markSent } from './mark-sent.ts';
import { createWorkerMetrics } from './metrics.ts';
import { startOps } from './ops.ts';
import { openBatch, openStandard, openWebhooks, prepareSweeper } from './roles.ts';
import type { AttemptDeps } from './standard/deps.ts';
import { createSlots } from './standard/slots.ts';

export type WorkerApp = {
  run(): void;
  /** Lets calls in flight end and settles them; takes no new ones. */
  drain(): Promise<void>;
  /** Aborted when this process will do no more work and should end; a new one can. */
  broken: AbortSignal;
} & AsyncDisposable;

const MEBIBYTE = 1_048_576;

/** Opens everything the worker needs; it closes in reverse order, also when a later step throws. */
export async function compose(config: WorkerConfig, configured: ChannelsConfig, log: Log): Promise<WorkerApp> {
  await using opened = new AsyncDisposableStack();
  const { channels } = configured;
  const crash = createCrashPoint(config.CRASH_AT);
  const adapters = opened.use(await openAdapters(config, configured, { crash, log }));
  const { check, clock, outbox, reach, records, spool } = adapters;
  await configureSharp({ concurrency: 1 });
  const spoolBytesMax = config.SPOOL_MAX_MB * MEBIBYTE;
  const metrics = createWorkerMetrics({
    ledger: records.ledger,
    clock,
    channels,
    spool,
    spoolBytesMax,
    reach: { ...reach, lines: records.lines },
    lane: records,
  });
  const draining = new AbortController();
  const stopping = new AbortController();
  const signals = { draining: draining.signal, stopping: stopping.signal };
  const deps = attemptDeps(config, adapters, { ...signals, spoolBytesMax, log, metrics, crash });
  const broken = new AbortController();
  const giveUp = (queue: string) => broken.abort(`no messages are taken from ${queue}`);
  const parts = { config, channels, adapters, deps, metrics };
  const batch = openBatch(opened, parts);
  const webhooks = openWebhooks(opened, parts);
  const sweeper = prepareSweeper(parts);
  const standard = openStandard(opened, parts, giveUp);
  opened.use(await startOps({ config, log, metrics, check, broken: broken.signal }));
  opened.defer(() => stopping.abort());
  if (config.CRASH_AT) opened.defer(markSent(crash));
  const owned = opened.move();
  const loops: Promise<void>[] = [];
  return {
    broken: broken.signal,
    run: () => {
      const { WORKER_ROLES: roles } = config;
      if (roles.includes('standard')) loops.push(...standard.run());
      if (roles.includes('batch')) loops.push(...batch());
      if (roles.includes('webhooks')) loops.push(...webhooks());
      if (roles.includes('sweeper')) loops.push(...sweeper());
    },
    drain: async () => {
      draining.abort();
      await Promise.all([standard.drain(), ...loops]);
      await standard.idle();
      await outbox.flush();
      await records.calls.flush();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

type OwnParts = Pick<AttemptDeps, 'draining' | 'stopping' | 'spoolBytesMax' | 'log' | 'metrics' | 'crash'>;

function attemptDeps(
  config: WorkerConfig,
  { clock, store, spool, outbox, reach, records }: Adapters,
  own: OwnParts,
): AttemptDeps {
  const { ledger, lines, latency, calls, alerts, callers } = records;
  return {
    ...reach,
    ...own,
    ledger,
    store,
    spool,
    lines,
    channelTeller: createChannelTeller({ alerts, log: own.log, tenant: config.ALERTS_TENANT }),
    latency,
    calls,
    outbox,
    clock,
    random: Math.random,
    newAttemptId: () => idFrom('att', randomUUIDv7(), clock.now()),
    slots: createSlots(config.WORKER_CONCURRENCY),
    callMsMax: config.CALL_TIMEOUT === undefined ? Number.POSITIVE_INFINITY : config.CALL_TIMEOUT * 1_000,
    unfinished: new Set(),
    isPaused: createPausedBatches({ batches: callers, clock }),
    originOf: createOriginOf({ batches: callers }),
  };
}
