import type { AddressInfo } from 'node:net';
import { ConfigError, parseEnv, publicUrlOf, readChannels } from '@darkroom/shared/config';
import { createLog, describeError, startTracing } from '@darkroom/shared/observability';
import { createApp } from './app.ts';
import { compose } from './compose.ts';
import { ApiEnv } from './config.ts';
import { createHttpServer } from './http/server.ts';

/** After this long a stopping process no longer waits for requests in flight. */
const DRAIN_MS = 20_000;

async function main(): Promise<void> {
  const config = parseEnv(ApiEnv, process.env);
  // Nothing is called from here: the secrets of the channels need not be at hand.
  const channels = readChannels({
    path: config.DARKROOM_CONFIG,
    env: process.env,
    cwd: process.cwd(),
    credentials: 'leave',
  });
  const log = createLog({ level: config.LOG_LEVEL, program: 'api' });
  const flushTraces = await startTracing(config, { program: 'api', log });
  // The port is known only once it is ours, and signed links carry it: listen first, answer when composed.
  const { promise: app, resolve } = Promise.withResolvers<ReturnType<typeof createApp>>();
  const server = createHttpServer((req, res) => void app.then((handle) => handle(req, res)));
  await new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.listen(config.PORT, config.HOST, done);
  });
  const { port } = server.address() as AddressInfo;
  const url = publicUrlOf({ HOST: config.HOST }, port);
  const composed = await compose(config, log, { publicUrl: () => publicUrlOf(config, port), channels });
  resolve(createApp(composed.deps));
  log.info({ url, storage: config.STORAGE_URL }, 'api.listening');

  const stop = async (reason: string) => {
    log.info({ reason }, 'api.stopping');
    setTimeout(() => process.exit(1), DRAIN_MS).unref();
    const closed = new Promise((done) => server.close(done));
    await composed.drain();
    server.closeIdleConnections();
    await closed;
    await composed[Symbol.asyncDispose]();
    await flushTraces();
    process.exit(0);
  };
  onStop(stop);
}

/** SIGTERM, SIGINT, or the end of the parent that started this program. */
function onStop(stop: (reason: string) => Promise<void>): void {
  let stopping = false;
  const once = (reason: string) => {
    if (stopping) return;
    stopping = true;
    void stop(reason);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => once(signal));
  if (process.connected) process.on('disconnect', () => once('parent gone'));
}

main().catch((error: unknown) => {
  if (error instanceof ConfigError) console.error(error.message);
  else console.error(JSON.stringify({ level: 60, program: 'api', event: 'api.failed', ...describeError(error) }));
  process.exit(1);
});
