/** How fast a batch is taken in, beside what its file costs to parse and check alone, and what memory that takes. */

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Figure, figure } from './figure.ts';
import type { BenchOptions } from './main.ts';
import type { Child } from './parts/child.ts';
import { alternate, median } from './parts/sample.ts';
import { API_KEY, openStand, type Stand } from './parts/stand.ts';

const ROWS = 20_000;
const MANY_ROWS = 200_000;
const RSS_MAX_MB = 250;

export async function* batchIngest(options: BenchOptions): AsyncGenerator<Figure> {
  if (options.wants('batch.ingest')) yield* rate(options);
  for (const rows of [ROWS, MANY_ROWS]) {
    if (options.wants(`batch.ingest_rss_${rows / 1_000}k`)) yield await memory(rows);
  }
}

/** Rows a second of one upload after the other, against a bare loop of csv-parse and zod over the same file. */
async function* rate({ quick }: BenchOptions): AsyncGenerator<Figure> {
  await using stand = await openStand();
  const file = await writeCatalogue(stand, ROWS);
  const { url } = await stand.startApi();
  const bare = stand.start('../baselines/csv-zod.ts', 'bare', { CSV_FILE: file });
  await upload(url, file, ROWS);
  await bare.ask({ ask: 'parse' });
  const { product, baseline } = await alternate(quick ? 3 : 5, {
    product: async () => perSecond(() => upload(url, file, ROWS)),
    baseline: async () => perSecond(() => parsed(bare)),
  });
  yield figure(
    'batch.ingest',
    'rows/s',
    { value: median(product), baseline: median(baseline) },
    { of: 'ratio', is: '>=', than: 0.5 },
  );
}

async function perSecond(run: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await run();
  return (ROWS * 1_000) / (performance.now() - startedAt);
}

async function parsed(bare: Child): Promise<void> {
  const rows = await bare.ask<number>({ ask: 'parse' });
  if (rows !== ROWS) throw new Error(`the baseline read ${rows} rows`);
}

/** The highest resident size of an API that has taken in one batch. */
async function memory(rows: number): Promise<Figure> {
  await using stand = await openStand();
  const file = await writeCatalogue(stand, rows);
  const { child, url } = await stand.startApi();
  await upload(url, file, rows);
  const { rssMbMax } = await child.read();
  return figure(
    `batch.ingest_rss_${rows / 1_000}k`,
    'MB',
    { value: rssMbMax },
    { of: 'value', is: '<=', than: RSS_MAX_MB },
  );
}

/** As a shop's export: a key, a description, a few fields. */
async function writeCatalogue({ folder }: Stand, rows: number): Promise<string> {
  const path = join(folder, `catalogue-${rows}.csv`);
  await pipeline(async function* lines() {
    yield 'key,prompt,model,size,aspect_ratio,metadata.sku\n';
    for (let n = 0; n < rows; n += 1_000) {
      yield Array.from({ length: Math.min(1_000, rows - n) }, (_, i) => line(n + i)).join('');
    }
  }, createWriteStream(path));
  return path;
}

function line(n: number): string {
  const prompt = `Product photograph of item ${n}, a red ceramic mug with a wooden handle, on an old oak table beside the window, morning light, soft shadows, 50 mm, no text`;
  return `sku-${n},"${prompt}",pro,2K,4:5,SKU-${n}\n`;
}

/** @throws when not every row is accepted */
async function upload(url: string, path: string, rows: number): Promise<void> {
  const { size } = await stat(path);
  await using file = await open(path);
  const sent = request(`${url}/v1/batches`, {
    method: 'POST',
    headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'text/csv', 'content-length': size },
  });
  const answered = once(sent, 'response');
  await pipeline(file.createReadStream({ autoClose: false }), sent);
  const [response] = (await answered) as [import('node:http').IncomingMessage];
  let text = '';
  for await (const chunk of response) text += String(chunk);
  const { counts } = JSON.parse(text) as { counts?: { total: number } };
  if (response.statusCode !== 202 || counts?.total !== rows)
    throw new Error(`${response.statusCode}: ${text.slice(0, 500)}`);
}
