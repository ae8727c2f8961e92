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
  /** Everything that is stored, as text. */
  stored: () => Promise<string>;
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
    stored: async () => {
      const values = (await names()).map(async (key) =>
        key.endsWith('tenants') ? redis.smembers(key) : redis.hgetall(key),
      );
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

    expect(caller).toEqual({ keyId: expect.stringMatching(/^[0-9a-f]{16}$/), ...ACME });
    expect(await test.keys.authenticate(SECRET)).toEqual(caller);
    expect(await test.elsewhere().authenticate(SECRET)).toEqual(caller);
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
    expect(Buffer.from(keyId, 'hex')).not.toEqual(proofIn(await test.stored()).subarray(0, 8));
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
