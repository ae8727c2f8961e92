import { PROVIDER_BATCH_STATES } from '@darkroom/shared/domain';
import {
  Counter,
  createRegistry,
  Gauge,
  Histogram,
  type Registry,
  registerLedgerMetrics,
} from '@darkroom/shared/observability';
import type { Clock, Ledger, Pool, ProviderBatches, Spool } from '@darkroom/shared/ports';

export type WorkerMetrics = {
  called(): void;
  ended(model: string, outcome: string, ms: number | undefined): void;
  /** Lines of a provider's result file, and members without one, by what became of them. */
  batchLines(outcome: string, count: number): void;
  /** Something that an operator should look at. */
  batchAlarm(): void;
  scrape(): Promise<{ type: string; text: string }>;
};

export function createWorkerMetrics(deps: {
  ledger: Ledger;
  clock: Clock;
  spool: Spool;
  /** Given by a worker that runs the batch lane. */
  lane?: { batches: ProviderBatches; pool: Pool };
}): WorkerMetrics {
  const registry = createRegistry();
  const registers = [registry];
  registerLedgerMetrics(registry, deps);
  const called = new Counter({ name: 'darkroom_provider_calls_total', help: 'Paid calls sent', registers });
  const attempts = new Counter({
    name: 'darkroom_attempts_total',
    help: 'Ended attempts by outcome',
    labelNames: ['model', 'outcome'],
    registers,
  });
  const latency = new Histogram({
    name: 'darkroom_provider_seconds',
    help: 'Time from sending a call to the last byte of its answer',
    labelNames: ['model', 'outcome'],
    buckets: [0.5, 1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300],
    registers,
  });
  const bytes = new Gauge({ name: 'darkroom_spool_bytes', help: 'Paid bytes not yet stored', registers });
  new Gauge({
    name: 'darkroom_spool_entries',
    help: 'Attempts with a place in the spool',
    registers,
    async collect() {
      const usage = await deps.spool.usage();
      this.set(usage.entries);
      bytes.set(usage.bytes);
    },
  });
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
  if (deps.lane) registerLane(registry, deps.lane);
  return {
    batchLines: (outcome, count) => lines.inc({ outcome }, count),
    batchAlarm: () => alarms.inc(),
    called: () => called.inc(),
    ended: (model, outcome, ms) => {
      attempts.inc({ model, outcome });
      if (ms) latency.observe({ model, outcome }, ms / 1_000);
    },
    scrape: async () => ({ type: registry.contentType, text: await registry.metrics() }),
  };
}

/** What every worker says of the one lane must not be added up. */
function registerLane(registry: Registry, { batches, pool }: { batches: ProviderBatches; pool: Pool }): void {
  const registers = [registry];
  new Gauge({
    name: 'darkroom_provider_batches',
    help: 'Open provider batches by state. The same from every worker: take the max, not the sum',
    labelNames: ['state'],
    registers,
    async collect() {
      const open = await batches.open();
      for (const state of PROVIDER_BATCH_STATES.filter((one) => one !== 'closed'))
        this.set({ state }, open.filter((batch) => batch.state === state).length);
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
