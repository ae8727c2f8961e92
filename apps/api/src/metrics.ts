import { createRegistry, Histogram, registerLedgerMetrics } from '@darkroom/shared/observability';
import type { Clock, Ledger } from '@darkroom/shared/ports';

export type ApiMetrics = {
  request(route: string, method: string, status: number, ms: number): void;
  /** The Prometheus text, and its content type. */
  scrape(): Promise<{ type: string; text: string }>;
};

export function createApiMetrics(deps: { ledger: Ledger; clock: Clock }): ApiMetrics {
  const registry = createRegistry();
  registerLedgerMetrics(registry, deps);
  const requests = new Histogram({
    name: 'darkroom_http_request_seconds',
    help: 'Time to answer, by route and status',
    labelNames: ['route', 'method', 'status'],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30],
    registers: [registry],
  });
  return {
    request: (route, method, status, ms) => requests.observe({ route, method, status }, ms / 1_000),
    scrape: async () => ({ type: registry.contentType, text: await registry.metrics() }),
  };
}
