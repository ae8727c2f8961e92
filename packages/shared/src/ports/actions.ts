/** The records of actions, and the walk over the jobs that they are done to. Every method may be sent twice. */

import type { Action, ActionId, JobPosition } from '../domain/action.ts';
import type { EpochMs, Job, JobStatus, Tenant } from '../domain/job.ts';

export type ActionAdmission =
  | { type: 'created' }
  /** The same key with the same body was accepted before. Nothing was written. */
  | { type: 'replayed'; id: ActionId }
  /** The key was used before with another body. Nothing was written. */
  | { type: 'reused'; id: ActionId }
  /** Too many actions of the tenant are open. Nothing was written. */
  | { type: 'full' };

export type Actions = {
  accept(action: Action, idempotency?: { key: string; bodyHash: string }): Promise<ActionAdmission>;
  read(tenant: Tenant, id: ActionId): Promise<Action | undefined>;
  /** Puts the action in the place of the version before it. @returns false when somebody else was first */
  write(action: Action): Promise<boolean>;
  /** Newest first. */
  list(tenant: Tenant, query: { after?: { at: EpochMs; id: ActionId }; limit: number }): Promise<Action[]>;
  /** All of every tenant that are not over. */
  open(): Promise<{ tenant: Tenant; id: ActionId }[]>;
  /** Keeps others from the same action for at most `ms`; not what safety rests on. @returns `undefined` while somebody else is at it */
  hold(tenant: Tenant, id: ActionId, ms: number): Promise<AsyncDisposable | undefined>;
  /** Drops some of those whose time is over by `now`, and the oldest of too many. @returns how many */
  forget(tenant: Tenant, now: EpochMs): Promise<number>;
};

export type WalkRange = {
  /** As the indexes have it; the records may have moved on. */
  statuses: readonly JobStatus[];
  /** Accepted later than this. */
  createdAfter?: EpochMs;
  /** Accepted at this time or earlier. */
  createdUntil: EpochMs;
};

export type WalkQuery = WalkRange & {
  /** Start after this position. */
  after?: JobPosition;
  /** Most jobs passed in this step. */
  limit: number;
};

export type JobWalk = {
  /**
   * The next step from the newest job to the oldest, without rows of batches and without records that cannot be read. No
   * job is passed over because others left meanwhile.
   *
   * @returns `reached`: the last job that was passed; `undefined` = there are no more
   */
  next(tenant: Tenant, query: WalkQuery): Promise<{ jobs: Job[]; reached?: JobPosition }>;
  /** How many jobs the whole walk would meet. */
  count(tenant: Tenant, range: WalkRange): Promise<number>;
};
