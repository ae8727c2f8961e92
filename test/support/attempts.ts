/** What a worker's attempts need, without the worker: a real ledger, store, spool and channel, and a provider of few words. */

import { randomUUIDv7 } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openChannels } from '@darkroom/shared/channels';
import { readChannels } from '@darkroom/shared/config';
import {
  type Answer,
  type AttemptRef,
  idFrom,
  type Job,
  lineStandingOf,
  modelOf,
  type Place,
  type Tenant,
} from '@darkroom/shared/domain';
import { createCrashPoint, type Log } from '@darkroom/shared/observability';
import type { CallNotes, Spool, SpoolEntry } from '@darkroom/shared/ports';
import {
  createRedisBatches,
  createRedisBreakers,
  createRedisCallNotes,
  createRedisLatency,
  createRedisLines,
  createRedisQuotas,
} from '@darkroom/shared/storage/redis';
import { createFolderSpool } from '@darkroom/shared/storage/spool';
import { createOriginOf, createPausedBatches, createPlaces } from '@darkroom/shared/usecases';
import { createWorkerMetrics } from '../../apps/worker/src/metrics.ts';
import type { AttemptDeps } from '../../apps/worker/src/standard/deps.ts';
import { type Ran, runNext } from '../../apps/worker/src/standard/run-attempt.ts';
import { createSemaphore } from '../../apps/worker/src/standard/semaphore.ts';
import { createSlots } from '../../apps/worker/src/standard/slots.ts';
import { TENANT } from './ledger.ts';
import { anImage } from './run-job.ts';
import { spooledIn } from './spooled.ts';
import { replyWith, type StubProvider, type StubReply, startStubProvider } from './stub-provider.ts';
import { openTestUsecases, type TestUsecases } from './usecases.ts';

const BATCH = { slots: 80, enqueuedTokens: 0 };

type LogLine = { level: keyof Log; event: string; [field: string]: unknown };

export type TestAttempts = AsyncDisposable & {
  test: TestUsecases;
  deps: AttemptDeps;
  provider: StubProvider;
  lines: LogLine[];
  /** Files of attempts in the spool. */
  spooled: () => Promise<string[]>;
  /** A place in the spool, with a whole answer that holds `image`, as a process leaves it that dies behind the call. */
  answered: (ref: AttemptRef, image: Buffer, place?: Place) => Promise<{ entry: SpoolEntry; answer: Answer }>;
};

/** As a worker has them, with the default window; by the test's clock. */
export function notesOfCalls({ redis, prefix, clock }: TestUsecases): CallNotes {
  const window = { windowMs: 600_000, now: () => clock.now() };
  return createRedisCallNotes({ redis, prefix, window, onError: () => undefined });
}

/** Opens it, for a provider that answers by `script`: an image, if nothing else is said. */
export async function openTestAttempts(...script: StubReply[]): Promise<TestAttempts> {
  await using opened = new AsyncDisposableStack();
  const test = opened.use(await openTestUsecases());
  const [first = replyWith(200, anAnswer(await anImage())), ...rest] = script;
  const provider = opened.use(await startStubProvider(first, ...rest));
  const root = await mkdtemp(join(tmpdir(), 'attempts-'));
  opened.defer(() => rm(root, { recursive: true, force: true }));
  const spool: Spool = opened.use(createFolderSpool({ root, owner: 'worker', clock: { now: Date.now } }));
  const { ledger, store, outbox, clock, redis, prefix } = test;
  const lines: LogLine[] = [];
  const stopping = new AbortController();
  opened.defer(() => stopping.abort());
  const calls = notesOfCalls(test);
  opened.defer(() => calls.flush());
  const env = { GEMINI_API_KEY: 'AIzaTestKey', GEMINI_BASE_URL: provider.url };
  const { channels: configured } = readChannels({ env, cwd: root, credentials: 'resolve', defaults: { batch: BATCH } });
  const channels = opened.use(openChannels(configured, { clock }));
  const quotas = createRedisQuotas({ redis, prefix, limitsOf: () => ({ model: { day: 'pacific' }, channel: {} }) });
  const breakers = createRedisBreakers({ redis, prefix });
  const deps: AttemptDeps = {
    ledger,
    store,
    spool,
    outbox,
    clock,
    latency: createRedisLatency({ redis, prefix, now: () => clock.now() }),
    calls,
    channels,
    quotas,
    breakers,
    lines: createRedisLines({ redis, prefix }),
    places: createPlaces({ breakers, quotas, clock }),
    channelTeller: { tell: async () => false, parked: async () => false, closed: async () => undefined },
    random: () => 0.5,
    newAttemptId: () => idFrom('att', randomUUIDv7()),
    slots: createSlots(2),
    callMsMax: Number.POSITIVE_INFINITY,
    log: logInto(lines),
    metrics: createWorkerMetrics({ ledger, clock, channels: configured, spool, spoolBytesMax: 1 << 30 }),
    crash: createCrashPoint(undefined),
    unfinished: new Set(),
    spoolBytesMax: 1 << 30,
    isPaused: createPausedBatches({ batches: createRedisBatches({ redis, prefix }), clock }),
    originOf: createOriginOf({ batches: createRedisBatches({ redis, prefix }) }),
    draining: stopping.signal,
    stopping: stopping.signal,
  };
  const owned = opened.move();
  return {
    test,
    deps,
    provider,
    lines,
    spooled: () => spooledIn(root),
    answered: async (ref, image, place) => {
      const entry = await spool.intend(ref, place);
      const sink = entry.blob(0);
      await sink.write(image);
      const answer: Answer = { httpStatus: 200, headers: {}, body: SKELETON, blobs: [await sink.close()], ms: 5 };
      await entry.commit(answer);
      return { entry, answer };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Lets the job stand in line, and serves whoever is next of its model as a message's worker does. */
export async function runAttempt(deps: AttemptDeps, tenant: Tenant, id: string): Promise<Ran> {
  const job = await deps.ledger.read(tenant, id);
  if (!job) return { type: 'done' };
  await deps.lines.add([lineStandingOf(job, deps.channels.specs)]);
  return runNext(deps, modelOf(job), createSemaphore(1));
}

/** Names an attempt of `job` that no record knows. */
export function refOf(job: Pick<Job, 'id'>): AttemptRef {
  return { tenant: TENANT, job: job.id, attempt: idFrom('att', randomUUIDv7()) };
}

/** What the provider answers with, around the base64 of `data`. */
function anAnswer(data: Buffer | string) {
  const inlineData = { mimeType: 'image/png', data: typeof data === 'string' ? data : data.toString('base64') };
  return { candidates: [{ content: { parts: [{ inlineData }], role: 'model' }, finishReason: 'STOP', index: 0 }] };
}

const SKELETON = anAnswer('@blob:0');

function logInto(lines: LogLine[]): Log {
  const at = (level: keyof Log) => (fields: object, event: string) => void lines.push({ ...fields, level, event });
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
