/**
 * Chaos: jobs come in at a steady pace while workers, Redis and the API are killed, the object store goes away and the
 * provider misbehaves. What happens when is drawn from a seed.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultRule, JournalEntry } from '@darkroom/emulator';
import { type ChannelsOption, keysOf } from './system/channels.ts';
import { isOver } from './system/client.ts';
import { type AccountBill, billsOf } from './system/invariants.ts';
import { wasQuick } from './system/quick-place.ts';
import { type Figures, type System, startSystem } from './system.ts';

export type ChaosPlan = {
  seed: number;
  jobs: number;
  workers: number;
  workerKills: number;
  redisKills: number;
  apiKills: number;
  outages: number;
  /** Milliseconds over which jobs come in and things go wrong. */
  spanMs: number;
  /** Through three channels, with a second call beside each slow one, in place of the one from the environment. */
  channels?: boolean;
};

/** The first has the least room, so that the others are called too, and some of its calls are slow. */
const CHANNELS: ChannelsOption = {
  channels: [
    { id: 'first', limits: { concurrency: 4 } },
    { id: 'second', kind: 'vertex', order: 2, limits: { concurrency: 4 } },
    { id: 'third', kind: 'openrouter', order: 3 },
  ],
  hedge: { enabled: true },
};
const SLOW = { first: { tail: { share: 0.3, factor: 4 } } };

export const FULL: Omit<ChaosPlan, 'seed'> = {
  jobs: 300,
  workers: 3,
  workerKills: 12,
  redisKills: 3,
  apiKills: 3,
  outages: 3,
  spanMs: 90_000,
};

export const SHORT: Omit<ChaosPlan, 'seed'> = {
  jobs: 36,
  workers: 2,
  workerKills: 2,
  redisKills: 1,
  apiKills: 1,
  outages: 1,
  spanMs: 10_000,
};

export type KillableRedis = { url: string; kill: () => Promise<void>; restart: () => Promise<void> };

export type ChaosFigures = Figures & {
  seed: number;
  workerKills: number;
  redisKills: number;
  apiKills: number;
  outages: number;
  /** Calls a killed worker had out, or whose answer it had had for less than half a second. */
  inFlightAtKills: number;
  /** Charged calls whose answer the provider itself lost. */
  lostByProvider: number;
  faults: number;
  /** Ended jobs that share another's image, and those ended by their caller. */
  joined: number;
  seconds: number;
  /** What each account charged, and what the records say of it. */
  bills: AccountBill[];
};

/** An answer may have reached a worker and not yet its disk. */
const ON_ITS_WAY_MS = 500;
const CONCURRENCY = 5;
/** A call beside a slow one needs a place of its own that is free. */
const CONCURRENCY_HEDGED = 12;
/** Somewhat above what a call mostly takes here. */
const SLOW_FROM_MS = 3_500;
const MODEL = 'gemini-3.1-flash-image';

const FAULTS: FaultRule[] = [
  { probability: 0.06, fault: { kind: 'overloaded' } },
  { probability: 0.02, fault: { kind: 'quota_minute', retryMs: 1_000 } },
  { probability: 0.02, fault: { kind: 'internal' } },
  { probability: 0.02, fault: { kind: 'bad_gateway' } },
  { probability: 0.02, fault: { kind: 'reset' } },
  { probability: 0.02, fault: { kind: 'reset_after_billing' } },
  { probability: 0.02, fault: { kind: 'cut_body' } },
  { probability: 0.03, fault: { kind: 'slow_drip', overMs: 1_000 } },
  { probability: 0.05, fault: { kind: 'drafts', count: 2 } },
  { probability: 0.04, fault: { kind: 'blocked', finishReason: 'IMAGE_SAFETY' } },
  { probability: 0.03, fault: { kind: 'no_image' } },
];

type Say = (line: string) => void;

/**
 * Runs the plan and checks every invariant at its end.
 *
 * @throws with each broken promise, or when calls were paid again that no kill and no fault accounts for
 */
