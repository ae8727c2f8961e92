/** News that a record has changed. Best effort: whoever waits also looks at the record now and then. */

import type { BatchEventType } from '../domain/batch.ts';
import type { EventType } from '../domain/change.ts';
import type { EpochMs, Tenant } from '../domain/job.ts';

/** `job` is the id of the job or batch that it is about. */
export type JobEvent = { id: string; type: EventType | BatchEventType; at: EpochMs; job: string };

export type Changes = {
  /** Calls `listener` after each change of the job or batch; call the answer to stop. */
  watch(tenant: Tenant, id: string, listener: () => void): () => void;
  /** Events of one job or batch after the event `after`, oldest first; as far back as they are kept. */
  eventsOf(tenant: Tenant, id: string, after?: string): Promise<JobEvent[]>;
};
