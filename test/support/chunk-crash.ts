/** One crash of the batch lane, with real processes: one dies at a step, is started again, and all ends well. */

import { randomUUID } from 'node:crypto';
import type { BATCH_CRASH_POINTS } from '@darkroom/shared/observability';
import { aBody, type Env, type System, startSystem } from './system.ts';

export type ChunkCrashPoint = Extract<(typeof BATCH_CRASH_POINTS)[number], `chunk.${string}`>;

/** The provider's hours pass in seconds, and so do our own patience and a dead worker's hold on a chunk. */
const WORKER: Env = { BATCH_GATHER: '0.3', BATCH_POLL: '0.2', BATCH_RECREATE_AFTER: '2', MESSAGE_LOCK: '5' };
const PROVIDER = { settings: { clock_scale: 1_000 } };
const JOBS = 3;

export type ChunkSurvived = { jobs: number; batchesMade: number; billedLines: number; billMicros: number };

/** A system without workers for `surviveInChunk`; it may serve many cases, one after the other. */
export function startForChunkCrashes(redisUrl: string): Promise<System> {
  return startSystem({ redisUrl, workers: 0, workerEnv: WORKER, emulator: PROVIDER });
}

/**
 * Runs one case.
 *
 * @throws when the step was never passed, a job does not end well, a chunk was made twice, or the ledger is not the bill
 */
export async function surviveInChunk(point: ChunkCrashPoint, system: System): Promise<ChunkSurvived> {
  const { client, api } = system;
  const before = await sumsOf(system);
  const worker = system.addWorker();
  // Whoever admits a job puts it into the pool.
  const dying = point === 'chunk.pooled' ? api : worker;
  if (dying === api) await Promise.all([api.stop(), worker.start()]);
  await dying.start({ CRASH_AT: point });
  const submitted = Promise.all(
    Array.from({ length: JOBS }, () => client.insist(aBody({ lane: 'batch' }), randomUUID())),
  );
  const { signal } = await dying.exited();
  if (signal !== 'SIGKILL') throw new Error(`${point}: ${dying.name} ended by ${signal}`);
  await dying.start();
  const jobs = await submitted;
  const ended = await Promise.all(jobs.map(({ id }) => client.end(id, 60_000)));
  await untilClosed(system);
  await worker.stop();
  const after = await sumsOf(system);
  const wrong = ended.filter(({ status, attempts }) => status !== 'succeeded' || attempts.length !== 1);
  if (wrong.length) throw new Error(`${point}: ${wrong.map(({ id, status }) => `${id} ${status}`).join()}`);
  const survived = {
    jobs: JOBS,
    batchesMade: after.batches - before.batches,
    billedLines: after.billed - before.billed,
    billMicros: after.bill - before.bill,
  };
  const paid = after.actual - before.actual;
  const names = system.emulator.control.batches().map(({ display_name }) => display_name);
  const doubled = new Set(names).size < names.length || survived.billedLines !== JOBS;
  if (doubled || paid !== survived.billMicros || after.inDoubt !== before.inDoubt)
    throw new Error(`${point}: ${JSON.stringify(survived)}, and the ledger says ${paid}`);
  return survived;
}

async function sumsOf({ emulator, redis, prefix }: System) {
  const bill = emulator.control.bill();
  const totals = await redis.hgetall(`${prefix}{t:default}:totals`);
  return {
    batches: emulator.control.batches().length,
    billed: bill.billed_calls,
    bill: bill.cost_micros,
    actual: Number(totals['actual'] ?? 0),
    inDoubt: Number(totals['in_doubt'] ?? 0),
  };
}

async function untilClosed({ redis, prefix }: System): Promise<void> {
  const end = performance.now() + 30_000;
  while ((await redis.zcard(`${prefix}{q:batches}:open`)) > 0) {
    if (performance.now() > end) throw new Error('a chunk stays open');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
