import { collectDefaultMetrics, Gauge, Registry } from '@prometheus-io/client';
import { formatMicros, JOB_STATUSES } from '../domain/index.ts';
import type { Clock, Ledger } from '../ports/index.ts';

/** A registry with the process's own figures, event loop lag among them. */
export function createRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** What the ledger knows, asked at each scrape: jobs by state, sums of calls and money, the age of the oldest waiting job. */
export function registerLedgerMetrics(registry: Registry, { ledger, clock }: { ledger: Ledger; clock: Clock }): void {
  const jobs = new Gauge({
    name: 'darkroom_jobs',
    help: 'Jobs in Redis by status',
    labelNames: ['status'],
    registers: [registry],
  });
  const calls = new Gauge({
    name: 'darkroom_ledger_calls',
    help: 'Paid calls on the ledger by how they ended; open = still out',
    labelNames: ['state'],
    registers: [registry],
  });
  const money = new Gauge({
    name: 'darkroom_ledger_usd',
    help: 'Dollars on the ledger: actual, and in doubt (counted as spent)',
    labelNames: ['kind'],
    registers: [registry],
  });
  new Gauge({
    name: 'darkroom_queue_age_seconds',
    help: 'Age of the oldest queued job',
    registers: [registry],
    async collect() {
      const figures = await collectLedger(ledger, clock);
      this.set(figures.ageSeconds);
      for (const [status, count] of Object.entries(figures.jobs)) jobs.set({ status }, count);
      for (const [state, count] of Object.entries(figures.calls)) calls.set({ state }, count);
      for (const [kind, micros] of Object.entries(figures.money)) money.set({ kind }, Number(formatMicros(micros)));
    },
  });
}

async function collectLedger(ledger: Ledger, clock: Clock) {
  const jobs: Record<string, number> = Object.fromEntries(JOB_STATUSES.map((status) => [status, 0]));
  const calls = { open: 0, settled: 0, rejected: 0, in_doubt: 0 };
  const money = { actual: 0, in_doubt: 0 };
  let oldest = clock.now();
  for (const tenant of await ledger.tenants()) {
    const [counts, totals, wake] = await Promise.all([
      ledger.countByStatus(tenant),
      ledger.totals(tenant),
      ledger.oldestWake(tenant),
    ]);
    for (const [status, count] of Object.entries(counts)) jobs[status] = (jobs[status] ?? 0) + count;
    calls.settled += totals.settled;
    calls.rejected += totals.rejected;
    calls.in_doubt += totals.inDoubt;
    calls.open += totals.calls - totals.settled - totals.rejected - totals.inDoubt;
    money.actual += totals.actualCost;
    money.in_doubt += totals.inDoubtCost;
    oldest = Math.min(oldest, wake ?? oldest);
  }
  return { jobs, calls, money, ageSeconds: (clock.now() - oldest) / 1_000 };
}
