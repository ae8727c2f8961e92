/**
 * Chaos of the batch path: callers' batches and single jobs travel by night while workers, Redis and the API are killed
 * and the provider misbehaves in every way it was seen to. What happens when is drawn from a seed.
 *
 * All programs share a clock that goes ten times as fast, so that pauses of half a minute pass in seconds.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultRule } from '@darkroom/emulator';
import { BATCH_MODEL, insistOnRows, type SentBatch, someRows, untilBatchOver } from './batch-caller.ts';
import type { BatchFigures } from './batch-invariants.ts';
import { type BatchSystem, clockOf, startBatchSystem } from './batch-system.ts';
import { type KillableRedis, mulberry32, shuffled } from './chaos.ts';
import type { Env, Figures, Program } from './system.ts';

export type BatchChaosPlan = {
  seed: number;
  batches: number;
  rows: number;
  singles: number;
  workers: number;
  workerKills: number;
  redisKills: number;
  apiKills: number;
  /** Milliseconds over which jobs come in and things go wrong. */
  spanMs: number;
};

export const BATCH_FULL: Omit<BatchChaosPlan, 'seed'> = {
  batches: 3,
  rows: 100,
  singles: 100,
  workers: 2,
  workerKills: 12,
  redisKills: 2,
  apiKills: 3,
  spanMs: 75_000,
};

export const BATCH_SHORT: Omit<BatchChaosPlan, 'seed'> = {
  batches: 1,
  rows: 30,
  singles: 10,
  workers: 2,
  workerKills: 3,
  redisKills: 1,
  apiKills: 1,
  spanMs: 8_000,
};

export type BatchChaosFigures = Figures &
  BatchFigures & { misfortunes: Record<string, number>; seconds: number; providerStates: Record<string, number> };

const PACE = 10;
/** By the clock that all share, of which the longest pauses of this lane are made. */
const LANE: Env = { BATCH_GATHER: '5', BATCH_RECREATE_AFTER: '20' };
const TURNAROUND_MS = 5_000;
const PATIENCE_MS = 240_000;

const FAULTS: FaultRule[] = [
  { match: { route: 'create_batch' }, probability: 0.06, fault: { kind: 'course', truncated: true } },
  { match: { route: 'create_batch' }, probability: 0.06, fault: { kind: 'course', ends: 'failed' } },
  { match: { route: 'create_batch' }, probability: 0.1, fault: { kind: 'course', outputAfterMs: 8_000 } },
  { match: { route: 'create_batch' }, probability: 0.08, fault: { kind: 'reset_after_billing' } },
  { match: { route: 'create_batch' }, probability: 0.06, fault: { kind: 'reset' } },
  { match: { route: 'create_batch' }, probability: 0.06, fault: { kind: 'unavailable' } },
  { match: { route: 'batch_line' }, probability: 0.03, fault: { kind: 'line_duplicated', count: 3 } },
  { match: { route: 'batch_line' }, probability: 0.02, fault: { kind: 'line_missing', billed: true } },
  { match: { route: 'batch_line' }, probability: 0.02, fault: { kind: 'line_missing' } },
  { match: { route: 'batch_line' }, probability: 0.03, fault: { kind: 'line_error', code: 13 } },
  { match: { route: 'batch_line' }, probability: 0.01, fault: { kind: 'line_stray' } },
  { match: { route: 'batch_line' }, probability: 0.01, fault: { kind: 'line_keyless' } },
  { match: { route: 'batch_line' }, probability: 0.02, fault: { kind: 'blocked', finishReason: 'IMAGE_SAFETY' } },
  { match: { route: 'download_file' }, probability: 0.2, fault: { kind: 'cut_body', fraction: 0.6 } },
  { match: { route: 'download_file' }, probability: 0.1, fault: { kind: 'unavailable' } },
  { match: { route: 'get_batch' }, probability: 0.5, fault: { kind: 'unavailable' } },
  { match: { route: 'list_batches' }, probability: 0.05, fault: { kind: 'unavailable' } },
  { match: { route: 'upload_chunk' }, probability: 0.1, fault: { kind: 'reset' } },
  { match: { route: 'delete_file' }, probability: 0.03, fault: { kind: 'unavailable' } },
];

type Say = (line: string) => void;
type Scene = { plan: BatchChaosPlan; night: BatchSystem; redis: KillableRedis; random: () => number; say: Say };

