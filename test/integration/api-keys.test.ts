import { hash, randomBytes, randomUUID } from 'node:crypto';
import type { ApiKeys } from '@darkroom/shared/ports';
import { createApiKeys } from '@darkroom/shared/storage/redis';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { testRedisUrl } from '../support/redis.ts';

const SECRET = 'dk_0123456789abcdef0123456789abcdef';
const ACME = { tenant: 'acme', scopes: ['jobs:write', 'jobs:read'] } as const;

type TestKeys = AsyncDisposable & {
  keys: ApiKeys;
  /** Another process, perhaps with another pepper. */
  elsewhere: (pepper?: Buffer) => ApiKeys;
  advance: (ms: number) => void;
  redis: Redis;
  prefix: string;
  /** Everything that is stored, as text. */
  stored: () => Promise<string>;
};

const READERS: Record<string, (redis: Redis, key: string) => Promise<unknown>> = {
  string: (redis, key) => redis.get(key),
  set: (redis, key) => redis.smembers(key),
  zset: (redis, key) => redis.zrange(key, '0', '-1'),
  hash: (redis, key) => redis.hgetall(key),
};

async function openKeys(): Promise<TestKeys> {
  const redis = new Redis(testRedisUrl(), { lazyConnect: true });
  await redis.connect();
  const prefix = `test-${randomUUID().slice(0, 8)}:`;
  const pepper = randomBytes(32);
  let time = 1_000_000;
  const elsewhere = (other: Buffer = pepper) => createApiKeys({ redis, prefix, pepper: other, now: () => time });
  const names = () => redis.keys(`${prefix}*`);
  return {
    keys: elsewhere(),
    elsewhere,
    advance: (ms) => void (time += ms),
    redis,
    prefix,
    stored: async () => {
      const values = (await names()).map(async (key) => READERS[await redis.type(key)]?.(redis, key));
      return JSON.stringify([await names(), await Promise.all(values)]);
    },
    [Symbol.asyncDispose]: async () => {
      const keys = await names();
      if (keys.length) await redis.unlink(keys);
      redis.disconnect();
    },
  };
}

/** The proof of the first key that is stored. */
function proofIn(stored: string): Buffer {
  return Buffer.from(/"proof":"([^"]+)"/.exec(stored)?.[1] ?? '', 'base64');
}

describe('an API key', () => {
  it('is known to every process once it is registered, with tenant and scopes', async () => {
    await using test = await openKeys();

    const caller = await test.keys.register(SECRET, ACME);

    const { keyId } = caller;
    expect(caller).toEqual({ keyId: expect.stringMatching(/^key_[0-9a-f]{16}$/), ...ACME, createdAt: 1_000_000 });
    expect(await test.keys.authenticate(SECRET)).toEqual({ keyId, ...ACME });
    expect(await test.elsewhere().authenticate(SECRET)).toEqual({ keyId, ...ACME });
  });

  it('may be registered twice', async () => {
    await using test = await openKeys();
    const first = await test.keys.register(SECRET, ACME);
    const before = await test.stored();

    expect(await test.keys.register(SECRET, ACME)).toEqual(first);
    expect(await test.stored()).toBe(before);
  });

  it.each([
    '',
    'dk_',
    'dk_fedcba9876543210fedcba9876543210',
    `${SECRET}0`,
    SECRET.slice(0, -1),
    SECRET.toUpperCase(),
    ` ${SECRET}`,
  ])('is not %j', async (wrong) => {
    await using test = await openKeys();
    await test.keys.register(SECRET, ACME);

    expect(await test.keys.authenticate(wrong)).toBeUndefined();
  });

  it('means nothing under another pepper', async () => {
    await using test = await openKeys();
    await test.keys.register(SECRET, ACME);

    expect(await test.elsewhere(randomBytes(32)).authenticate(SECRET)).toBeUndefined();
  });

  it('is stored nowhere, nor anything that could be tried without the pepper', async () => {
    await using test = await openKeys();
    await test.keys.register(SECRET, ACME);

    expect(await test.stored()).not.toContain(SECRET);
    expect(await test.stored()).not.toContain(SECRET.slice(3));
    expect(await test.stored()).not.toContain(hash('sha256', SECRET, 'hex').slice(0, 16));
    expect(await test.stored()).toContain('acme');
  });

  it('has an id that tells nothing to whoever guesses keys without the pepper', async () => {
    await using test = await openKeys();

    const { keyId } = await test.keys.register(SECRET, ACME);
    const elsewhere = await test.elsewhere(randomBytes(32)).register(SECRET, ACME);

    expect(keyId).not.toBe(elsewhere.keyId);
    expect(Buffer.from(keyId.slice('key_'.length), 'hex')).not.toEqual(proofIn(await test.stored()).subarray(0, 8));
  });

  it('works for a second at most after it was revoked elsewhere', async () => {
    await using test = await openKeys();
    const { keyId } = await test.keys.register(SECRET, ACME);
    await test.keys.authenticate(SECRET);

    await test.elsewhere().revoke(keyId);
    await test.elsewhere().revoke(keyId);

    test.advance(1_000);
    expect(await test.keys.authenticate(SECRET)).toBeUndefined();
    expect(await test.elsewhere().authenticate(SECRET)).toBeUndefined();
  });

  it('belongs to one tenant among many', async () => {
    await using test = await openKeys();
    await test.keys.register(SECRET, ACME);
    await test.keys.register(`${SECRET}-2`, { tenant: 'globex', scopes: ['jobs:read'] });

    expect(await test.keys.authenticate(SECRET)).toMatchObject({ tenant: 'acme' });
    expect(await test.keys.authenticate(`${SECRET}-2`)).toMatchObject({ tenant: 'globex', scopes: ['jobs:read'] });
  });
});

