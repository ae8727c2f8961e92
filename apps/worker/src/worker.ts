/** Binds BullMQ to attempts: messages in, at most one call each, nothing decided here. */

import type { Tenant } from '@darkroom/shared/domain';
import { AppError, MODELS } from '@darkroom/shared/domain';
import { describeError, type Log } from '@darkroom/shared/observability';
import { queueName, queuePrefix, type WakeData } from '@darkroom/shared/queue/bullmq';
import { DelayedError, type Job as Message, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Ran } from './standard/run-attempt.ts';

/** A fault of our own surroundings: the message comes back after this. */
const TROUBLE_MS = 5_000;
const LIMIT_MS_MAX = 60_000;

export type StandardLane = { run(): void; drain(): Promise<void> } & AsyncDisposable;

export function createStandardLane(options: {
  redis: () => Redis;
  prefix: string;
  concurrency: number;
  /** How long a message stays with a worker that no longer renews its hold on it. */
  lockMs: number;
  run: (tenant: Tenant, id: string) => Promise<Ran>;
  log: Log;
}): StandardLane {
  const workers = MODELS.map((model) => bind(model.id, options));
  return {
    run: () => {
      for (const worker of workers)
        worker.run().catch((error: unknown) => options.log.error(describeError(error), 'worker.stopped'));
    },
    drain: async () => {
      await Promise.all(workers.map((worker) => worker.close()));
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(workers.map((worker) => worker.close(true)));
    },
  };
}

function bind(
  model: string,
  { redis, prefix, concurrency, lockMs, run, log }: Parameters<typeof createStandardLane>[0],
): Worker<WakeData> {
  const worker = new Worker<WakeData>(
    queueName(model),
    // Three declared parameters would ask for BullMQ's abort signal; a paid call is never aborted by it.
    async (message, token) => {
      const [tenant, id] = message.data;
      const ran = await run(tenant, id).catch((error: unknown) => trouble(error, log, { tenant, job: id }));
      if (ran.type === 'done') return;
      if (ran.scope === 'model') {
        // Asked again each minute: a limit that was lifted must not live on here.
        await worker.rateLimit(Math.min(ran.ms, LIMIT_MS_MAX));
        throw Worker.RateLimitError();
      }
      await putOff(message, ran.ms, token);
    },
    {
      connection: redis(),
      prefix: queuePrefix(prefix, model),
      autorun: false,
      concurrency,
      lockDuration: lockMs,
      stalledInterval: lockMs / 4,
      // The ledger bounds attempts; BullMQ's own count would fail jobs that never ran.
      maxStalledCount: 1_000_000,
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
      // Never bites; without one, `rateLimit` has no effect.
      limiter: { max: 1_000_000, duration: 1_000 },
      skipVersionCheck: true,
    },
  );
  worker.on('error', (error) => log.warn({ model, ...describeError(error) }, 'queue.trouble'));
  return worker;
}

async function putOff(message: Message<WakeData>, ms: number, token: string | undefined): Promise<never> {
  await message.moveToDelayed(Date.now() + Math.max(1, ms), token);
  throw new DelayedError();
}

/** The store or the disk is away: the job is as it was, so it is only put off. A bug puts it off too, loudly. */
function trouble(error: unknown, log: Log, ids: object): Ran {
  const expected = error instanceof AppError && error.retryable;
  log[expected ? 'warn' : 'error']({ ...ids, ...describeError(error) }, expected ? 'attempt.put_off' : 'attempt.bug');
  return { type: 'later', ms: TROUBLE_MS, scope: 'job' };
}
