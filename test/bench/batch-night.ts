/**
 * A night: 20,000 rows by the API, the batch lane and the provider's files until each has its image, and what memory that
 * takes. Pictures are small, so that rows are what counts, and the emulator's hours pass in seconds, in a process of its own.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { type Figure, figure } from './figure.ts';
import type { BenchOptions } from './main.ts';
import { readBatch, submitBatch, WORKER_RSS_MAX_MB, writeRows } from './parts/batch-call.ts';
import { openStand, type Stand } from './parts/stand.ts';

const ROWS = 20_000;
const API_RSS_MAX_MB = 250;
const REDIS_BYTES_MAX = 1_024;
const PATIENCE_MS = 900_000;
const LOOK_MS = 250;
const SECOND = 1_000;
const NAMES = ['batch.night_rate', 'batch.night_worker_rss', 'batch.night_api_rss', 'batch.night_redis'];

export async function* batchNight(options: BenchOptions): AsyncGenerator<Figure> {
  if (!NAMES.some((name) => options.wants(name))) return;
  await using stand = await openStand();
  const gemini = await startProvider(stand);
  const { child: api, url } = await stand.startApi();
  const worker = await stand.startWorker({
    gemini,
    concurrency: 4,
    env: { WORKER_ROLES: 'batch,sweeper', BATCH_GATHER: '2', BATCH_POLL: '1', BATCH_ENQUEUED_TOKENS: '0' },
  });
  const path = await writeRows(stand.folder, { name: 'night', rows: ROWS });
  await sleep(SECOND);
  const before = await usedBytes(stand);

  const startedAt = performance.now();
  const { id } = await submitBatch(url, { path, rows: ROWS });
  const ingested = await api.read();
  const bytesMax = await peakUntil(stand, async () => {
    const { counts, status } = await readBatch(url, id);
    if ((counts['failed'] ?? 0) > 0) throw new Error(`${status}: ${JSON.stringify(counts)}`);
    return counts['succeeded'] === ROWS;
  });
  const seconds = (performance.now() - startedAt) / SECOND;
  // The small copies are made behind, and their memory counts as well.
  await peakUntil(stand, async () => (await stand.redis.zcard('{q:batches}:open')) === 0);

  const { rssMbMax } = await worker.read();
  yield figure('batch.night_rate', 'rows/s', { value: ROWS / seconds });
  yield figure('batch.night_worker_rss', 'MB', { value: rssMbMax }, { of: 'value', is: '<', than: WORKER_RSS_MAX_MB });
  const ofApi = { value: ingested.rssMbMax };
  yield figure('batch.night_api_rss', 'MB', ofApi, { of: 'value', is: '<', than: API_RSS_MAX_MB });
  const perRow = { value: (bytesMax - before) / ROWS };
  yield figure('batch.night_redis', 'B/row', perRow, { of: 'value', is: '<=', than: REDIS_BYTES_MAX });
}

function startProvider(stand: Stand): Promise<string> {
  const emulator = stand.start('../../../packages/emulator/src/main.ts', 'emulator', {
    EMULATOR_RENDER: 'fast',
    EMULATOR_LONGEST_SIDE: '64',
    EMULATOR_SIGNATURE_BYTES: '1024',
    EMULATOR_DRAFTS: '0',
    EMULATOR_TEXT: '0',
    EMULATOR_LATENCY: '0',
    EMULATOR_CLOCK_SCALE: '100',
    EMULATOR_BATCH_TURNAROUND_MS: '60000',
  });
  return emulator.printed(/"url":"(http[^"]+)"/);
}

/** Looks until `holds`. @returns the most that Redis used meanwhile, as seen */
async function peakUntil(stand: Stand, holds: () => Promise<boolean>): Promise<number> {
  let most = 0;
  for (const end = performance.now() + PATIENCE_MS; performance.now() < end; await sleep(LOOK_MS)) {
    most = Math.max(most, await usedBytes(stand));
    if (await holds()) return most;
  }
  throw new Error('the night did not end in time');
}

/** Without what passes through connections and the log's buffer: that comes and goes with the load, not with the rows. */
async function usedBytes({ redis }: Stand): Promise<number> {
  const info = await redis.info('memory');
  const bytes = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1]);
  return bytes('used_memory') - bytes('mem_clients_normal') - bytes('mem_aof_buffer');
}
