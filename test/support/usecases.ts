import { randomBytes, randomUUIDv7 } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readChannels } from '@darkroom/shared/config';
import { begin, idFrom, type Job, MODELS, type Reference, settle } from '@darkroom/shared/domain';
import type { Lines, ObjectStore, WakeQueue } from '@darkroom/shared/ports';
import { createWakeQueue, queueName, queuePrefix, type WakeData } from '@darkroom/shared/queue/bullmq';
import { SubmitJobBody } from '@darkroom/shared/schemas';
import { createFolderStore } from '@darkroom/shared/storage';
import {
  createRedisLatency,
  createRedisLines,
  createRedisQuotes,
  type LedgerOptions,
} from '@darkroom/shared/storage/redis';
import { HOUR, imageEnd, NOON } from '@darkroom/shared/testing/factories';
import {
  createOutbox,
  handOff,
  type Outbox,
  type SubmitDeps,
  type Submitted,
  submitJob,
  updateJob,
} from '@darkroom/shared/usecases';
import { Queue } from 'bullmq';
import { openTestLedger, TENANT, type TestLedger } from './ledger.ts';

/** Everything the use cases need: a real ledger, a real queue, a store in a folder, and a clock that tests move. */
export type TestUsecases = AsyncDisposable &
  TestLedger & {
    clock: { now: () => number; advance: (ms: number) => void };
    store: ObjectStore;
    outbox: Outbox;
    deps: SubmitDeps;
    queue: WakeQueue;
    lines: Lines;
    /** How often references were resolved. */
    resolved: () => number;
    /** Submits a body as a caller would write it. */
    submit: (body: object, how?: { idempotencyKey?: string; ownId?: string }) => Promise<Submitted>;
    /** Ids of the jobs that have a message. */
    messages: () => Promise<string[]>;
    /** Throws every message away, as a queue that lost its data. */
    loseMessages: () => Promise<void>;
    /** Runs the job's one call to its image. */
    succeed: (id: string) => Promise<Job>;
    /** Everything a finished job's twins are owed. */
    handOff: (id: string) => Promise<void>;
  };

/** Opens it; everything is gone when it is disposed of. */
export async function openTestUsecases(options: Omit<LedgerOptions, 'redis' | 'prefix'> = {}): Promise<TestUsecases> {
  await using opened = new AsyncDisposableStack();
  const test = opened.use(await openTestLedger(options));
  const root = await mkdtemp(join(tmpdir(), 'usecases-'));
  opened.defer(() => rm(root, { recursive: true, force: true }));
  let now = NOON;
  const clock = { now: () => now, advance: (ms: number) => void (now += ms) };
  const store = createFolderStore({ root, publicUrl: 'http://127.0.0.1/', signingKey: randomBytes(32), clock });
  const { ledger, redis, prefix } = test;
  const channels = readChannels({ env: {}, cwd: root, credentials: 'leave' });
  const lines = createRedisLines({ redis, prefix });
  const queue = opened.use(createWakeQueue({ redis, prefix, lines, channels: channels.channels }));
  const problems: unknown[] = [];
  const outbox = createOutbox({ ledger, queue, clock, onError: (error) => problems.push(error) });
  let resolutions = 0;
  const deps = {
    ledger,
    store,
    outbox,
    quotes: createRedisQuotes({ redis, prefix }),
    latency: createRedisLatency({ redis, prefix, now: clock.now }),
    channels,
    clock,
    newJobId: () => idFrom('job', randomUUIDv7()),
    resolveReferences: async () => {
      resolutions++;
      return [aReference(resolutions)];
    },
    checkUrl: async () => undefined,
    deadlineMs: HOUR,
  };
  opened.defer(() => {
    if (problems.length) throw new AggregateError(problems, 'messages could not be handed over');
  });
  // Opened only to be looked into: a queue that is opened leaves a key behind.
  const withQueues = async <T>(look: (queues: Queue<WakeData>[]) => Promise<T>): Promise<T> => {
    await outbox.flush();
    const settings = { connection: redis, skipVersionCheck: true };
    const queues = MODELS.map(
      ({ id }) => new Queue<WakeData>(queueName(id), { ...settings, prefix: queuePrefix(prefix, id) }),
    );
    const seen = await look(queues);
    await Promise.all(queues.map((one) => one.close()));
    return seen;
  };
  const owned = opened.move();
  return {
    ...test,
    clock,
    store,
    outbox,
    queue,
    lines,
    deps,
    resolved: () => resolutions,
    submit: (body, how = {}) => submitJob(deps, { tenant: TENANT, body: SubmitJobBody.parse(body), ...how }),
    messages: () =>
      withQueues(async (queues) => {
        const waiting = await Promise.all(queues.map((one) => one.getJobs(['waiting', 'delayed'])));
        return waiting.flat().map(({ data: [, id] }) => id);
      }),
    loseMessages: async () => {
      await withQueues((queues) => Promise.all(queues.map((one) => one.obliterate({ force: true }))));
    },
    succeed: async (id) => {
      const begun = begin(await test.read(id), { id: `att_of_${id}`, channel: 'gemini' }, now);
      if (begun.type !== 'go') throw new Error(`${id} is ${begun.type}`);
      await test.write(begun.change);
      const ended = await updateJob(ledger, TENANT, id, (job) => settle(job, `att_of_${id}`, imageEnd(), now, () => 0));
      if (ended?.followers) await handOff(deps, TENANT, id);
      return test.read(id);
    },
    handOff: async (id) => {
      while ((await handOff(deps, TENANT, id)).more);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function aReference(n: number): Reference {
  return { key: `assets/${n}`, sha256: 'ab', mime: 'image/png', bytes: 1, width: 1, height: 1 };
}
