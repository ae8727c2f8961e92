/** Binds BullMQ to attempts: messages in, at most one call each, nothing decided here. */

import type { Tenant } from '@darkroom/shared/domain';
import { AppError, MODELS } from '@darkroom/shared/domain';
import { describeError, type Log } from '@darkroom/shared/observability';
import { queueName, queuePrefix, type WakeData } from '@darkroom/shared/queue/bullmq';
import { DelayedError, type Job as Message, Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Ran } from './standard/run-attempt.ts';
import { createSemaphore, type Semaphore } from './standard/semaphore.ts';
import { createUnrung, type Unrung } from './standard/unrung.ts';
import { createTroubleLog, type TroubleLog } from './trouble-log.ts';
import type { Signs } from './watchdog.ts';

/** A fault of our own surroundings: the message comes back after this. */
const TROUBLE_MS = 5_000;

export type StandardLane = {
  run(): void;
  drain(): Promise<void>;
  /** One look at each queue: is something left lying that this worker could take? */
  look(): Promise<Signs[]>;
  /** Serves who stands in line without waiting for a message: theirs may be in the hands of a worker that is gone. */
  serveUnrung(): Promise<void>;
} & AsyncDisposable;

export function createStandardLane(options: {
  /** Makes a connection for one worker; it blocks. */
  redis: () => Redis;
  /** For looking at queues. */
  lookout: Redis;
  prefix: string;
  concurrency: number;
  /** How long a message stays with a worker that no longer renews its hold on it. */
  lockMs: number;
  /** Serves whoever is next of the model. @param turns one look at the lines at a time */
  run: (model: string, turns: Semaphore) => Promise<Ran>;
  /** Lets the job of a message stand in line. @returns ms until it is due, 0 = it stands; `undefined` = it does not wait */
  arrived: (tenant: Tenant, id: string) => Promise<number | undefined>;
  /** Jobs of a model that stand in line. */
  waiting: (model: string) => Promise<number>;
  draining: AbortSignal;
  /** Told when a worker ends that nobody closed; it takes no messages any more. */
  ended: (queue: string) => void;
  log: Log;
}): StandardLane {
  // One for all queues: they share one Redis, and what keeps it away.
  const troubles = createTroubleLog(options.log, { begun: 'queue.trouble', over: 'queue.recovered' });
  const bound = MODELS.map((model) => bind(model.id, options, troubles));
  let closing = false;
  const close = async (force: boolean) => {
    closing = true;
    await Promise.all(bound.map(({ worker }) => worker.close(force)));
  };
  const end = ({ name }: Worker, error?: unknown) => {
    if (closing) return;
    options.log.error({ queue: name, ...(error !== undefined && describeError(error)) }, 'worker.stopped');
    options.ended(name);
  };
  return {
    run: () => {
      for (const { worker } of bound)
        worker.run().then(
          () => end(worker),
          (error: unknown) => end(worker, error),
        );
    },
    drain: async () => {
      await Promise.all([close(false), ...bound.map(({ unrung }) => unrung.idle())]);
    },
    serveUnrung: async () => {
      await Promise.all(bound.map(({ unrung }) => unrung.look()));
    },
    look: () => Promise.all(bound.map(({ look }) => look())),
    [Symbol.asyncDispose]: async () => {
      await close(true);
      await Promise.all(bound.map(({ queue }) => queue.close()));
    },
  };
}

type Bound = { worker: Worker<WakeData>; queue: Queue<WakeData>; look: () => Promise<Signs>; unrung: Unrung };

function bind(model: string, options: Parameters<typeof createStandardLane>[0], troubles: TroubleLog): Bound {
  const { redis, lookout, prefix, concurrency, lockMs, run, arrived, waiting, draining, log } = options;
  const place = { prefix: queuePrefix(prefix, model), skipVersionCheck: true };
  // It only looks: the settings of the queue, such as the length of its stream of events, are those of who adds to it.
  const queue = new Queue<WakeData>(queueName(model), { connection: lookout, skipMetasUpdate: true, ...place });
  queue.on('error', () => {}); // Each look rejects on its own.
  let inHand = 0;
  let taken = 0;
  const turns = createSemaphore(1);
  const serve = async (tenant: Tenant, id: string, late: boolean): Promise<Ran> => {
    const dueInMs = late ? await arrived(tenant, id) : undefined;
    const ran = await run(model, turns);
    // Whoever was served by it, it is the message of a job that waits for its time.
    if (dueInMs) return { type: 'later', ms: dueInMs };
    return ran.type === 'empty' && !late ? serveOwn(tenant, id) : ran;
  };
  // Nobody stood in line, and its own job may wait all the same: its message is older than the lines, or they lost it.
  const serveOwn = async (tenant: Tenant, id: string): Promise<Ran> => {
    const dueInMs = await arrived(tenant, id);
    if (dueInMs === 0) return run(model, turns);
    return dueInMs ? { type: 'later', ms: dueInMs } : { type: 'done' };
  };
  const connection = redis();
  connection.on('ready', troubles.over);
  const worker = new Worker<WakeData>(
    queueName(model),
    // Three declared parameters would ask for BullMQ's abort signal; a paid call is never aborted by it.
    async (message, token) => {
      const [tenant, id] = message.data;
      inHand++;
      taken++;
      const ran = await serve(tenant, id, isLate(message))
        .catch((error: unknown) => trouble(error, log, { tenant, job: id }))
        .finally(() => inHand--);
      if (ran.type === 'later') await putOff(message, ran.ms, token);
    },
    {
      connection,
      ...place,
      autorun: false,
      concurrency,
      lockDuration: lockMs,
      stalledInterval: lockMs / 4,
      // The ledger bounds attempts; BullMQ's own count would fail jobs that never ran.
      maxStalledCount: 1_000_000,
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
    },
  );
  worker.on('error', troubles.happened);
  const look = async (): Promise<Signs> => {
    const sinceLast = taken;
    taken = 0;
    return { queue: queue.name, waiting: await isWaiting(queue), room: inHand < concurrency, taken: sinceLast };
  };
  const unrung = createUnrung({
    run: () => run(model, turns).catch((error: unknown) => trouble(error, log, { model })),
    room: () => concurrency - inHand,
    waiting: () => waiting(model),
    draining,
  });
  return { worker, queue, look, unrung };
}

/** Whether a message should be with a worker by now; one whose time has come may still lie among the delayed. */
async function isWaiting(queue: Queue<WakeData>): Promise<boolean> {
  const [ready, [delayed]] = await Promise.all([
    queue.getJobCountByTypes('wait', 'prioritized'),
    queue.getDelayed(0, 0),
  ]);
  return ready > 0 || (delayed !== undefined && delayed.timestamp + delayed.delay < Date.now());
}

/** Whether its job may not stand in line yet: it was not due when the message was sent, or the message comes again. */
function isLate({ opts, attemptsStarted }: Message<WakeData>): boolean {
  return (opts.delay ?? 0) > 0 || attemptsStarted > 1;
}

async function putOff(message: Message<WakeData>, ms: number, token: string | undefined): Promise<never> {
  await message.moveToDelayed(Date.now() + Math.max(1, ms), token);
  throw new DelayedError();
}

/** The store or the disk is away: the job is as it was, so it is only put off. A bug puts it off too, loudly. */
function trouble(error: unknown, log: Log, ids: object): Ran {
  const expected = error instanceof AppError && error.retryable;
  log[expected ? 'warn' : 'error']({ ...ids, ...describeError(error) }, expected ? 'attempt.put_off' : 'attempt.bug');
  return { type: 'later', ms: TROUBLE_MS };
}
