/** The rows of a batch beside their jobs, in the order of the rows. */

import { AppError, type Batch, type BatchRow, isBatchOver, type Job, type JobStatus } from '../domain/index.ts';
import type { ListItemsQuery } from '../schemas/index.ts';
import { findRowJob, jobsOfRows, type ReadBatchDeps } from './get-batch.ts';
import { readRows } from './read-rows.ts';

/** A row, and its newest job once it has become one. */
export type Item = { row: BatchRow; job: Job | undefined };

/** Rows looked up side by side. */
const STEP = 100;
/** Rows looked at for one page: a rare status ends the page early, with a cursor to go on from. */
const SCAN_MAX = 5_000;
/** Rows looked through for a key that no job has: twenty shards. */
const SEARCH_MAX = 20_000;

/** All items from row `from` on, some at a time. */
export async function* itemsOf(deps: ReadBatchDeps, batch: Batch, from = 0): AsyncGenerator<Item[]> {
  let step: BatchRow[] = [];
  for await (const row of readRows(deps.store, batch, from, batch.total)) {
    if (step.push(row) < STEP) continue;
    yield withJobs(deps, batch, step);
    step = [];
  }
  if (step.length) yield withJobs(deps, batch, step);
}

async function withJobs(deps: ReadBatchDeps, batch: Batch, rows: BatchRow[]): Promise<Item[]> {
  const jobs = await jobsOfRows(deps, batch, rows);
  return rows.map((row, i) => ({ row, job: jobs[i] }));
}

/** What a row counts as: that of its job, or of a job to come, or of one that never will. */
export function itemStatus(batch: Batch, { job }: Pick<Item, 'job'>): JobStatus {
  return job?.state.status ?? batch.dropped?.status ?? 'queued';
}

/** A page in the order of the rows. It may hold fewer than `limit` and still not be the last. */
export async function listItems(
  deps: ReadBatchDeps,
  batch: Batch,
  { limit, after, status }: ListItemsQuery,
): Promise<{ items: Item[]; nextCursor?: string }> {
  const from = after === undefined ? 0 : parseCursor(after);
  const items: Item[] = [];
  for await (const step of itemsOf(deps, batch, from)) {
    for (const item of step) {
      if (items.length === limit || item.row.n - from >= SCAN_MAX) return { items, nextCursor: cursorOf(item.row.n) };
      if (status === undefined || itemStatus(batch, item) === status) items.push(item);
    }
  }
  return { items };
}

/**
 * The row under a key.
 *
 * @throws AppError `not_found`, or `not_ready` (retryable) when it may be one of very many rows that are no jobs yet
 */
export async function getItem(
  deps: ReadBatchDeps,
  batch: Batch,
  key: string,
): Promise<{ key: string; job: Job | undefined }> {
  if (/^[A-Za-z0-9_.:-]{1,64}$/.test(key)) {
    const job = await findRowJob(deps, batch, key);
    if (job) return { key, job };
    // No index of keys is kept: what is no job yet is looked for among the rows that are to become some.
    const end = Math.min(batch.total, batch.loaded + SEARCH_MAX);
    for await (const row of readRows(deps.store, batch, batch.loaded, end)) {
      if (row.key === key) return { key, job: await findRowJob(deps, batch, key) };
    }
    if (end < batch.total && !isBatchOver(batch.status)) throw stillLoading();
  }
  throw new AppError('not_found', { message: 'The batch has no such row.', param: 'key' });
}

function stillLoading(): AppError {
  return new AppError('not_ready', {
    message: 'No job has this key yet, and the batch has too many rows that are no jobs to look through.',
    param: 'key',
    retryable: true,
    retryAfterMs: 5_000,
    fix: 'Ask again when more rows are loaded, or read the items page by page.',
  });
}

function cursorOf(n: number): string {
  return Buffer.from(String(n)).toString('base64url');
}

function parseCursor(text: string): number {
  const row = Buffer.from(text, 'base64url').toString();
  if (/^\d{1,9}$/.test(row)) return Number(row);
  throw new AppError('invalid_request', { message: 'after is not a cursor of this list.', param: 'after' });
}