/** Runs the plan. @throws with each broken promise */
export async function runBatchChaos(
  plan: BatchChaosPlan,
  redis: KillableRedis,
  say: Say = () => undefined,
): Promise<BatchChaosFigures> {
  const began = performance.now();
  const random = mulberry32(plan.seed);
  const at = Date.now();
  const clock = clockOf({ at, shows: at, pace: PACE });
  await using night = await startBatchSystem({
    redisUrl: redis.url,
    workers: plan.workers,
    apiEnv: clock,
    workerEnv: { ...clock, ...LANE },
    emulator: {
      seed: `batch-chaos-${plan.seed}`,
      now: () => at + (Date.now() - at) * PACE,
      settings: { batches: { turnaround_ms: TURNAROUND_MS, spread: 0.5 } },
      faults: FAULTS,
    },
  });
  const scene = { plan, night, redis, random, say };
  const troubles = trouble(scene);
  const [batches, singles] = await Promise.all([sendBatches(scene), sendSingles(scene), troubles]);
  night.sent.push(...batches);
  say(
    `${batches.length} batches and ${singles.length} jobs are accepted and all troubles are over; waiting for the last`,
  );
  const { system } = night;
  await Promise.all([
    ...batches.map(({ id }) => untilBatchOver(system, id, PATIENCE_MS)),
    ...singles.map((id) => system.client.end(id, PATIENCE_MS)),
  ]);
  const figures = await night.assertAll({ timeoutMs: PATIENCE_MS }).catch((error: Error) => {
    for (const line of linesAbout(error.message, system.workers)) say(line);
    throw error;
  });
  const { control } = system.emulator;
  return {
    ...figures,
    misfortunes: Object.fromEntries(
      control
        .faults()
        .flatMap(({ fault, match, fired }) => (fired ? [[nameOf({ fault, ...(match && { match }) }), fired]] : [])),
    ),
    providerStates: counted(control.batches().map(({ state }) => state)),
    seconds: Math.round((performance.now() - began) / 1_000),
  };
}

/** What workers said of the ids in a text, for whoever has to find out. */
function linesAbout(text: string, workers: Program[]): string[] {
  const ids = new Set(text.match(/[0-9a-f]{32}/g) ?? []);
  const lines = workers.flatMap((worker) => worker.lines.map((line) => `${worker.name} ${JSON.stringify(line)}`));
  return lines.filter((line) => [...ids].some((id) => line.includes(id)));
}

function nameOf({ fault, match }: FaultRule): string {
  const { kind, ...rest } = fault;
  const more = kind === 'course' ? ` ${Object.entries(rest).flat().join(' ')}` : '';
  return `${match?.route}: ${kind}${'billed' in rest && rest.billed ? ' (billed)' : ''}${more}`;
}

function counted(names: string[]): Record<string, number> {
  return Object.fromEntries([...Map.groupBy(names, (name) => name)].map(([name, of]) => [name, of.length]));
}

/** Each at its own moment of the first half. */
async function sendBatches({ plan, night: { system }, random }: Scene): Promise<SentBatch[]> {
  const moments = Array.from({ length: plan.batches }, () => (random() * plan.spanMs) / 2);
  return Promise.all(
    moments.map(async (moment) => {
      await sleep(moment);
      return insistOnRows(system, someRows(plan.rows), { untilMs: PATIENCE_MS });
    }),
  );
}

/** At a steady pace. */
async function sendSingles({ plan, night: { system } }: Scene): Promise<string[]> {
  const sending: Promise<string>[] = [];
  for (let n = 0; n < plan.singles; n++) {
    const body = { prompt: `single ${n} of seed ${plan.seed}`, model: BATCH_MODEL, size: '512', lane: 'batch' };
    sending.push(system.client.insist(body, `single-${plan.seed}-${n}`).then(({ id }) => id));
    await sleep(plan.spanMs / plan.singles);
  }
  return Promise.all(sending);
}

/** All that dies, in an order drawn from the seed, evenly over the span. */
async function trouble({ plan, night: { system }, redis, random, say }: Scene): Promise<void> {
  const began = performance.now();
  const order = shuffled(
    [
      ...Array<string>(plan.workerKills).fill('worker'),
      ...Array<string>(plan.redisKills).fill('redis'),
      ...Array<string>(plan.apiKills).fill('api'),
    ],
    random,
  );
  const step = plan.spanMs / (order.length + 1);
  for (const [n, what] of order.entries()) {
    const moment = (n + 0.5 + random()) * step;
    const awayMs = Math.round(random() * 1_000);
    const worker = system.workers[Math.floor(random() * plan.workers)];
    await sleep(Math.max(0, moment - (performance.now() - began)));
    const program = what === 'api' ? system.api : worker;
    if (what === 'redis') await killRedis(redis, awayMs);
    else if (program) await killProgram(program, awayMs);
    const seconds = ((performance.now() - began) / 1_000).toFixed(1);
    say(`${seconds.padStart(6)} s  SIGKILL ${what === 'redis' ? what : program?.name}, back after ${awayMs} ms`);
  }
}

async function killRedis(redis: KillableRedis, awayMs: number): Promise<void> {
  await redis.kill();
  await sleep(awayMs);
  await redis.restart();
}

async function killProgram(program: Program, awayMs: number): Promise<void> {
  await program.kill();
  await sleep(awayMs);
  await program.start();
}
