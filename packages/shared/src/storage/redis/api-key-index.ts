/**
 * Which API keys there are, newest first.
 *
 * One sorted set of `time:id`, all of one score, so that it is ordered by time and then by id. A member counts only
 * while the key's own record is there and tells the same time: whatever a crash or two programs that start at once
 * leave behind is passed over. Keys from before there was a list are found once, when somebody first asks.
 */

import type { Redis } from 'ioredis';
import { AppError } from '../../domain/index.ts';
import type { KeySpace } from './keys.ts';

const SCAN_STEP = 1_000;
const MEMBER = /^(\d{13}):([0-9a-f]{16})$/;

type Row = { id: string; stored: Record<string, string> };
type Space = Pick<KeySpace, 'apiKey' | 'apiKeys' | 'apiKeysComplete'>;

export function createKeyIndex(redis: Redis, space: Space) {
  // As many digits as an instant has; zeros for a key that does not know since when it is.
  const memberOf = (id: string, at: string | null | undefined) => `${(at ?? '').padStart(13, '0')}:${id}`;

  /** A key that never was is told from others by the form of its id alone: the pattern may match what is none. */
  const findEarlier = async () => {
    if (await redis.exists(space.apiKeysComplete)) return;
    const start = space.apiKey('');
    const match = `${start.replaceAll(/[*?[\]\\]/g, '\\$&')}*`;
    for await (const names of redis.scanStream({ match, count: SCAN_STEP }) as AsyncIterable<string[]>) {
      for (const id of names.map((name) => name.slice(start.length)).filter((name) => /^[0-9a-f]{16}$/.test(name))) {
        await redis.zadd(space.apiKeys, 0, memberOf(id, await redis.hget(space.apiKey(id), 'at')));
      }
    }
    await redis.set(space.apiKeysComplete, '1');
  };

  return {
    add: async (id: string, at: string | null): Promise<void> => {
      await redis.zadd(space.apiKeys, 0, memberOf(id, at));
    },
    remove: async (id: string, at: string | null): Promise<void> => {
      await redis.zrem(space.apiKeys, memberOf(id, at));
    },
    /** @throws AppError `invalid_request` for an `after` that no page gave */
    page: async (limit: number, after?: string): Promise<{ rows: Row[]; nextCursor?: string }> => {
      const from = after === undefined ? '+' : `(${memberIn(after)}`;
      await findEarlier();
      const members = await redis.zrevrangebylex(space.apiKeys, from, '-', 'LIMIT', 0, limit + 1);
      const shown = members.slice(0, limit);
      const rows = await Promise.all(
        shown.map(async (member) => {
          const id = MEMBER.exec(member)?.[2] ?? '';
          const stored = await redis.hgetall(space.apiKey(id));
          return memberOf(id, stored['at']) === member ? [{ id, stored }] : [];
        }),
      );
      const last = members.length > limit ? shown.at(-1) : undefined;
      return { rows: rows.flat(), ...(last && { nextCursor: Buffer.from(last).toString('base64url') }) };
    },
  };
}

function memberIn(cursor: string): string {
  const member = Buffer.from(cursor, 'base64url').toString();
  if (MEMBER.test(member)) return member;
  throw new AppError('invalid_request', {
    message: 'after is not a cursor of this list.',
    param: 'after',
    fix: 'Send the next_cursor of the page before, or leave after out for the first page.',
  });
}
