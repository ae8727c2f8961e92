import type { Redis } from 'ioredis';
import type { LoggedEvent } from '../../domain/index.ts';
import type { Changes } from '../../ports/index.ts';
import { parseEvent, placeOf } from './events.ts';
import { keySpace } from './keys.ts';

/** Events read in one step. */
const STEP = 500;

/**
 * News of records over one subscription for the whole process.
 *
 * @param subscriber a connection of its own: one that is subscribed can send nothing else
 */
export async function createRedisChanges(options: {
  redis: Redis;
  subscriber: Redis;
  prefix?: string;
}): Promise<Changes> {
  const { redis, subscriber, prefix = '' } = options;
  const space = keySpace(prefix);
  const listeners = new Map<string, Set<() => void>>();
  subscriber.on('message', (_channel: string, message: string) => {
    for (const listener of listeners.get(message) ?? []) listener();
    for (const listener of listeners.get(message.slice(0, message.indexOf(' '))) ?? []) listener();
  });
  const listen = (name: string, listener: () => void) => {
    const set = listeners.get(name) ?? new Set();
    listeners.set(name, set.add(listener));
    return () => {
      set.delete(listener);
      if (set.size === 0) listeners.delete(name);
    };
  };
  await subscriber.subscribe(space.changes);

  return {
    watch: (tenant, id, listener) => listen(`${tenant} ${id}`, listener),
    watchAll: (tenant, listener) => listen(tenant, listener),
    eventsOf: async (tenant, id, after) => {
      const found: LoggedEvent[] = [];
      for (let from = after ? `(${placeOf(tenant, after)}` : '-'; ; ) {
        const rows = await redis.xrange(space.of(tenant).events, from, '+', 'COUNT', STEP);
        found.push(...rows.flatMap((row) => eventOf(tenant, row, id) ?? []));
        const last = rows.at(-1);
        if (rows.length < STEP || !last) return found;
        from = `(${last[0]}`;
      }
    },
  };
}

/** Most rows are about others: those are not read any further. */
function eventOf(tenant: string, row: [string, string[]], about: string): LoggedEvent | undefined {
  const [, , , of] = row[1];
  return of === about ? parseEvent(tenant, row) : undefined;
}
