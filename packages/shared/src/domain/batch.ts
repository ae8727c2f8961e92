/** A batch: a named set of jobs that belongs to the caller. Its rows lie in input shards in the object store. */

import { hash } from 'node:crypto';
import type { OwnWebhook } from './endpoint.ts';
import type { BatchId, EpochMs, JobId, JobRequest, JobStatus, Lane, Micros, ProviderBatchId, Tenant } from './job.ts';

export const BATCH_STATUSES = [
  'ingesting',
  'queued',
  'running',
  'paused',
  'canceling',
  'completed',
  'canceled',
  'expired',
] as const;
/**
 * `ingesting` = accepted whole, its rows are becoming jobs and none of them has begun. `completed` = every job is
 * terminal, whatever its result.
 */
export type BatchStatus = (typeof BATCH_STATUSES)[number];

/** Jobs of a batch by status, and how many of them share another job's image. */
export type BatchCounts = Record<JobStatus, number> & { deduplicated: number };

/** Sums over the attempts of a batch's jobs, in micro-dollars. */
export type BatchCosts = { actual: Micros; inDoubt: Micros };

/** What the scripts that change a batch's jobs count. */
export type BatchTotals = {
  /** The chunks that carry or carried its rows, oldest first. */
  providerBatches: ProviderBatchId[];
  /** Of the newest job of each row. Rows that are not jobs yet are in none of them. @see shownCounts */
  counts: BatchCounts;
  costs: BatchCosts;
  /** What the open jobs are expected to cost. */
  openEstimated: Micros;
  /** Rows that became jobs in their turn, and the row behind the last one that ever was one. */
  enlisted: number;
  next: number;
  /** Jobs ever made: rises with each one, also with those made again. */
  made: number;
  /** Jobs that left the batch lane for the standard one, to be in time. */
  rescued: number;
};

/** What callers are told of a batch as a whole. */
export const BATCH_EVENT_TYPES = [
  'batch.started',
  'batch.progressed',
  'batch.completed',
  'batch.canceled',
  'batch.expired',
  'batch.rescued',
] as const;
export type BatchEventType = (typeof BATCH_EVENT_TYPES)[number];

export type SweepAction = 'cancel' | 'expire' | 'retry' | 'patch' | 'wake';

export type Batch = {
  id: BatchId;
  tenant: Tenant;
  /** 1 when accepted, one more with each change. */
  version: number;
  name?: string;
  status: BatchStatus;
  createdAt: EpochMs;
  startedAt?: EpochMs;
  completedAt?: EpochMs;
  expiresAt: EpochMs;
  /** Rows accepted, and rows left out because they were invalid (`on_invalid=skip`). */
  total: number;
  invalid: number;
  /** Rows an input shard has at most; shard `n` is `input-NNNNN.jsonl`. The last one may be shorter. */
  shards: { rows: number; bytes: number }[];
  estimated: Micros;
  maxCost?: Micros;
  priority: number;
  /** What the router chose for its rows, and why. */
  route: { lane: Lane; reason: string };
  /** Rows that have become jobs, in order of the shards: where the loader goes on. */
  loaded: number;
  /**
   * Rows that go ahead in the standard lane before the rest is paid for. `failed` counts those that brought no image.
   * `passed` also when there was no verdict in time, or the caller resumed the batch in spite of it.
   */
  canary?: { rows: number; state: 'running' | 'passed' | 'failed'; failed: number };
  /** What a bulk action over all rows has reached, for it to go on after a crash. */
  sweep?: { action: SweepAction; row: number };
  /** Rows made again: how often, so that a new job has a new id. */
  generation: number;
  /** Who paused it. Paused by `max_cost`, the jobs it has already go on; no more rows become jobs. */
  pausedBy?: 'caller' | 'canary' | 'max_cost';
  /** What its open jobs will cost is more than `max_cost` leaves, so that none of them may begin either. */
  overCap?: true;
  /** Rows that never became jobs, and what they are counted as since the batch ended. */
  dropped?: { status: 'canceled' | 'expired'; rows: number };
  /** Set by the caller since: goes before the rows' own. */
  patchedPriority?: number;
  /** Jobs whose leaving the batch lane was told. */
  rescued?: number;
  /** What was last told of its progress. */
  progress?: { at: EpochMs; done: number };
  metadata: Record<string, string>;
  tags: string[];
  /** Id of the key it was submitted with, where that key has limits of its own: so have the jobs of its rows. */
  key?: string;
  webhook?: OwnWebhook;
  /** W3C traceparent of its submission; absent when no trace was recorded. */
  trace?: string;
};

/** Nothing of it will change any more. */
export function isBatchOver(status: BatchStatus): boolean {
  return status === 'completed' || status === 'canceled' || status === 'expired';
}

/**
 * One line of an input shard: a row that was checked, its template rendered and its references at rest.
 *
 * `n` counts from 0 over the whole batch.
 */
export type BatchRow = {
  n: number;
  key: string;
  request: Omit<JobRequest, 'batch'>;
  fingerprint: string;
  estimated: Micros;
  warnings?: string[];
};

/** The job of a row, found without an index. `generation` counts how often the row was made again. */
export function rowJobId(batch: BatchId, key: string, generation: number): JobId {
  const digest = hash('sha256', `${batch} ${generation} ${key}`, 'hex');
  return `job_${batch.slice(4, 16)}7${digest.slice(0, 19)}`;
}
