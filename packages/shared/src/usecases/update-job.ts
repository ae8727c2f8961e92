import type { Change, Job, JobId, Tenant } from '../domain/index.ts';
import type { Ledger } from '../ports/index.ts';

/** Writers of one job are few; losing this often in a row means something is broken. */
const TRIES = 20;

export type Updated = {
  /** The record as it stands now. */
  job: Job;
  /** Whether this call changed it. */
  changed: boolean;
  /** Twins wait for this end. */
  followers: boolean;
  /** It would have been changed, had its batch's `max_cost` had room for that. */
  poor?: true;
};

/**
 * Reads the job, decides, writes; reads and decides again when somebody else was faster.
 *
 * @returns `undefined` when there is no such record
 */
export async function updateJob(
  ledger: Ledger,
  tenant: Tenant,
  id: JobId,
  decide: (job: Job) => Change | undefined,
  condition?: { leaseOver: boolean },
): Promise<Updated | undefined> {
  for (let n = 0; n < TRIES; n++) {
    const job = await ledger.read(tenant, id);
    if (!job) return undefined;
    const change = decide(job);
    if (!change) return { job, changed: false, followers: false };
    const written = await ledger.write(change, condition);
    if (written.type === 'written') return { job: change.after, changed: true, followers: written.followers };
    if (written.type === 'poor') return { job, changed: false, followers: false, poor: true };
    if (condition) return { job, changed: false, followers: false };
  }
  throw new Error(`job ${id} changed ${TRIES} times while it was being written`);
}
