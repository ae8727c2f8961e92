/** The batch lane without processes: real Redis, a real store, an account in memory, and a clock that tests move. */

import { randomUUIDv7 } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cancel, idFrom, type Job, type ProviderBatch } from '@darkroom/shared/domain';
import type { CrashPointName, Log } from '@darkroom/shared/observability';
import type { Pool, ProviderBatches, Totals } from '@darkroom/shared/ports';
import { createLaneQueue } from '@darkroom/shared/queue';
import {
  createRedisBatches,
  createRedisLatency,
  createRedisPool,
  createRedisProviderBatches,
} from '@darkroom/shared/storage/redis';
import { aChannel, type ChannelOverrides } from '@darkroom/shared/testing/channels';
import { HOUR, type JobOverrides, MINUTE, SECOND } from '@darkroom/shared/testing/factories';
import { createOriginOf, createOutbox, updateJob } from '@darkroom/shared/usecases';
import type { BatchAccount, BatchAccounts, BatchDeps } from '../../../apps/worker/src/batch/deps.ts';
import { collectOnce, submitOnce } from '../../../apps/worker/src/batch/lane.ts';
import { planOnce } from '../../../apps/worker/src/batch/planner.ts';
import { createPoller, type Poller } from '../../../apps/worker/src/batch/poller.ts';
import { createWorkerMetrics } from '../../../apps/worker/src/metrics.ts';
import { notesOfCalls } from '../../support/attempts.ts';
import { TENANT } from '../../support/ledger.ts';
import { openTestUsecases, type TestUsecases } from '../../support/usecases.ts';
import { type Account, openAccount } from './account.ts';

type Line = { level: keyof Log; event: string; [field: string]: unknown };

export type TestLane = AsyncDisposable & {
  test: TestUsecases;
  deps: BatchDeps;
  account: Account;
  pool: Pool;
  batches: ProviderBatches;
  poller: Poller;
  lines: Line[];
  /** Callers' batches that are paused. */
  paused: Set<string>;
  /** Admits jobs of the batch lane and puts them into the pool. */
  submit(count: number, overrides?: JobOverrides): Promise<string[]>;
  /** Plans and submits. */
  send(): Promise<void>;
  /** Lists, as often as the time between two lists has passed. */
  poll(): Promise<void>;
  /** Lists and collects. */
  collect(): Promise<void>;
  cancel(id: string): Promise<void>;
  /** Another worker's, which is never kept away by what others hold. */
  unheld(): BatchDeps;
  jobs(): Promise<Job[]>;
  totals(): Promise<Totals>;
  /** Statuses of all jobs, counted. */
  statuses(): Promise<Record<string, number>>;
  /** The chunk that was made as number `n`, open or closed. */
  chunk(n?: number): Promise<ProviderBatch>;
  chunks(): Promise<ProviderBatch[]>;
};

const MODEL = 'gemini-3.1-flash-image';

