import { openBlockingRedis, openPatientRedis } from '@darkroom/shared/storage/redis';
import { describe, expect, it } from 'vitest';
import { startProxy } from '../support/proxy.ts';
import { testRedisUrl } from '../support/redis.ts';

const SILENCE_MS = 150;

describe('a connection that went dead without a word', () => {
  it('is replaced, and its commands are sent again', async () => {
    await using proxy = await startProxy(testRedisUrl());
    const redis = openPatientRedis(proxy.url, { silenceMs: SILENCE_MS });
    await redis.ping();
    proxy.swallow();

    const [first, second] = await Promise.all([redis.echo('a'), redis.echo('b')]);

    expect([first, second, proxy.count()]).toEqual(['a', 'b', 2]);
    redis.disconnect();
  });

  it('is not suspected while nothing is asked', async () => {
    await using proxy = await startProxy(testRedisUrl());
    const redis = openPatientRedis(proxy.url, { silenceMs: SILENCE_MS });
    const other = openPatientRedis(proxy.url, { silenceMs: 60_000 });
    await redis.ping();

    await other.blpop('connect-test-nothing', 5 * (SILENCE_MS / 1_000));

    expect(await redis.ping()).toBe('PONG');
    expect(proxy.count()).toBe(2);
    for (const client of [redis, other]) client.disconnect();
  });
});

describe('a connection for blocking reads', () => {
  it('may be silent for as long as it reads', () => {
    const blocking = openBlockingRedis(testRedisUrl());
    const patient = openPatientRedis(testRedisUrl());

    expect(blocking.options.socketTimeout).toBeUndefined();
    expect(patient.options.socketTimeout).toBe(20_000);
  });
});
