import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { ApiKeys, Caller } from '../../ports/index.ts';
import type { Scope } from '../../schemas/index.ts';
import { keySpace } from './keys.ts';

/**
 * API keys, stored only as HMAC-SHA256 under the installation's secret.
 *
 * A key is found by 64 bits of an HMAC of its own, and proved by a constant-time comparison of another: ids are logged,
 * and without the secret neither they nor Redis are anything to try guessed keys on. Verified keys are remembered for a
 * second, in memory by their SHA-256, so a revoked one works no longer than that.
 */
export function createApiKeys(options: { redis: Redis; prefix?: string; pepper: Buffer; now: () => number }): ApiKeys {
  const { redis, prefix = '', pepper, now } = options;
  const space = keySpace(prefix);
  const verified = new Map<string, { caller: Caller; until: number }>();
  const nameOf = (secret: string) => hash('sha256', secret, 'hex');
  const mac = (use: 'id' | 'proof', secret: string) =>
    createHmac('sha256', pepper).update(`${use}\0${secret}`).digest();
  const idOf = (secret: string) => mac('id', secret).toString('hex', 0, 8);
  const proofOf = (secret: string) => mac('proof', secret);

  return {
    authenticate: async (secret) => {
      const name = nameOf(secret);
      const remembered = verified.get(name);
      if (remembered && remembered.until > now()) return remembered.caller;
      const proof = proofOf(secret);
      const keyId = idOf(secret);
      const stored = await redis.hgetall(space.apiKey(keyId));
      const known = Buffer.from(stored['proof'] ?? '', 'base64');
      const matches = timingSafeEqual(proof, known.length === proof.length ? known : Buffer.alloc(proof.length));
      if (!matches || !stored['tenant']) return undefined;
      const caller: Caller = {
        keyId,
        tenant: stored['tenant'],
        scopes: (stored['scopes'] ?? '').split(',') as Scope[],
      };
      if (verified.size > 10_000) verified.clear();
      verified.set(name, { caller, until: now() + 1_000 });
      return caller;
    },
    register: async (secret, { tenant, scopes }) => {
      const keyId = idOf(secret);
      const proof = proofOf(secret).toString('base64');
      await redis.sadd(space.tenants, tenant);
      await redis.hset(space.apiKey(keyId), { proof, tenant, scopes: scopes.join(',') });
      return { keyId, tenant, scopes };
    },
    revoke: async (keyId) => {
      await redis.del(space.apiKey(keyId));
    },
  };
}
