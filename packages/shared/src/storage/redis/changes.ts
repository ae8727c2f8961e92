import type { Redis } from 'ioredis';
import type { EventType } from '../../domain/index.ts';
import type { Changes, JobEvent } from '../../ports/index.ts';
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
  });
  await subscriber.subscribe(space.changes);

  return {
    watch: (tenant, id, listener) => {
      const name = `${tenant} ${id}`;
      const set = listeners.get(name) ?? new Set();
      listeners.set(name, set.add(listener));
      return () => {
        set.delete(listener);
        if (set.size === 0) listeners.delete(name);
      };
    },
    eventsOf: async (tenant, id, after) => {
      const found: JobEvent[] = [];
      for (let from = after ? `(${after}` : '-'; ; ) {
        const rows = await redis.xrange(space.of(tenant).events, from, '+', 'COUNT', STEP);
        found.push(...rows.flatMap((row) => parseEvent(row, id) ?? []));
        const last = rows.at(-1);
        if (rows.length < STEP || !last) return found;
        from = `(${last[0]}`;
      }
    },
  };
}

function parseEvent([id, fields]: [string, string[]], job: string): JobEvent | undefined {
  const [, type, , of] = fields;
  if (of !== job || !type) return undefined;
  return { id, type: type as EventType, at: Number(id.slice(0, id.indexOf('-'))), job };
}
