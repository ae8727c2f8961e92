import { randomUUID } from 'node:crypto';
import type { Change, Job } from '@darkroom/shared/domain';
import type { AdmitMode, Ledger } from '@darkroom/shared/ports';
import { createRedisLedger, type LedgerOptions } from '@darkroom/shared/storage/redis';
import { aJob, type JobOverrides } from '@darkroom/shared/testing/factories';
import { Redis } from 'ioredis';
import { testRedisUrl } from './redis.ts';

/** The tenant all tests here work for. */
export const TENANT = 'default';

/** A ledger under a key prefix of its own, and a look behind it. */
export type TestLedger = AsyncDisposable & {
  redis: Redis;
  prefix: string;
  ledger: Ledger;
  /** The name of a key of the tenant. */
  key: (name: string) => string;
  /** Every key with its value and the moment it expires. */
  dump: () => Promise<Record<string, unknown>>;
  /** Sends the last script again, byte for byte, as a connection does whose reply was lost. @returns both replies */
  resend: () => Promise<{ first: unknown; second: unknown }>;
  /** Admits a job as it comes from the factory, under `id`. */
  admit: (id: string, overrides?: JobOverrides, mode?: AdmitMode) => Promise<Job>;
  /** Writes a change that must succeed. @returns the job after it */
  write: (change?: Change) => Promise<Job>;
  /** The record as it stands. */
  read: (id: string) => Promise<Job>;
};

/** Opens a ledger on the shared Redis, or another one; its keys are gone when it is disposed of. */
export async function openTestLedger({
  redisUrl = testRedisUrl(),
  ...options
}: Omit<LedgerOptions, 'redis' | 'prefix'> & { redisUrl?: string } = {}): Promise<TestLedger> {
  const redis = new Redis(redisUrl, { lazyConnect: true });
  await redis.connect();
  const prefix = `test-${randomUUID().slice(0, 8)}:`;
  const sent = recordScripts(redis);
  const ledger = createRedisLedger({ redis, prefix, ...options });
  const read = async (id: string) => {
    const job = await ledger.read(TENANT, id);
    if (!job) throw new Error(`no record of ${id}`);
    return job;
  };
  return {
    redis,
    prefix,
    ledger,
    read,
    key: (name) => `${prefix}{t:${TENANT}}:${name}`,
    dump: () => dump(redis, prefix),
    resend: async () => {
      const last = sent.at(-1);
      if (!last) throw new Error('no script was sent yet');
      return { first: await last.reply, second: await redis.call(last.name, ...last.args) };
    },
    admit: async (id, overrides = {}, mode = { type: 'lead' }) => {
      const job = aJob({ id, fingerprint: `fp-${id}`, ...overrides });
      const admission = await ledger.admit({ job, bodyHash: 'body', mode });
      if (admission.type !== 'created') throw new Error(`${id} was ${admission.type}`);
      return job;
    },
    write: async (change) => {
      if (!change) throw new Error('nothing to write');
      const written = await ledger.write(change);
      if (written.type !== 'written') throw new Error(`${change.after.id} was ${written.type}`);
      return change.after;
    },
    [Symbol.asyncDispose]: async () => {
      const keys = await keysOf(redis, prefix);
      if (keys.length) await redis.unlink(keys);
      redis.disconnect();
    },
  };
}

type Sent = { name: string; args: (string | Buffer)[]; reply: Promise<unknown> };

/** Notes every script that goes over the connection, with its reply. */
function recordScripts(redis: Redis): Sent[] {
  const sent: Sent[] = [];
  const send = redis.sendCommand.bind(redis);
  redis.sendCommand = (command, stream) => {
    const reply = send(command, stream);
    if (command.name === 'evalsha' || command.name === 'eval') {
      sent.push({ name: command.name, args: command.args as (string | Buffer)[], reply: command.promise });
    }
    return reply;
  };
  return sent;
}

async function keysOf(redis: Redis, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const page of redis.scanStream({ match: `${prefix}*`, count: 1_000 })) keys.push(...(page as string[]));
  return [...new Set(keys)].toSorted();
}

async function dump(redis: Redis, prefix: string): Promise<Record<string, unknown>> {
  const all: Record<string, unknown> = {};
  for (const key of await keysOf(redis, prefix)) {
    const expiresAt = await redis.pexpiretime(key);
    all[key.slice(prefix.length)] = { value: await valueOf(redis, key), expiresAt };
  }
  return all;
}

async function valueOf(redis: Redis, key: string): Promise<unknown> {
  const type = await redis.type(key);
  switch (type) {
    case 'string':
      return redis.get(key);
    case 'hash':
      return redis.hgetall(key);
    case 'set':
      return (await redis.smembers(key)).toSorted();
    case 'list':
      return redis.lrange(key, 0, -1);
    case 'zset':
      return redis.zrange(key, '0', '-1', 'WITHSCORES');
    case 'stream':
      return redis.xrange(key, '-', '+');
    default:
      throw new Error(`${key} is a ${type}`);
  }
}
