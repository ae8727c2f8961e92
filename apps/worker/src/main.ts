import { ConfigError, parseEnv, readChannels } from '@darkroom/shared/config';
import { createLog, describeError, startTracing } from '@darkroom/shared/observability';
import { compose } from './compose.ts';
import { WorkerEnv } from './config.ts';

async function main(): Promise<void> {
  const config = parseEnv(WorkerEnv, process.env);
  const log = createLog({ level: config.LOG_LEVEL, program: 'worker' });
  const flushTraces = await startTracing(config, { program: 'worker', log });
  const channels = readChannels({
    path: config.DARKROOM_CONFIG,
    env: process.env,
    cwd: process.cwd(),
    credentials: 'resolve',
    defaults: { batch: { slots: config.BATCH_SLOTS, enqueuedTokens: config.BATCH_ENQUEUED_TOKENS } },
  });
  const app = await compose(config, channels, log);

  const stop = async (reason: string, code: number) => {
    log.info({ reason }, 'worker.stopping');
    // Does not depend on Redis: whatever hangs, the process ends, and the spool holds what was paid.
    setTimeout(() => process.exit(1), config.DRAIN_SECONDS * 1_000).unref();
    await app.drain();
    await app[Symbol.asyncDispose]();
    await flushTraces();
    process.exit(code);
  };
  let stopping = false;
  const once = (reason: string, code = 0) => {
    if (stopping) return;
    stopping = true;
    stop(reason, code).catch((error: unknown) => {
      log.error(describeError(error), 'worker.not_drained');
      process.exit(1);
    });
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => once(signal));
  // Calls in flight still end: they are paid. Then whoever started this process starts a new one.
  app.broken.addEventListener('abort', () => once(String(app.broken.reason), 1));
  if (process.connected) process.on('disconnect', () => once('parent gone'));
  app.run();
}

main().catch((error: unknown) => {
  if (error instanceof ConfigError) console.error(error.message);
  else console.error(JSON.stringify({ level: 60, program: 'worker', event: 'worker.failed', ...describeError(error) }));
  process.exit(1);
});
