/** What an attempt costs the worker for images of 2, 8 and 20 MB, beside the floor of the same bytes. */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Figure, figure } from './figure.ts';
import { gcsChecksum } from './gcs.ts';
import type { BenchOptions } from './main.ts';
import type { Child } from './parts/child.ts';
import { alternate, median } from './parts/sample.ts';
import { openStand, type Stand } from './parts/stand.ts';
import { createSubmitter, type Submitter } from './parts/submit.ts';

const MB = 1_000_000;
const SIGNATURE_BYTES = 2 * MB;
const IN_FLIGHT = 4;
const CROWD = 20;
const CPU_GOAL = { of: 'ratio', is: '<=', than: 1.4 } as const;

export async function* attempt(options: BenchOptions): AsyncGenerator<Figure> {
  const sizes = [
    { megabytes: 2, count: 48 },
    { megabytes: 8, count: 16 },
    { megabytes: 20, count: 12 },
  ];
  for (const { megabytes, count } of sizes) {
    const name = `attempt.cpu_${megabytes}mb`;
    if (options.wants(name)) yield* cpu(name, megabytes * MB, options.quick ? count / 2 : count, options);
  }
  if (['stall_ms', 'rss_20x20mb'].some((name) => options.wants(`attempt.${name}`))) yield* crowd(options);
  if (options.wants('attempt.gcs_crc')) yield* gcsChecksum(options);
}

type Ground = { stand: Stand; worker: Child; floor: Child; provider: string; submitter: Submitter };

/**
 * CPU of the whole worker process per attempt, from message to settled record with its image in the folder store.
 *
 * The picture is noise, so the thumbnail is refused; what that costs is measured beside it and taken off.
 */
async function* cpu(name: string, bytes: number, count: number, { quick }: BenchOptions): AsyncGenerator<Figure> {
  await using stand = await openStand();
  const ground = await prepare(stand, { bytes, inFlight: IN_FLIGHT, together: 1 });
  const thumbnails = stand.start('../baselines/thumbnail.ts', 'thumbnail', { IMAGE_BYTES: String(bytes) });
  await thumbnails.printed(/ready/);
  const perImage = async (child: Child, work: () => Promise<unknown>) => (await spent(child, work)) / count;
  const product = () => perImage(ground.worker, () => attempts(ground, count));
  const baseline = () => perImage(ground.floor, () => floors(ground, count, IN_FLIGHT));
  const refused = () => perImage(thumbnails, () => thumbnails.ask({ ask: 'run', count }));
  for (const warmUp of [product, product, baseline, refused]) await warmUp();
  const taken = await alternate(quick ? 3 : 5, {
    product: async () => {
      const whole = await product();
      return whole - (await refused());
    },
    baseline,
  });
  yield figure(name, 'ms', { value: median(taken.product), baseline: median(taken.baseline) }, CPU_GOAL);
}

/** Twenty answers of 20 MB that all arrive at once. */
async function* crowd({ quick }: BenchOptions): AsyncGenerator<Figure> {
  await using stand = await openStand();
  const ground = await prepare(stand, { bytes: 20 * MB, inFlight: CROWD, together: CROWD });
  const product = () => stall(ground.worker, () => attempts(ground, CROWD));
  const baseline = () => stall(ground.floor, () => floors(ground, CROWD, CROWD));
  await product();
  await baseline();
  const taken = await alternate(quick ? 3 : 5, { product, baseline });
  const stalls = { value: median(taken.product), baseline: median(taken.baseline) };
  yield figure('attempt.stall_ms', 'ms', stalls, { of: 'value', is: '<', than: 25 });
  const [ours, floors20] = await Promise.all([ground.worker.read(), ground.floor.read()]);
  yield figure(
    'attempt.rss_20x20mb',
    'MB',
    { value: ours.rssMbMax, baseline: floors20.rssMbMax },
    { of: 'value', is: '<', than: 400 },
  );
}

async function prepare(
  stand: Stand,
  { bytes, inFlight, together }: { bytes: number; inFlight: number; together: number },
): Promise<Ground> {
  const started = stand.start('./provider.ts', 'provider', {
    IMAGE_BYTES: String(bytes),
    SIGNATURE_BYTES: String(SIGNATURE_BYTES),
    TOGETHER: String(together),
  });
  const provider = await started.printed(/listening on (\S+)/);
  const worker = await stand.startWorker({ gemini: provider, concurrency: inFlight });
  const floor = stand.start('../baselines/floor.ts', 'floor');
  await floor.printed(/ready/);
  return { stand, worker, floor, provider, submitter: await createSubmitter(stand) };
}

async function attempts({ stand, submitter }: Ground, count: number): Promise<void> {
  await submitter.finish(count);
  await rm(join(stand.folder, 'objects', 'objects'), { recursive: true, force: true });
  await rm(join(stand.folder, 'objects', 'info'), { recursive: true, force: true });
}

async function floors({ floor, provider }: Ground, count: number, inFlight: number): Promise<void> {
  await floor.ask({ ask: 'run', url: `${provider}/raw`, count, inFlight });
}

async function spent(child: Child, work: () => Promise<unknown>): Promise<number> {
  const before = await child.read();
  await work();
  // Threads of the pool close files after the answer is out.
  await sleep(50);
  return (await child.read()).cpuMs - before.cpuMs;
}

async function stall(child: Child, work: () => Promise<void>): Promise<number> {
  await child.reset();
  await work();
  return (await child.read()).stallMs;
}
