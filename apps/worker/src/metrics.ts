import { Counter, createRegistry, Gauge, Histogram, registerLedgerMetrics } from '@darkroom/shared/observability';
import type { Clock, Ledger, Spool } from '@darkroom/shared/ports';

export type WorkerMetrics = {
  called(): void;
  ended(model: string, outcome: string, ms: number | undefined): void;
  scrape(): Promise<{ type: string; text: string }>;
};

export function createWorkerMetrics(deps: { ledger: Ledger; clock: Clock; spool: Spool }): WorkerMetrics {
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
  return {
    called: () => called.inc(),
    ended: (model, outcome, ms) => {
      attempts.inc({ model, outcome });
      if (ms) latency.observe({ model, outcome }, ms / 1_000);
    },
    scrape: async () => ({ type: registry.contentType, text: await registry.metrics() }),
  };
}
