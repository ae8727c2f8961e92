import {
  type ChannelSpec,
  type EpochMs,
  type ErrorCode,
  MODELS,
  type Place,
  PROVIDER_BATCH_STATES,
  type ProviderBatch,
} from '@darkroom/shared/domain';
import {
  Counter,
  createRegistry,
  Gauge,
  Histogram,
  type Registry,
  registerLedgerMetrics,
} from '@darkroom/shared/observability';
import type { Breakers, Clock, Ledger, Lines, Pool, ProviderBatches, Quotas, Spool } from '@darkroom/shared/ports';
import { type ChannelCounters, createChannelCounters, registerChannelGauges } from './channel-metrics.ts';

export type WorkerMetrics = ChannelCounters & {
  called(): void;
  /** @param end `ms` of the call where it says how fast the provider is, `error` of an answer that refused it */
  ended(place: Place, outcome: string, end: { ms?: number | undefined; error?: ErrorCode | undefined }): void;
  /** Lines of a provider's result file, and members without one, by what became of them. */
  batchLines(outcome: string, count: number): void;
  /** Something that an operator should look at. */
  batchAlarm(): void;
  scrape(): Promise<{ type: string; text: string }>;
};

/** Answers that somebody has to do something about at the first one. */
const GRAVE = ['upstream_auth', 'upstream_quota_exhausted', 'model_retired'] as const satisfies ErrorCode[];

export function createWorkerMetrics(deps: {
  ledger: Ledger;
  clock: Clock;
  channels: readonly ChannelSpec[];
  spool: Spool;
  spoolBytesMax: number;
  /** What all workers share about the channels. */
  reach?: { quotas: Pick<Quotas, 'look'>; breakers: Pick<Breakers, 'look'>; lines: Pick<Lines, 'sizes'> };
  /** Given by a worker that runs the batch lane. */
  lane?: { batches: ProviderBatches; pool: Pool };
}): WorkerMetrics & { registry: Registry } {
  const registry = createRegistry();
  const registers = [registry];
  registerLedgerMetrics(registry, deps);
  const called = new Counter({ name: 'darkroom_provider_calls_total', help: 'Paid calls sent', registers });
  const attempts = new Counter({
    name: 'darkroom_attempts_total',
    help: 'Ended attempts by outcome; rejected ones with the error',
    labelNames: ['channel', 'model', 'outcome', 'error'],
    registers,
  });
  // Prometheus sees no increase in a counter that begins at 1.
  for (const { id: channel, models } of deps.channels) {
    for (const model of Object.keys(models)) {
      for (const error of GRAVE) attempts.inc({ channel, model, outcome: 'rejected', error }, 0);
    }
  }
  const latency = new Histogram({
    name: 'darkroom_provider_seconds',
    help: 'Time from sending a call to the last byte of its answer',
    labelNames: ['channel', 'model', 'outcome'],
    buckets: [0.5, 1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300],
    registers,
  });
  const counters = createChannelCounters(registry, deps.channels);
  if (deps.reach) registerChannelGauges(registry, deps.channels, deps.reach);
  registerSpool(registry, deps);
  registerRetirements(registry);
  const lines = new Counter({
    name: 'darkroom_batch_lines_total',
    help: 'Result lines of provider batches, and members without one, by what became of them',
    labelNames: ['outcome'],
    registers,
  });
  const alarms = new Counter({
    name: 'darkroom_batch_alarms_total',
    help: 'Things about provider batches that somebody should look at; the log says which',
    registers,
  });
  if (deps.lane) registerLane(registry, { ...deps.lane, clock: deps.clock });
  return {
    registry,
    ...counters,
    batchLines: (outcome, count) => lines.inc({ outcome }, count),
    batchAlarm: () => alarms.inc(),
    called: () => called.inc(),
    ended: (place, outcome, { ms, error }) => {
      attempts.inc({ ...place, outcome, ...(error && { error }) });
      if (ms) latency.observe({ ...place, outcome }, ms / 1_000);
    },
    scrape: async () => ({ type: registry.contentType, text: await registry.metrics() }),
  };
}

function registerSpool(registry: Registry, deps: { spool: Spool; spoolBytesMax: number }): void {
  const registers = [registry];
  new Gauge({
    name: 'darkroom_spool_bytes',
    help: 'Paid bytes not yet stored',
    registers,
    async collect() {
      this.set((await deps.spool.usage()).bytes);
    },
  });
  new Gauge({
    name: 'darkroom_spool_entries',
    help: 'Attempts with a place in the spool',
    registers,
    async collect() {
      this.set((await deps.spool.usage()).entries);
    },
  });
  const max = new Gauge({
    name: 'darkroom_spool_bytes_max',
    help: 'What the spool may hold; above 80 % of it no new call is made',
    registers,
  });
  max.set(deps.spoolBytesMax);
}

function registerRetirements(registry: Registry): void {
  const retires = new Gauge({
    name: 'darkroom_model_retires_timestamp_seconds',
    help: 'When the provider is to end a model, for those with a date. The same from every worker: take the max, not the sum',
    labelNames: ['model'],
    registers: [registry],
  });
  for (const { id: model, retiresOn } of MODELS) {
    if (retiresOn) retires.set({ model }, Date.parse(retiresOn) / 1_000);
  }
}

const OPEN_STATES = PROVIDER_BATCH_STATES.filter((one) => one !== 'closed');

/** Since when a provider batch is in the state it is in. */
function inStateSince({ state, createdAt, creates, submittedAt, end }: ProviderBatch): EpochMs {
  const since = { creating: creates.at(-1)?.at, submitted: submittedAt, ended: end?.at };
  return (state === 'creating' || state === 'submitted' || state === 'ended' ? since[state] : undefined) ?? createdAt;
}

type Lane = { batches: ProviderBatches; pool: Pool; clock: Clock };

/** What every worker says of the one lane must not be added up. */
function registerLane(registry: Registry, { batches, pool, clock }: Lane): void {
  const registers = [registry];
  new Gauge({
    name: 'darkroom_provider_batches',
    help: 'Open provider batches by state. The same from every worker: take the max, not the sum',
    labelNames: ['state'],
    registers,
    async collect() {
      const open = await batches.open();
      for (const state of OPEN_STATES) this.set({ state }, open.filter((batch) => batch.state === state).length);
    },
  });
  new Gauge({
    name: 'darkroom_provider_batch_age_seconds',
    help: 'For how long the oldest provider batch of a state has been in it. The same from every worker: take the max, not the sum',
    labelNames: ['state'],
    registers,
    async collect() {
      const now = clock.now();
      const open = await batches.open();
      for (const state of OPEN_STATES) {
        const since = open.filter((batch) => batch.state === state).map(inStateSince);
        this.set({ state }, Math.max(0, now - Math.min(now, ...since)) / 1_000);
      }
    },
  });
  new Gauge({
    name: 'darkroom_batch_pool',
    help: 'Jobs that wait for a place in a provider batch. The same from every worker: take the max, not the sum',
    labelNames: ['model'],
    registers,
    async collect() {
      this.reset();
      for (const model of await pool.models()) this.set({ model }, await pool.size(model));
    },
  });
}