export async function openLane(overrides: Partial<BatchDeps> = {}): Promise<TestLane> {
  await using opened = new AsyncDisposableStack();
  const test = opened.use(await openTestUsecases());
  const folder = await mkdtemp(join(tmpdir(), 'batch-lane-'));
  opened.defer(() => rm(folder, { recursive: true, force: true }));
  const { ledger, store, redis, prefix, clock } = test;
  const pool = createRedisPool({ redis, prefix });
  const batches = createRedisProviderBatches({ redis, prefix });
  // Turns are taken by the real time, and tests move their own.
  const turns = { ...batches, takeTurn: async () => true };
  const account = openAccount(clock);
  const lines: Line[] = [];
  const queue = createLaneQueue({ standard: test.queue, pool });
  const outbox = createOutbox({ ledger, queue, clock, onError: (error) => void lines.push(failed(error)) });
  const ending = new AbortController();
  const planned: string[] = [];
  const paused = new Set<string>();
  const spool = { usage: async () => ({ entries: 0, bytes: 0 }), intend: never, recover: never };
  const calls = notesOfCalls(test);
  opened.defer(() => calls.flush());
  const deps: BatchDeps = {
    ledger,
    store,
    outbox,
    clock,
    random: () => 0.5,
    log: logInto(lines),
    metrics: createWorkerMetrics({
      ledger,
      clock,
      channels: [],
      spool,
      spoolBytesMax: 1 << 30,
      lane: { batches, pool },
    }),
    draining: ending.signal,
    stopping: ending.signal,
    accounts: accountsOf([account]),
    specs: [aChannel()],
    isOut: async () => false,
    batches: turns,
    pool,
    isPaused: async (_tenant, batch) => paused.has(batch),
    originOf: createOriginOf({ batches: createRedisBatches({ redis, prefix }) }),
    callers: createRedisBatches({ redis, prefix }),
    latency: createRedisLatency({ redis, prefix, now: () => clock.now() }),
    calls,
    rules: { createMs: MINUTE, recreateAfterMs: 10 * MINUTE, lifeMs: 20 * HOUR },
    plan: {
      limits: { outputBytes: 1e9, inputBytes: 1e8, lines: 2_000 },
      gatherMs: 0,
      times: async () => ({ standardMs: 20 * MINUTE, batchMsMin: MINUTE }),
      rescueMsPerJob: SECOND,
      stuckMs: 6 * HOUR,
    },
    pollMs: 1,
    holdMs: 5_000,
    folder,
    newId: () => {
      const id = idFrom('pb', randomUUIDv7());
      planned.push(id);
      return id;
    },
    newAttemptId: () => idFrom('att', randomUUIDv7()),
    crash: () => {},
    ...overrides,
  };
  const poller = createPoller(deps);
  const ids: string[] = [];
  const jobs = () => Promise.all(ids.map((id) => test.read(id)));
  const poll = async () => {
    clock.advance(MINUTE);
    await poller.once();
  };
  const chunks = async () =>
    (await Promise.all(planned.map((id) => batches.read(id)))).filter((one) => one !== undefined);
  const owned = opened.move();
  return {
    test,
    deps,
    paused,
    account,
    pool,
    batches,
    poller,
    lines,
    submit: async (count, more = {}) => {
      const made: string[] = [];
      for (let n = 0; n < count; n++) {
        const id = idFrom('job', randomUUIDv7());
        const request = { model: MODEL, size: '512', lane: 'batch', ...more.request } as const;
        const state = { expiresAt: clock.now() + 24 * HOUR, runAt: clock.now(), estimated: 23_000, ...more.state };
        const job = await test.admit(id, { ...more, fingerprint: `fp-${id}`, request, state });
        outbox.push(job);
        made.push(id);
      }
      await outbox.flush();
      ids.push(...made);
      return made;
    },
    send: async () => {
      await planOnce(deps);
      await submitOnce(deps);
    },
    poll,
    collect: async () => {
      await poll();
      await collectOnce(deps);
      await outbox.flush();
    },
    cancel: async (id) => {
      const updated = await updateJob(ledger, TENANT, id, (job) => cancel(job, clock.now()));
      if (!updated?.changed) throw new Error(`${id} cannot be canceled`);
    },
    unheld: () => ({ ...deps, batches: { ...turns, hold: async () => new AsyncDisposableStack() } }),
    jobs,
    totals: () => ledger.totals(TENANT),
    statuses: async () => {
      const counted: Record<string, number> = {};
      for (const { state } of await jobs()) counted[state.status] = (counted[state.status] ?? 0) + 1;
      return counted;
    },
    chunks,
    chunk: async (n = 0) => {
      const found = (await chunks())[n];
      if (!found) throw new Error(`there is no chunk ${n}`);
      return found;
    },
    [Symbol.asyncDispose]: async () => {
      await outbox.flush();
      ending.abort();
      await owned.disposeAsync();
    },
  };
}

/** Accounts as the lane is given them, without limits. @param spec of all of them */
export function accountsOf(accounts: Pick<Account, 'channel'>[], spec: ChannelOverrides = {}): BatchAccounts {
  const limits = { slots: 80, enqueuedTokens: Number.POSITIVE_INFINITY };
  return new Map(
    accounts.map(({ channel }) => [channel.id, { spec: aChannel({ id: channel.id, ...spec }), channel, ...limits }]),
  );
}

/** The same lane with other allowances. */
export function withAllowance(deps: BatchDeps, allowance: Partial<BatchAccount>): BatchDeps {
  return { ...deps, accounts: new Map([...deps.accounts].map(([id, one]) => [id, { ...one, ...allowance }])) };
}

async function never(): Promise<never> {
  throw new Error('the batch lane has no spool');
}

function failed(error: unknown): Line {
  return { level: 'error', event: 'outbox.failed', error: String(error) };
}

function logInto(lines: Line[]): Log {
  const at = (level: keyof Log) => (fields: object, event: string) => void lines.push({ ...fields, level, event });
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** The process is gone: nothing of it does anything any more. */
class Killed extends Error {}

/** Makes `deps` those of a process that dies at the nth passing of a step. */
export function dyingAt(deps: BatchDeps, point: CrashPointName, nth = 1): { deps: BatchDeps; died: () => boolean } {
  let left = nth;
  let dead = false;
  const guard = <T extends object>(port: T): T =>
    Object.fromEntries(
      Object.entries(port).map(([name, value]) => [
        name,
        typeof value === 'function'
          ? (...args: unknown[]) => {
              if (dead) throw new Killed();
              return Reflect.apply(value, port, args) as unknown;
            }
          : value,
      ]),
    ) as T;
  const crash = (passed: CrashPointName) => {
    if (passed === point && --left === 0) dead = true;
    if (dead) throw new Killed();
  };
  return {
    deps: {
      ...deps,
      crash,
      ledger: guard(deps.ledger),
      store: guard(deps.store),
      batches: guard(deps.batches),
      pool: guard(deps.pool),
      accounts: new Map([...deps.accounts].map(([id, one]) => [id, { ...one, channel: guard(one.channel) }])),
    },
    died: () => dead,
  };
}
