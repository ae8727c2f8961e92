/**
 * One chunk of a hundred results of 8 MB, brought home by a worker: from the first byte of the download until every job
 * has its image, beside a bare loop over the same file.
 *
 * The worker downloads the file, hashes it, lays it durably into the store, reads it again, and stores and settles one
 * image after the other. The bare loop finds the file on this disk. Small copies are made once the jobs are settled and
 * are no part of either.
 */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Emulator, startEmulator } from '@darkroom/emulator';
import { type Figure, figure } from './figure.ts';
import type { BenchOptions } from './main.ts';
import { submitBatch, untilSeen, WORKER_RSS_MAX_MB, writeRows } from './parts/batch-call.ts';
import type { Child } from './parts/child.ts';
import { type Served, startResultFiles } from './parts/result-files.ts';
import { alternate, median, untilQuiet } from './parts/sample.ts';
import { openStand, type Stand } from './parts/stand.ts';

/** 8 MB of base64 in a line, a quarter of it signature. */
const IMAGE_BYTES = 4_500_000;
const SIGNATURE_BYTES = 1_500_000;
const LINES = 100;
const PATIENCE_MS = 300_000;
const LOOK_MS = 50;
/** Longer than any batch here takes, by the emulator's clock, which stands still but for this. */
const NIGHT_MS = 3_600_000;
const NAMES = ['batch.collect_chunk', 'batch.collect_cpu', 'batch.collect_rss'];

type Spent = { ms: number; cpuMs: number };

export async function* batchChunk(options: BenchOptions): AsyncGenerator<Figure> {
  if (!NAMES.some((name) => options.wants(name))) return;
  await using stand = await openStand();
  await using emulator = await startEmulator({
    settings: {
      longest_side: 64,
      image_bytes: IMAGE_BYTES,
      signature_bytes: SIGNATURE_BYTES,
      clock_scale: 0,
      batches: { turnaround_ms: 1_000, spread: 0 },
    },
  });
  await using home = await openGround(stand, emulator);
  const bare = stand.start('../baselines/parse-lines.ts', 'bare');
  await bare.printed(/ready/);
  let file: Served | undefined;

  const product = async (): Promise<Spent> => {
    const brought = await home.bring();
    file = brought.file;
    return brought;
  };
  const baseline = async () => {
    const before = await bare.read();
    const ms = await bare.ask<number>({ ask: 'run', path: file?.path });
    return { ms, cpuMs: (await bare.read()).cpuMs - before.cpuMs };
  };
  // The first chunk's file is what the bare loop begins with.
  await product();
  await baseline();
  const taken = await alternate(options.quick ? 2 : 4, { product, baseline });
  const speed = ({ ms }: Spent) => (file?.bytes ?? 0) / 1_000 / ms;
  const cpu = ({ cpuMs }: Spent) => cpuMs / LINES;
  const of = (measure: (spent: Spent) => number) => ({
    value: median(taken.product.map(measure)),
    baseline: median(taken.baseline.map(measure)),
  });
  yield figure('batch.collect_chunk', 'MB/s', of(speed), { of: 'ratio', is: '>=', than: 0.5 });
  yield figure('batch.collect_cpu', 'ms', of(cpu));
  const [ours, theirs] = await Promise.all([home.worker.read(), bare.read()]);
  const rss = { value: ours.rssMbMax, baseline: theirs.rssMbMax };
  yield figure('batch.collect_rss', 'MB', rss, { of: 'value', is: '<', than: WORKER_RSS_MAX_MB });
}

type Ground = AsyncDisposable & {
  worker: Child;
  /** Has a chunk of `LINES` lines collected. */
  bring(): Promise<Spent & { file: Served }>;
};

async function openGround(stand: Stand, emulator: Emulator): Promise<Ground> {
  let chunks = 0;
  let start: (file: Served) => Promise<void> = async () => undefined;
  const provider = await startResultFiles(emulator.url, { folder: stand.folder, served: (file) => start(file) });
  const { url } = await stand.startApi();
  const worker = await stand.startWorker({
    gemini: provider.url,
    concurrency: 4,
    env: { WORKER_ROLES: 'batch', BATCH_GATHER: '1', BATCH_POLL: '0.2' },
  });

  const bring = async () => {
    chunks++;
    const path = await writeRows(stand.folder, { name: `chunk${chunks}`, rows: LINES });
    const { id } = await submitBatch(url, { path, rows: LINES });
    await emulator.control.whenBatch(({ state, lines }) => state !== 'SUCCEEDED' && lines === LINES);
    await untilQuiet();
    const begun = new Promise<{ file: Served; at: number; cpuMs: number }>((resolve) => {
      start = async (file) => {
        const { cpuMs } = await worker.read();
        resolve({ file, at: performance.now(), cpuMs });
      };
    });
    emulator.control.advance(NIGHT_MS);
    const { file, at, cpuMs } = await begun;
    await untilSeen(url, id, ({ counts }) => counts['succeeded'] === LINES, {
      patienceMs: PATIENCE_MS,
      everyMs: LOOK_MS,
    });
    const spent = { file, ms: performance.now() - at, cpuMs: (await worker.read()).cpuMs - cpuMs };
    await worker.printed(new RegExp(`(?:chunk\\.closed[^]*){${chunks}}`));
    await clear(stand);
    return spent;
  };
  return { worker, bring, [Symbol.asyncDispose]: () => provider[Symbol.asyncDispose]() };
}

async function clear({ folder }: Stand): Promise<void> {
  for (const name of ['results', 'provider-batches']) {
    await rm(join(folder, 'objects', 'objects', name), { recursive: true, force: true });
    await rm(join(folder, 'objects', 'info', name), { recursive: true, force: true });
  }
}
