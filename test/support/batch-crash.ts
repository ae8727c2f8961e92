/** Crashes of the batch path, from a healthy system to a healthy system: a program dies at a named step, starts again, all ends well. */

import { BATCH_CRASH_POINTS } from '@darkroom/shared/observability';
import { insistOnRows, type SentBatch, someRows, untilBatchOver } from './batch-caller.ts';
import type { BatchFigures } from './batch-invariants.ts';
import { ahead, type BatchSystem, startBatchSystem } from './batch-system.ts';
import { died } from './crash.ts';
import { keysOf } from './system/records.ts';
import type { Env, Figures, Program } from './system.ts';

export type BatchPoint = (typeof BATCH_CRASH_POINTS)[number];

export type BatchCrash = {
  point: BatchPoint;
  /** At which of its passings the program may be made to die, in turns. */
  passings: number[];
  /** Programs that pass it. */
  by: 'api' | 'worker';
  /** What is done while the program is dead, as if time had passed. */
  meanwhile?: (night: BatchSystem) => Promise<void>;
  /** Over the usual environment of the worker that goes on. */
  revived?: Env;
};

export const ROWS = 6;
const EACH_ROW = [1, 2, 3, 4, 5, 6];
/** The last step comes after all others, on a machine that may be busy. */
const DIES_WITHIN_MS = 60_000;
/** A create call is over after a minute, whether its caller lives or not. */
const CREATE_OVER_MS = 62_000;

const SPECIAL: Partial<Record<BatchPoint, Partial<BatchCrash>>> = {
  'batch.streamed': { by: 'api', meanwhile: forgetBrokenOff },
  'batch.accepted': { by: 'api', meanwhile: forgetBrokenOff },
  'batch.enlisted': { passings: EACH_ROW, meanwhile: forgetHolds },
  'batch.decided': { passings: [1, 2, 3], meanwhile: forgetHolds },
  'batch.written': { passings: [1, 2, 3], meanwhile: forgetHolds },
  'chunk.begun': { passings: EACH_ROW },
  'chunk.intended': { revived: ahead(CREATE_OVER_MS) },
  'chunk.line_stored': { passings: EACH_ROW },
  'chunk.line_settled': { passings: EACH_ROW },
};

export const BATCH_CRASHES: BatchCrash[] = BATCH_CRASH_POINTS.map((point) => ({
  point,
  passings: [1],
  by: 'worker',
  ...SPECIAL[point],
}));

export type BatchSurvived = Figures & BatchFigures & { points: BatchPoint[] };

/** A system without workers for `surviveBatch`; it may serve many crashes, one after the other. */
export function startForBatchCrashes(redisUrl: string): Promise<BatchSystem> {
  return startBatchSystem({ redisUrl, workers: 0 });
}

/**
 * Lets a batch of its own live through some crashes, one after the other in the order of its path.
 *
 * They cost nothing, wherever they come: no call is in doubt, no picture is made twice.
 *
 * @param round chooses the passings
 * @returns what it added to the figures
 * @throws when a step was never passed, a row is lost, a promise broken, or anything was paid for but the pictures
 */
export async function surviveBatch(crashes: BatchCrash[], night: BatchSystem, round = 0): Promise<BatchSurvived> {
  const { system, sent } = night;
  const before = await night.assertAll();
  const worker = system.addWorker();
  const { accepted } = await dieAt(crashes, { night, worker, round });
  const batch = await accepted;
  sent.push(batch);
  await untilBatchOver(system, batch.id);
  const after = await night.assertAll({ timeoutMs: 30_000 }).catch((error: Error) => {
    throw new Error(`${error.message}\n${warningsOf(worker)}`);
  });
  const figures = difference(after, before);
  await worker.stop();
  const { inDoubt, waste, second, laneSettled, laneBilled, images, chunks, providerBatches } = figures;
  const wrong =
    inDoubt || waste || second || laneSettled !== laneBilled || images !== ROWS || chunks !== providerBatches;
  const points = crashes.map(({ point }) => point);
  if (wrong) throw new Error(`${points.join()} cost ${JSON.stringify(figures)}`);
  return { ...figures, points };
}

/** @returns the batch that was sent meanwhile; in an object, for it to be waited for by whoever wants it */
async function dieAt(
  crashes: BatchCrash[],
  { night, worker, round }: { night: BatchSystem; worker: Program; round: number },
): Promise<{ accepted: Promise<SentBatch> }> {
  const { api } = night.system;
  let accepted: Promise<SentBatch> | undefined;
  let env: Env = {};
  for (const { point, passings, by, meanwhile, revived } of crashes) {
    const mortal = by === 'api' ? api : worker;
    await restart(mortal, { ...env, CRASH_AT: `${point}:${passings[round % passings.length]}` });
    accepted ??= insistOnRows(night.system, someRows(ROWS));
    accepted.catch(() => undefined); // Waited for in the end; the crash may be missed before.
    await died(mortal, DIES_WITHIN_MS);
    await meanwhile?.(night);
    if (mortal === api) await api.start();
    env = { ...env, ...revived };
  }
  await worker.start(env);
  if (!accepted) throw new RangeError('no crash was asked for');
  return { accepted };
}

function warningsOf({ lines }: Program): string {
  const told = lines.filter(({ level }) => level === 'warn' || level === 'error');
  return told.map((line) => JSON.stringify(line)).join('\n');
}

async function restart(program: Program, env: Env): Promise<void> {
  await program.stop();
  // Some steps are passed before it listens.
  await program.start(env).catch(() => undefined);
}

/** As if ten minutes had passed: nobody takes the body that broke off for one that still arrives. */
async function forgetBrokenOff({ system: { redis, prefix } }: BatchSystem): Promise<void> {
  const tag = `${prefix}{t:default}:`;
  for (const key of await keysOf(redis, `${tag}batch-idem:*`)) {
    if ((await redis.get(key))?.startsWith('~')) await redis.del(key);
  }
  for (const id of await redis.zrange(`${tag}ingests`, '0', '-1')) await redis.zadd(`${tag}ingests`, 'XX', 1, id);
}

/** As if half a minute had passed: what a dead worker had in hand of a caller's batch is free. */
async function forgetHolds({ system: { redis, prefix } }: BatchSystem): Promise<void> {
  for (const key of await keysOf(redis, `${prefix}{t:default}:batch:*:hold:*`)) await redis.del(key);
}

type All = Figures & BatchFigures;

function difference(after: All, before: All): All {
  const { byStatus: _byStatus, ...counts } = before;
  const values = Object.entries(counts).map(([name, value]) => [name, Number(after[name as keyof All]) - value]);
  return { ...(Object.fromEntries(values) as Omit<All, 'byStatus'>), byStatus: after.byStatus };
}
