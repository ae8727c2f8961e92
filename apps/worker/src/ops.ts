import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '@darkroom/shared/observability';
import type { RedisHealth } from '@darkroom/shared/ports';
import type { WorkerConfig } from './config.ts';
import type { WorkerMetrics } from './metrics.ts';

const CHECK_MS = 3_000;
const HUNG: RedisHealth = { ok: false, problems: ['Redis does not answer'] };

/** The worker's own `/metrics`, `/livez` and `/readyz`, on a port of its own that needs no key: keep it inside. */
export async function startOps(options: {
  config: WorkerConfig;
  log: Log;
  metrics: Pick<WorkerMetrics, 'scrape'>;
  check: () => Promise<RedisHealth>;
  /** Aborted when the process should be replaced. */
  broken: AbortSignal;
}): Promise<AsyncDisposable> {
  const { config, log, metrics, check, broken } = options;
  const routes: Record<string, (res: ServerResponse) => Promise<void>> = {
    '/livez': async (res) =>
      broken.aborted ? answer(res, 503, 'text/plain', `${broken.reason}\n`) : answer(res, 200, 'text/plain', 'ok\n'),
    '/readyz': async (res) => {
      // The worker's connection waits for Redis as long as it takes; whoever asks here does not.
      const health = await Promise.race([check(), sleep(CHECK_MS, HUNG, { ref: false })]);
      answer(res, health.ok ? 200 : 503, 'application/json', JSON.stringify(health));
    },
    '/metrics': async (res) => {
      const { type, text } = await metrics.scrape();
      answer(res, 200, type, text);
    },
  };
  const server = createServer((req, res) => {
    const route = routes[(req.url ?? '').split('?')[0] ?? ''];
    if (!route) return answer(res, 404, 'text/plain', 'not found\n');
    route(res).catch(() => answer(res, 503, 'text/plain', 'not available\n'));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(config.METRICS_PORT, config.HOST, resolve);
  });
  const { port } = server.address() as AddressInfo;
  log.info(
    { metrics: `http://${config.HOST}:${port}/metrics`, concurrency: config.WORKER_CONCURRENCY },
    'worker.listening',
  );
  return {
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function answer(res: ServerResponse, status: number, type: string, body: string): void {
  if (!res.headersSent) res.writeHead(status, { 'content-type': type });
  res.end(body);
}
