/** News that a record has changed. Best effort: whoever waits also looks at the record now and then. */

import type { EventType } from '../domain/change.ts';
import type { EpochMs, JobId, Tenant } from '../domain/job.ts';

export type JobEvent = { id: string; type: EventType; at: EpochMs; job: JobId };

export type Changes = {
  /** Calls `listener` after each change of the job; call the answer to stop. */
  watch(tenant: Tenant, id: JobId, listener: () => void): () => void;
  /** Events of one job after the event `after`, oldest first; as far back as they are kept. */
  eventsOf(tenant: Tenant, id: JobId, after?: string): Promise<JobEvent[]>;
};
