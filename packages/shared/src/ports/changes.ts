/** News that a record has changed. Best effort: whoever waits also looks at the record now and then. */

import type { EventId, LoggedEvent } from '../domain/event.ts';
import type { Tenant } from '../domain/job.ts';

export type Changes = {
  /** Calls `listener` after each change of the job or batch; call the answer to stop. */
  watch(tenant: Tenant, id: string, listener: () => void): () => void;
  /** Calls `listener` after each change of any job or batch of the tenant; of one that is new, perhaps not. */
  watchAll(tenant: Tenant, listener: () => void): () => void;
  /** Recent events about one job or batch itself after the event `after`, oldest first; as far back as they are at hand. */
  eventsOf(tenant: Tenant, id: string, after?: EventId): Promise<LoggedEvent[]>;
};
