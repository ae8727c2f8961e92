import { collectDefaultMetrics, Gauge, Registry } from '@prometheus-io/client';
import { JOB_STATUSES } from '../domain/index.ts';
import type { Clock, Ledger } from '../ports/index.ts';

/** A registry with the process's own figures, event loop lag among them. */
export function createRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** One answer for all gauges of a scrape, which ask in the same turn; the next scrape asks anew. */
export function onceAScrape<T>(ask: () => Promise<T>): () => Promise<T> {
  let asked: Promise<T> | undefined;
  return () => {
    asked ??= ask().finally(() => {
      asked = undefined;
    });
    return asked;
  };
}

/** What every process says of the one ledger must not be added up. */
const SAME = '. The same from every process: take the max, not the sum';

type Figures = Awaited<ReturnType<typeof collectLedger>>;

/** What the ledger knows, asked once a scrape: jobs by state, sums of calls and money, and how long jobs that are due wait. */
export function registerLedgerMetrics(registry: Registry, deps: { ledger: Ledger; clock: Clock }): void {
  const figures = onceAScrape(() => collectLedger(deps.ledger, deps.clock));
  const gauge = (name: string, help: string, label: string, pick: (from: Figures) => Record<string, number>) =>
    new Gauge({
      name,
      help,
      labelNames: [label],
      registers: [registry],
      async collect() {
        for (const [value, amount] of Object.entries(pick(await figures()))) this.set({ [label]: value }, amount);
      },
    });
  gauge('darkroom_jobs', `Jobs in Redis by status${SAME}`, 'status', ({ jobs }) => jobs);
  gauge(
    'darkroom_ledger_calls',
    `Paid calls on the ledger by how they ended; open = still out${SAME}`,
    'state',
    ({ calls }) => calls,
  );
  gauge(
    'darkroom_ledger_usd',
    `Dollars on the ledger: actual, and in doubt (counted as spent)${SAME}`,
    'kind',
    ({ money }) => money,
  );
  new Gauge({
    name: 'darkroom_queue_age_seconds',
    help: `For how long the oldest job that should be running has waited${SAME}`,
    registers: [registry],
    async collect() {
      this.set((await figures()).ageSeconds);
    },
  });
  new Gauge({
    name: 'darkroom_unreadable_records',
    help: 'Job records that this process came across and cannot read; the log names them, as record.unreadable',
    registers: [registry],
    async collect() {
      await figures(); // A scrape looks at the oldest jobs itself.
      this.set(deps.ledger.unreadable());
    },
  });
}

async function collectLedger(ledger: Ledger, clock: Clock) {
  const jobs: Record<string, number> = Object.fromEntries(JOB_STATUSES.map((status) => [status, 0]));
  const calls = { open: 0, settled: 0, rejected: 0, in_doubt: 0 };
  const micros = { actual: 0, in_doubt: 0 };
  let oldest = clock.now();
  for (const tenant of await ledger.tenants()) {
    const [counts, totals, since] = await Promise.all([
      ledger.countByStatus(tenant),
      ledger.totals(tenant),
      ledger.dueSince(tenant, clock.now()),
    ]);
    for (const [status, count] of Object.entries(counts)) jobs[status] = (jobs[status] ?? 0) + count;
    calls.settled += totals.settled;
    calls.rejected += totals.rejected;
    calls.in_doubt += totals.inDoubt;
    calls.open += totals.calls - totals.settled - totals.rejected - totals.inDoubt;
    micros.actual += totals.actualCost;
    micros.in_doubt += totals.inDoubtCost;
    oldest = Math.min(oldest, since ?? oldest);
  }
  const money = { actual: micros.actual / 1_000_000, in_doubt: micros.in_doubt / 1_000_000 };
  return { jobs, calls, money, ageSeconds: (clock.now() - oldest) / 1_000 };
}
