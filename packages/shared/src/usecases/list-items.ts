/** The rows of a batch beside their jobs, in the order of the rows. */

import { AppError, type Batch, type BatchRow, type Job, type JobStatus } from '../domain/index.ts';
import type { ListItemsQuery } from '../schemas/index.ts';
import { findRowJob, jobsOfRows, type ReadBatchDeps } from './get-batch.ts';
import { readRows } from './read-rows.ts';

/** A row, and its newest job once it has become one. */
export type Item = { row: BatchRow; job: Job | undefined };

/** Rows looked up side by side. */
const STEP = 100;
/** Rows looked at for one page: a rare status ends the page early, with a cursor to go on from. */
const SCAN_MAX = 5_000;

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

/** The row under a key. @throws AppError `not_found` */
export async function getItem(
  deps: ReadBatchDeps,
  batch: Batch,
  key: string,
): Promise<{ key: string; job: Job | undefined }> {
  if (/^[A-Za-z0-9_.:-]{1,64}$/.test(key)) {
    const job = await findRowJob(deps, batch, key);
    if (job) return { key, job };
    // No index of keys is kept: what is no job yet is looked for among the rows that are to become some.
    for await (const step of itemsOf(deps, batch, batch.loaded)) {
      const found = step.find(({ row }) => row.key === key);
      if (found) return { key, job: found.job };
    }
  }
  throw new AppError('not_found', { message: 'The batch has no such row.', param: 'key' });
}

function cursorOf(n: number): string {
  return Buffer.from(String(n)).toString('base64url');
}

function parseCursor(text: string): number {
  const row = Buffer.from(text, 'base64url').toString();
  if (/^\d{1,9}$/.test(row)) return Number(row);
  throw new AppError('invalid_request', { message: 'after is not a cursor of this list.', param: 'after' });
}