export async function runChaos(
  plan: ChaosPlan,
  redis: KillableRedis,
  say: Say = () => undefined,
): Promise<ChaosFigures> {
  const began = performance.now();
  const random = mulberry32(plan.seed);
  await using system = await startSystem({
    redisUrl: redis.url,
    workers: 0,
    emulator: {
      seed: `chaos-${plan.seed}`,
      settings: { latency: 0.2, ...(plan.channels && { projects: SLOW }) },
      faults: FAULTS,
    },
    ...(plan.channels && { channels: CHANNELS }),
    workerEnv: { WORKER_CONCURRENCY: String(plan.channels ? CONCURRENCY_HEDGED : CONCURRENCY), MESSAGE_LOCK: '5' },
  });
  const workers = Array.from({ length: plan.workers }, (_, n) =>
    system.addWorker({ GEMINI_API_KEY: keyOf(n), ...keysOf(CHANNELS.channels, keyOf(n)) }),
  );
  // Else nothing would be known to be slow before most jobs are over.
  if (plan.channels) await wasQuick(system, { channel: 'first', model: MODEL }, SLOW_FROM_MS);
  await Promise.all(workers.map((worker) => worker.start()));

  const tally = { inFlightAtKills: 0 };
  const troubles = trouble({ plan, system, redis, random, say, tally });
  const ids = await submitAll(system, plan, random);
  await troubles;
  say(`all ${ids.length} submissions are answered and all troubles are over; waiting for the last job`);
  await Promise.all(ids.map((id) => bringToEnd(system, id)));
  const figures = await system.assertInvariants({ timeoutMs: 60_000 });

  const { entries } = system.emulator.control.journal();
  const lostByProvider = entries.filter(isLostByProvider).length;
  const allowed = tally.inFlightAtKills + lostByProvider;
  if (figures.extra > allowed)
    throw new Error(`${figures.extra} calls were paid again, at most ${allowed} can be explained`);
  const seen = await system.look();
  const records = seen.tenants.flatMap(({ jobs }) => jobs);
  return {
    ...figures,
    seed: plan.seed,
    workerKills: plan.workerKills,
    redisKills: plan.redisKills,
    apiKills: plan.apiKills,
    outages: plan.outages,
    ...tally,
    lostByProvider,
    faults: entries.filter(({ fault }) => fault).length,
    joined: records.filter(({ leader }) => leader).length,
    seconds: Math.round((performance.now() - began) / 1_000),
    bills: billsOf(seen),
  };
}

/** Each worker calls with a key of its own, whose end the journal shows. */
function keyOf(n: number): string {
  return `AIzaChaosKeyOfAWorker000000000000000w${String(n).padStart(3, '0')}`;
}

function isLostByProvider({ fault, billed }: JournalEntry): boolean {
  return billed !== undefined && (fault === 'reset_after_billing' || fault === 'cut_body');
}

type Scene = {
  plan: ChaosPlan;
  system: System;
  redis: KillableRedis;
  random: () => number;
  say: Say;
  tally: { inFlightAtKills: number };
};

/** All that goes wrong, in an order drawn from the seed, evenly over the span. */
async function trouble(scene: Scene): Promise<void> {
  const { plan, random, say } = scene;
  const kinds: Record<string, () => Promise<string>> = {
    worker: () => killWorker(scene),
    redis: () => killRedis(scene),
    api: () => killApi(scene),
    storage: () => takeStorageAway(scene),
  };
  const order = shuffled(
    [
      ...Array.from({ length: plan.workerKills }, () => 'worker'),
      ...Array.from({ length: plan.redisKills }, () => 'redis'),
      ...Array.from({ length: plan.apiKills }, () => 'api'),
      ...Array.from({ length: plan.outages }, () => 'storage'),
    ],
    random,
  );
  const step = plan.spanMs / (order.length + 1);
  const began = performance.now();
  for (const [n, kind] of order.entries()) {
    // Drawn before it is known how late the last one ended, so that a seed always draws the same.
    const at = (n + 0.5 + random()) * step;
    await sleep(Math.max(0, at - (performance.now() - began)));
    say(`${((performance.now() - began) / 1_000).toFixed(1).padStart(6)} s  ${await kinds[kind]?.()}`);
  }
}

