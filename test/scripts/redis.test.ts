import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { isAlive } from '../../scripts/lib/running.mjs';
import { bringRedis } from '../../scripts/redis.mjs';
import { startPrivateRedis, testRedisUrl } from '../support/redis.ts';

const SCRIPTS = join(import.meta.dirname, '../../scripts');

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'darkroom-bring-'));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

async function ask<T>(url: string, question: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, { maxRetriesPerRequest: 1 });
  redis.on('error', () => undefined); // the question itself fails, and says why
  try {
    return await question(redis);
  } finally {
    redis.disconnect();
  }
}

/** Brings a Redis in another process, which is killed as soon as the server answers. */
async function bringAndDie(orphanMs: number): Promise<{ url: string; pid: number }> {
  const script = `
    const { bringRedis } = await import(${JSON.stringify(join(SCRIPTS, 'redis.mjs'))});
    const { cacheFolder } = await import(${JSON.stringify(join(SCRIPTS, 'lib/files.mjs'))});
    const [dataDir, orphanMs] = [${JSON.stringify(dataDir)}, ${orphanMs}];
    const redis = await bringRedis({ dataDir, orphanMs, cacheDir: await cacheFolder(process.env) });
    console.log(JSON.stringify({ url: redis.url, pid: redis.own.pid }));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
  return JSON.parse(String(line));
}

describe('a private Redis', () => {
  it('runs with every write on disk before it is answered, and never evicts', async () => {
    const [fsync, aof, policy, memory] = await ask(testRedisUrl(), (redis) =>
      Promise.all(
        ['appendfsync', 'appendonly', 'maxmemory-policy', 'maxmemory'].map((name) => redis.config('GET', name)),
      ),
    );

    expect([fsync, aof, policy]).toEqual([
      ['appendfsync', 'always'],
      ['appendonly', 'yes'],
      ['maxmemory-policy', 'noeviction'],
    ]);
    expect(Number(memory?.[1])).toBeGreaterThan(0);
  });

  it('is closed to whoever does not know the password of its data folder', async () => {
    const url = new URL(testRedisUrl());
    url.password = '';

    await expect(ask(url.href, (redis) => redis.get('anything'))).rejects.toThrow(/NOAUTH/);
  });

  it('finds what it had answered, at the same address, after it was killed and started again', async () => {
    await using redis = await startPrivateRedis({ dataDir });
    await ask(redis.url, (client) => client.set('kept', 'yes'));

    await redis.kill();
    expect(await redis.exited).toContain('SIGKILL');
    await redis.restart();

    expect(await ask(redis.url, (client) => client.get('kept'))).toBe('yes');
  });

  it('is taken over, data and all, by the start that follows a killed launcher', async () => {
    const orphan = await bringAndDie(60_000);
    await ask(orphan.url, (client) => client.set('kept', 'yes'));

    await using redis = await startPrivateRedis({ dataDir });

    expect({ url: redis.url, pid: redis.pid }).toEqual(orphan);
    expect(await ask(redis.url, (client) => client.get('kept'))).toBe('yes');
    await redis.kill();
    await redis.restart();
    expect(redis.pid).not.toBe(orphan.pid);
    expect(await ask(redis.url, (client) => client.get('kept'))).toBe('yes');
  });

  it('does not outlive a killed launcher for ever, and is found again on disk', async () => {
    const orphan = await bringAndDie(0);
    await vi.waitFor(() => expect(isAlive(orphan.pid)).toBe(false), { timeout: 5_000, interval: 20 });

    await using redis = await startPrivateRedis({ dataDir });

    expect(redis.url).toBe(orphan.url);
  });

  it('replaces a server of the last start that hangs', async () => {
    const orphan = await bringAndDie(60_000);
    await ask(orphan.url, (client) => client.set('kept', 'yes'));
    process.kill(orphan.pid, 'SIGSTOP');

    await using redis = await startPrivateRedis({ dataDir });

    expect(redis.pid).not.toBe(orphan.pid);
    expect(await ask(redis.url, (client) => client.get('kept'))).toBe('yes');
  });
});

describe('a given Redis', () => {
  const given = { dataDir: '', cacheDir: '' };

  it('is used as it is and left alone at the end, with a warning when it could lose jobs', async () => {
    await using server = await startPrivateRedis();
    await ask(server.url, (client) => client.config('SET', 'maxmemory-policy', 'allkeys-lru'));
    const said: string[] = [];

    const redis = await bringRedis({ ...given, url: server.url, say: (line) => said.push(line) });
    await redis.stop();

    expect(redis.url).toBe(server.url);
    expect(said).toEqual([expect.stringContaining('maxmemory-policy is allkeys-lru')]);
    expect(await ask(server.url, (client) => client.ping())).toBe('PONG');
  });

  it('is named when it does not answer', async () => {
    const server = await startPrivateRedis();
    await server.stop();

    await expect(bringRedis({ ...given, url: server.url })).rejects.toThrow(
      /REDIS_URL: no Redis answers at 127\.0\.0\.1:\d+ .*unset REDIS_URL/,
    );
  });

  it('is refused without showing its password when the password is wrong', async () => {
    const url = testRedisUrl().replace(/:[^:@]+@/, ':wrong-password@');

    const refusal = await bringRedis({ ...given, url }).catch((error: Error) => error.message);

    expect(refusal).toContain('WRONGPASS');
    expect(refusal).not.toContain('wrong-password');
  });
});
