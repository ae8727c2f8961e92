import type { Redis } from 'ioredis';
import {
  type AlertNote,
  type EventId,
  eventId,
  eventPlace,
  type LoggedEvent,
  type LoggedType,
  type Tenant,
} from '../../domain/index.ts';
import type { RecentEvents } from '../../ports/index.ts';
import { keySpace } from './keys.ts';
import { loadScript } from './scripts.ts';

/** A row of a stream. */
type Row = [id: string, fields: string[]];

/** The streams that the scripts of jobs and batches write their events to. @see RecentEvents */
export function createRedisEvents({ redis, prefix = '' }: { redis: Redis; prefix?: string }): RecentEvents {
  const space = keySpace(prefix);
  const move = loadScript(redis, 'events-moved');
  // Both at one moment: what is moved between two looks would be in neither.
  const look = async (tenant: Tenant, command: 'xrange' | 'xrevrange', from: string, to: string, limit: number) => {
    const { events, archived } = space.of(tenant);
    const [rows, border] = (await redis.multi()[command](events, from, to, 'COUNT', limit).get(archived).exec()) ?? [];
    for (const [error] of [rows, border].flatMap((answer) => (answer ? [answer] : []))) if (error) throw error;
    const known = border?.[1];
    return {
      events: ((rows?.[1] ?? []) as Row[]).flatMap((row) => parseEvent(tenant, row) ?? []),
      ...(typeof known === 'string' && { border: eventId(tenant, parsePlace(known)) }),
    };
  };

  return {
    after: (tenant, after, limit) => look(tenant, 'xrange', after ? `(${placeOf(tenant, after)}` : '-', '+', limit),
    before: (tenant, before, limit) =>
      look(tenant, 'xrevrange', before ? `(${placeOf(tenant, before)}` : '+', '-', limit),
    size: (tenant) => redis.xlen(space.of(tenant).events),
    moved: async (tenant, upTo) => {
      const { events, archived } = space.of(tenant);
      const { ms, seq } = parsePlace(placeOf(tenant, upTo));
      await move([events, archived], [ms, seq]);
    },
  };
}

/**
 * A row as the scripts write it: `t` type, `j` job, `b` batch, `e` endpoint, `w` its job has a webhook; as JSON, `d` the
 * figure of an alert, `g` tags.
 */
export function parseEvent(tenant: Tenant, [place, values]: Row): LoggedEvent | undefined {
  const fields = new Map<string, string>();
  for (let i = 0; i + 1 < values.length; i += 2) fields.set(values[i] ?? '', values[i + 1] ?? '');
  const [type, job, batch, endpoint, note, tags] = ['t', 'j', 'b', 'e', 'd', 'g'].map((name) => fields.get(name));
  if (!type) return undefined;
  const { ms, seq } = parsePlace(place);
  return {
    id: eventId(tenant, { ms, seq }),
    type: type as LoggedType,
    at: ms,
    ...(job && { job }),
    ...(batch && { batch }),
    ...(endpoint && { endpoint }),
    ...(fields.has('w') && { hooked: true }),
    ...(note && { data: JSON.parse(note) as AlertNote }),
    tags: tags ? (JSON.parse(tags) as string[]) : [],
  };
}

/** `MS-SEQ`, as the stream has it. @throws RangeError when it is no id of this tenant's */
export function placeOf(tenant: Tenant, id: EventId): string {
  const place = eventPlace(tenant, id);
  if (!place) throw new RangeError(`not an event of this tenant: ${id}`);
  return `${place.ms}-${place.seq}`;
}

/** Undoes `placeOf`, for what the stream itself says. */
export function parsePlace(place: string): { ms: number; seq: number } {
  const at = place.indexOf('-');
  return { ms: Number(place.slice(0, at)), seq: Number(place.slice(at + 1)) };
}
