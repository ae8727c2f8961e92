/** One crash of the batch path, from a healthy system to a healthy system: a program dies at a named step, starts again, all ends well. */

import { BATCH_CRASH_POINTS } from '@darkroom/shared/observability';
import { insistOnRows, someRows, untilBatchOver } from './batch-caller.ts';
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

/** The loader's own writes come first: whoever goes on waits until its hold on the batch has run out, half a minute. */
const SPECIAL: Partial<Record<BatchPoint, Partial<BatchCrash>>> = {
  'batch.streamed': { by: 'api', meanwhile: forgetBrokenOff },
  'batch.accepted': { by: 'api', meanwhile: forgetBrokenOff },
  'batch.enlisted': { passings: EACH_ROW },
  'batch.decided': { passings: [2, 1, 3] },
  'batch.written': { passings: [2, 1, 3] },
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

export type BatchSurvived = Figures & BatchFigures & { point: BatchPoint };

/** A system without workers for `surviveBatch`; it may serve many crashes, one after the other. */
export function startForBatchCrashes(redisUrl: string): Promise<BatchSystem> {
  return startBatchSystem({ redisUrl, workers: 0 });
}

/**
 * Runs one crash. It costs nothing, wherever it comes: no call is in doubt, no picture is made twice.
 *
 * @param round chooses the passing
 * @returns what it added to the figures
 * @throws when the step was never passed, a row is lost, a promise broken, or anything was paid for but the pictures
 */
export async function surviveBatch(crash: BatchCrash, night: BatchSystem, round = 0): Promise<BatchSurvived> {
  const { system, sent } = night;
  const before = await night.assertAll();
  const worker = system.addWorker();
  const mortal = crash.by === 'api' ? system.api : worker;
  const nth = crash.passings[round % crash.passings.length];
  await restart(mortal, { CRASH_AT: `${crash.point}:${nth}` });
  const accepted = insistOnRows(system, someRows(ROWS));
  accepted.catch(() => undefined); // Waited for below; the crash may be missed before.
  await died(mortal, DIES_WITHIN_MS);
  await crash.meanwhile?.(night);
  await mortal.start(crash.revived);
  if (mortal !== worker) await worker.start();
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
  if (wrong) throw new Error(`${crash.point} cost ${JSON.stringify(figures)}`);
  return { ...figures, point: crash.point };
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

type All = Figures & BatchFigures;

function difference(after: All, before: All): All {
  const { byStatus: _byStatus, ...counts } = before;
  const values = Object.entries(counts).map(([name, value]) => [name, Number(after[name as keyof All]) - value]);
  return { ...(Object.fromEntries(values) as Omit<All, 'byStatus'>), byStatus: after.byStatus };
}