describe('a key of an earlier time', () => {
  /** As keys were stored before their ids had a prefix and before there was a list of them. */
  const issueEarlier = async ({ keys, redis, prefix }: TestKeys): Promise<string> => {
    const { keyId } = await keys.register(SECRET, ACME);
    const id = keyId.slice('key_'.length);
    await redis.hdel(`${prefix}key:${id}`, 'at');
    await redis.del(`${prefix}keys`);
    return id;
  };

  it('goes on working, and is listed, last', async () => {
    await using test = await openKeys();
    const id = await issueEarlier(test);
    const { keyId } = await test.keys.register(`${SECRET}-2`, { tenant: 'globex', scopes: ['admin'] });

    expect(await test.keys.authenticate(SECRET)).toEqual({ keyId: `key_${id}`, ...ACME });
    expect(await test.keys.list({ limit: 10 })).toEqual({
      keys: [
        { keyId, tenant: 'globex', scopes: ['admin'], createdAt: 1_000_000 },
        { keyId: `key_${id}`, ...ACME },
      ],
    });
  });

  it('may be registered again, and stays one', async () => {
    await using test = await openKeys();
    await issueEarlier(test);
    await test.keys.list({ limit: 10 });

    await test.keys.register(SECRET, ACME);

    expect((await test.keys.list({ limit: 10 })).keys).toHaveLength(1);
  });

  it('is revoked by its id with or without the prefix', async () => {
    await using test = await openKeys();
    for (const idOf of [(id: string) => id, (id: string) => `key_${id}`]) {
      const id = await issueEarlier(test);

      await test.keys.revoke(idOf(id));

      expect(await test.elsewhere().authenticate(SECRET)).toBeUndefined();
      expect(await test.keys.list({ limit: 10 })).toEqual({ keys: [] });
    }
  });
});

describe('the list of keys', () => {
  it('is paged, newest first, and skips and repeats nothing', async () => {
    await using test = await openKeys();
    const made: string[] = [];
    for (let n = 0; n < 8; n++) {
      if (n % 2) test.advance(1);
      made.push((await test.keys.register(`${SECRET}-${n}`, ACME)).keyId);
    }
    const seen: string[] = [];
    let after: string | undefined;

    do {
      const page = await test.keys.list({ limit: 3, ...(after && { after }) });
      seen.push(...page.keys.map(({ keyId }) => keyId));
      after = page.nextCursor;
    } while (after);

    expect(seen.toSorted()).toEqual(made.toSorted());
    expect(seen.at(0)).toBe(made.at(-1));
  });

  it('passes over what a crash or two programs that start at once leave behind', async () => {
    await using test = await openKeys();
    const { keyId } = await test.keys.register(SECRET, ACME);
    const id = keyId.slice('key_'.length);

    await test.redis.zadd(`${test.prefix}keys`, 0, `0000000999999:${id}`, 0, `0000000000001:${'0'.repeat(16)}`);

    expect((await test.keys.list({ limit: 10 })).keys.map((key) => key.keyId)).toEqual([keyId]);
  });

  it.each(['', 'x', Buffer.from('nonsense').toString('base64url'), 'key_0123456789abcdef'])(
    'refuses %j as a cursor',
    async (after) => {
      await using test = await openKeys();

      await expect(test.keys.list({ limit: 1, after })).rejects.toMatchObject({
        code: 'invalid_request',
        param: 'after',
      });
    },
  );
});

describe('a familiar key', () => {
  it('was good when it last called here', async () => {
    await using test = await openKeys();
    const { keyId } = await test.keys.register(SECRET, ACME);
    expect(test.keys.isFamiliar(SECRET)).toBe(false);
    await test.keys.authenticate(SECRET);

    test.advance(3_600_000);
    expect([test.keys.isFamiliar(SECRET), test.keys.isFamiliar(`${SECRET}x`)]).toEqual([true, false]);
    expect(test.elsewhere().isFamiliar(SECRET)).toBe(false);
    await test.keys.revoke(keyId);
    await test.keys.authenticate(SECRET);
    expect(test.keys.isFamiliar(SECRET)).toBe(false);
  });
});
