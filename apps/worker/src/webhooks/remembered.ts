import type { LoggedEvent } from '@darkroom/shared/domain';
import type { EventLog } from '@darkroom/shared/ports';

const REMEMBERED_MAX = 5_000;

/** The same log, which remembers what was read last: what has just been fanned out is sent next. */
export function rememberEvents(log: EventLog): EventLog {
  const known = new Map<string, LoggedEvent>();
  return {
    ...log,
    read: async (tenant, from) => {
      const events = await log.read(tenant, from);
      for (const event of events) known.set(`${tenant} ${event.id}`, event);
      for (const oldest of known.keys()) {
        if (known.size <= REMEMBERED_MAX) break;
        known.delete(oldest);
      }
      return events;
    },
    find: async (tenant, id) => known.get(`${tenant} ${id}`) ?? log.find(tenant, id),
  };
}
