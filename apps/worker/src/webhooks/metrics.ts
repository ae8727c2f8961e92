import { type DeliveryOutcome, type DeliveryStatus, isDelivered } from '@darkroom/shared/domain';
import { Counter, Gauge, Histogram, type Registry } from '@darkroom/shared/observability';
import type { Clock, Deliveries, Endpoints, Ledger } from '@darkroom/shared/ports';

export type WebhookMetrics = {
  /** @param status of the delivery after the try */
  tried(outcome: DeliveryOutcome, ms: number, status: DeliveryStatus): void;
};

const TRY_OUTCOMES = ['delivered', 'failed', 'refused'] as const;
const ENDS = ['delivered', 'dead'] as const;
/** Receivers of one tenant that a scrape looks at. */
const RECEIVERS_MAX = 1_000;
const SAME = '. The same from every worker: take the max, not the sum';

/** How deliveries go, by this process, and how they stand, by the records. */
export function registerWebhookMetrics(
  registry: Registry,
  deps: { ledger: Ledger; endpoints: Endpoints; deliveries: Deliveries; clock: Clock },
): WebhookMetrics {
  const registers = [registry];
  const tries = new Counter({
    name: 'darkroom_webhook_tries_total',
    help: 'Posts to receivers by outcome; refused = a rule forbids the address, nothing was sent',
    labelNames: ['outcome'],
    registers,
  });
  const ends = new Counter({
    name: 'darkroom_webhook_deliveries_total',
    help: 'Deliveries that are over by outcome; dead = after the last try, or the receiver wants no more',
    labelNames: ['outcome'],
    registers,
  });
  // Prometheus sees no increase in a counter that begins at 1.
  for (const outcome of TRY_OUTCOMES) tries.inc({ outcome }, 0);
  for (const outcome of ENDS) ends.inc({ outcome }, 0);
  const seconds = new Histogram({
    name: 'darkroom_webhook_seconds',
    help: 'Time from dialling a receiver, or using an open connection, to its answer',
    labelNames: ['outcome'],
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15],
    registers,
  });
  registerStanding(registry, deps);
  for (const outcome of TRY_OUTCOMES) seconds.zero({ outcome });
  return {
    tried: (outcome, ms, status) => {
      const how = isDelivered(outcome) ? 'delivered' : outcome.type === 'refused' ? 'refused' : 'failed';
      tries.inc({ outcome: how });
      seconds.observe({ outcome: how }, ms / 1_000);
      if (status !== 'pending') ends.inc({ outcome: status });
    },
  };
}

type Standing = { waiting: number; paused: number; overdueMs: number };

function registerStanding(registry: Registry, deps: Parameters<typeof registerWebhookMetrics>[1]): void {
  let asked: Promise<Standing> | undefined;
  // All gauges of one scrape ask in the same turn; the next scrape asks anew.
  const standing = () => {
    asked ??= lookAtAll(deps).finally(() => {
      asked = undefined;
    });
    return asked;
  };
  const gauge = (name: string, help: string, pick: (from: Standing) => number) =>
    new Gauge({
      name,
      help: `${help}${SAME}`,
      registers: [registry],
      async collect() {
        this.set(pick(await standing()));
      },
    });
  gauge('darkroom_webhook_waiting', 'Deliveries that wait, for their time or for their receiver', (one) => one.waiting);
  gauge('darkroom_webhook_paused_receivers', 'Receivers that fail and are left alone for a while', (one) => one.paused);
  gauge(
    'darkroom_webhook_overdue_seconds',
    'For how long the first delivery has waited that could be sent now',
    ({ overdueMs }) => overdueMs / 1_000,
  );
}

async function lookAtAll(deps: Parameters<typeof registerWebhookMetrics>[1]): Promise<Standing> {
  const sum = { waiting: 0, paused: 0, overdueMs: 0 };
  const now = deps.clock.now();
  for (const tenant of await deps.ledger.tenants()) {
    const [ready, listed, nextAt] = await Promise.all([
      deps.deliveries.ready(tenant, Number.MAX_SAFE_INTEGER, RECEIVERS_MAX),
      deps.endpoints.list(tenant),
      deps.deliveries.nextReady(tenant),
    ]);
    const receivers = new Set([...ready, ...listed.map(({ id }) => id)]);
    for (const { waiting, openUntil = 0 } of await deps.endpoints.health(tenant, [...receivers])) {
      sum.waiting += waiting;
      if (openUntil > now) sum.paused++;
    }
    sum.overdueMs = Math.max(sum.overdueMs, now - (nextAt ?? now));
  }
  return sum;
}
