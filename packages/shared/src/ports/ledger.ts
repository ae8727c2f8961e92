/** The job records: the truth about every job, attempt and dollar. */

import type { Change } from '../domain/change.ts';
import type { AttemptRef, EpochMs, Job, JobId, JobState, JobStatus, Tenant } from '../domain/job.ts';

/** How a submission relates to what is there already. */
export type AdmitMode =
  /**
   * As a job of its own; a twin or a cached result is reported instead of written.
   * `past` = a twin that will not do, whose place may be taken. `uncached` = no cached result will do.
   */
  | { type: 'lead'; past?: JobId; uncached?: true }
  /** As a follower of a twin that is still open. */
  | { type: 'join'; leader: JobId }
  /** With its result already in hand. */
  | { type: 'alone' };

export type Submission = {
  job: Job;
  /** Digest of the caller's body: the same id or idempotency key with another body is refused. */
  bodyHash: string;
  /** Digest of the `Idempotency-Key`, when one was sent. */
  idempotencyKey?: string;
  mode: AdmitMode;
};

/** A result that may be shared without a call. */
export type CachedResult = { id: JobId; at: EpochMs; state: Pick<JobState, 'images' | 'text' | 'grounding'> };

export type Admission =
  | { type: 'created' }
  /** Seen before: same key or id, same body. Nothing was written. */
  | { type: 'replayed'; id: JobId }
  /** Seen before with another body. Nothing was written. */
  | { type: 'reused'; id: JobId }
  /** A twin holds the fingerprint. Nothing was written. */
  | { type: 'twin'; id: JobId }
  | { type: 'cached'; result: CachedResult }
  /** The twin that was to be joined is over. Nothing was written. */
  | { type: 'gone' }
  /** Too many jobs wait. Nothing was written. */
  | { type: 'full' };

/**
 * `stale` = somebody else changed the record first, `poor` = its batch's `max_cost` has no room for it: nothing was written.
 * `followers` = twins wait for this end, or need not wait for a job that is held.
 */
export type Written = { type: 'written'; followers: boolean } | { type: 'stale' | 'poor' };

export type Wake = { id: JobId; version: number };

export type ListQuery = {
  status?: JobStatus;
  createdAfter?: EpochMs;
  createdBefore?: EpochMs;
  /** Start after this position. */
  after?: { at: EpochMs; id: JobId };
  limit: number;
};

/** Sums over all calls of a tenant. `calls` = settled + rejected + in doubt + open. Money in micro-dollars. */
export type Totals = {
  calls: number;
  settled: number;
  rejected: number;
  inDoubt: number;
  actualCost: number;
  inDoubtCost: number;
};

/**
 * Every method may be sent twice with the same effect as once.
 *
 * `write` is the only way a record changes after `admit`: it checks the version, so of two writers one wins and the
 * other reads again and decides again.
 */
export type Ledger = {
  admit(submission: Submission): Promise<Admission>;
  /** What an idempotency key was used for, when it was. */
  recall(tenant: Tenant, idempotencyKey: string): Promise<{ id: JobId; bodyHash: string } | undefined>;
  /** Notes what an idempotency key was used for beside a submission; the first use stays. */
  remember(tenant: Tenant, idempotencyKey: string, use: { id: JobId; bodyHash: string }): Promise<void>;
  /** @throws AppError `record_unreadable` when what lies there is no record that this version understands */
  read(tenant: Tenant, id: JobId): Promise<Job | undefined>;
  /** The job that twins of this fingerprint join or share with, while there is one. */
  twin(tenant: Tenant, fingerprint: string): Promise<JobId | undefined>;
  /** The digest of the body that made the job. */
  bodyHash(tenant: Tenant, id: JobId): Promise<string | undefined>;
  /** @param condition `leaseOver`: only if the lease of the open attempt has run out by the reaper's count */
  write(change: Change, condition?: { leaseOver: boolean }): Promise<Written>;
  /** Holds the lease for another full span; `lost` when the attempt is no longer the job's open one. */
  renew(ref: AttemptRef): Promise<'held' | 'lost'>;
  /** Newest first; without those that cannot be read, and without rows of batches: those are listed through their batch. */
  list(tenant: Tenant, query: ListQuery): Promise<Job[]>;
  /** How many of the tenant's queued jobs are older; `undefined` when the job is not queued, or is a batch's row. */
  position(tenant: Tenant, id: JobId): Promise<number | undefined>;
  totals(tenant: Tenant): Promise<Totals>;
  /** All jobs in Redis, rows of batches among them. */
  countByStatus(tenant: Tenant): Promise<Record<JobStatus, number>>;
  tenants(): Promise<Tenant[]>;
  /** Records that this process came across and could not read, and has not found mended since. */
  unreadable(): number;

  /** Notes that these versions have a message; each is looked at again after its `recheckAt`. */
  enqueued(tenant: Tenant, wakes: (Wake & { recheckAt: EpochMs })[]): Promise<void>;
  /** Queued versions whose message is due, or was due and may be lost. */
  dueWakes(tenant: Tenant, now: EpochMs, limit: number): Promise<Wake[]>;
  /** Queued versions that are due, or looked at again, after `after`: the latest first. */
  latestWakes(tenant: Tenant, after: EpochMs, limit: number): Promise<Wake[]>;
  /**
   * Since when the longest waiting job should have been running: not one that is held or parked, waits for a twin or
   * for its time. Looks at the thousand oldest queued jobs, and at no rows of batches: those may wait all night.
   */
  dueSince(tenant: Tenant, now: EpochMs): Promise<EpochMs | undefined>;
  dueDeadlines(tenant: Tenant, now: EpochMs, limit: number): Promise<JobId[]>;
  /** Moves the reaper's clock on, at most once per tick however many reapers call, and names the jobs whose lease is over. */
  overdueLeases(tenant: Tenant, limit: number): Promise<JobId[]>;
  /** Leaders that ended, or were held, while twins waited. */
  dueHandoffs(tenant: Tenant, limit: number): Promise<JobId[]>;
  followers(tenant: Tenant, leader: JobId, limit: number): Promise<JobId[]>;
  /** Follower `id` is done with `leader`; with `heir`, it now waits for that one. */
  unfollow(tenant: Tenant, leader: JobId, id: JobId, heir?: JobId): Promise<void>;
  handedOff(tenant: Tenant, leader: JobId): Promise<void>;
  /** Finished jobs whose tail is over. */
  dueRetention(tenant: Tenant, now: EpochMs, limit: number): Promise<JobId[]>;
  /** Looks at a finished job again only from `at` on; a later time that is set stays. */
  retainUntil(tenant: Tenant, id: JobId, at: EpochMs): Promise<void>;
  /** Drops a finished record that has been archived; leaves it when it changed since. */
  forget(job: Job): Promise<void>;
};
