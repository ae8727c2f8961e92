/** How fast a result file becomes images on disk, beside a bare parse of the same file. */

import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Figure, figure } from './figure.ts';
import type { BenchOptions } from './main.ts';
import { imageAnswer, imageOf } from './parts/answer.ts';
import { type Child, startChild } from './parts/child.ts';
import { alternate, median } from './parts/sample.ts';

/** Eight megabytes a line, a quarter of them signature. */
const IMAGE_BYTES = 4_500_000;
const SIGNATURE_BYTES = 1_500_000;

export async function* batchCollect(options: BenchOptions): AsyncGenerator<Figure> {
  if (!options.wants('batch.collect')) return;
  await using opened = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'darkroom-bench-'));
  opened.defer(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'responses.jsonl');
  const bytes = await writeResults(path, options.quick ? 10 : 40);
  const start = (program: string, name: string) => opened.use(startChild(program, { name, folder, env: {} }));
  const reader = start('./read-results.ts', 'reader');
  const bare = start('../baselines/parse-lines.ts', 'bare');
  await Promise.all([reader.printed(/ready/), bare.printed(/ready/)]);

  const speed = (child: Child) => async () => bytes / 1e6 / ((await child.ask<number>({ ask: 'run', path })) / 1_000);
  const product = speed(reader);
  const baseline = speed(bare);
  await product();
  await baseline();
  const taken = await alternate(options.quick ? 3 : 5, { product, baseline });
  const speeds = { value: median(taken.product), baseline: median(taken.baseline) };
  yield figure('batch.collect', 'MB/s', speeds, { of: 'ratio', is: '>=', than: 0.5 });
}

/** @returns the bytes of the file */
async function writeResults(path: string, lines: number): Promise<number> {
  const response = imageAnswer(imageOf(IMAGE_BYTES), imageOf(SIGNATURE_BYTES));
  await using file = await open(path, 'w');
  for (let n = 0; n < lines; n++) await file.write(`{"response":${response},"key":"att_${n}"}\n`);
  return (await file.stat()).size;
}