async function killWorker({ system, plan, random, tally }: Scene): Promise<string> {
  const n = Math.floor(random() * plan.workers);
  const worker = system.workers[n];
  if (!worker) throw new RangeError(`there is no worker ${n}`);
  const awayMs = Math.round(random() * 500);
  const out = inFlight(system, keyOf(n));
  await worker.kill();
  tally.inFlightAtKills += out;
  await sleep(awayMs);
  await worker.start();
  return `SIGKILL ${worker.name} with ${out} calls in flight, back after ${awayMs} ms`;
}

/** Calls of one worker that are not answered, or whose answer may not have reached its disk yet. */
function inFlight({ emulator }: System, key: string): number {
  const since = Date.now() - ON_ITS_WAY_MS;
  return emulator.control
    .journal()
    .entries.filter(
      (entry) =>
        entry.key === key.slice(-4) &&
        (entry.outcome === 'open' || (entry.billed && entry.at + (entry.ms ?? 0) > since)),
    ).length;
}

async function killRedis({ redis, random }: Scene): Promise<string> {
  const awayMs = Math.round(200 + random() * 1_500);
  await redis.kill();
  await sleep(awayMs);
  await redis.restart();
  return `SIGKILL redis, back after ${awayMs} ms`;
}

async function killApi({ system, random }: Scene): Promise<string> {
  const awayMs = Math.round(random() * 500);
  await system.api.kill();
  await sleep(awayMs);
  await system.api.start();
  return `SIGKILL api, back after ${awayMs} ms`;
}

async function takeStorageAway({ system, random }: Scene): Promise<string> {
  const awayMs = Math.round(1_500 + random() * 1_500);
  await system.storage.takeAway();
  await sleep(awayMs);
  const waiting = (await system.spooled()).filter((name) => name.endsWith('.answer')).length;
  await system.storage.bringBack();
  return `storage away for ${awayMs} ms, ${waiting} paid answers waited in the spool`;
}

/** Submits at a steady pace; a twin now and then, a cancel now and then, each until it is answered. */
async function submitAll(
  { client }: System,
  { jobs, spanMs, seed }: ChaosPlan,
  random: () => number,
): Promise<string[]> {
  const prompts: string[] = [];
  const submissions: Promise<string>[] = [];
  for (let n = 0; n < jobs; n++) {
    const twin = prompts.length > 0 && random() < 0.1;
    const prompt = (twin && prompts[Math.floor(random() * prompts.length)]) || `mug ${n} of seed ${seed}`;
    const canceled = random() < 0.04;
    const policy = random() < 0.1 ? 'hold' : 'retry';
    if (!twin) prompts.push(prompt);
    const body = { prompt, model: MODEL, size: '512', on_unknown_outcome: policy };
    submissions.push(
      client.insist(body, `chaos-${seed}-${n}`).then(async ({ id }) => {
        if (canceled) await client.cancel(id).catch(() => undefined); // an answer that is lost is a cancel that may not be
        return id;
      }),
    );
    await sleep(spanMs / jobs);
  }
  return Promise.all(submissions);
}

/** Waits for a job's end, and releases it when it is held. */
async function bringToEnd({ client }: System, id: string): Promise<void> {
  for (;;) {
    const job = await client.until(id, (now) => isOver(now) || now.phase === 'held', 120_000);
    if (isOver(job)) return;
    await client.retry(id);
    await client.until(id, ({ phase }) => phase !== 'held', 20_000);
  }
}

export function shuffled<T>(items: T[], random: () => number): T[] {
  const left = [...items];
  return items.map(() => left.splice(Math.floor(random() * left.length), 1)).flat();
}

/** A small generator of uniform numbers in [0, 1) that a seed determines. */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
