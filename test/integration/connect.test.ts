import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { openBlockingRedis, openPatientRedis } from '@darkroom/shared/storage/redis';
import { describe, expect, it } from 'vitest';
import { testRedisUrl } from '../support/redis.ts';

const SILENCE_MS = 150;

/** A TCP proxy before Redis whose connections can be made to swallow everything, without a reset. */
async function startProxy() {
  const target = new URL(testRedisUrl());
  const pairs: [Socket, Socket][] = [];
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    client.pipe(upstream).pipe(client);
    for (const socket of [client, upstream]) socket.on('error', () => {});
    pairs.push([client, upstream]);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(target);
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: url.href,
    /** Connections so far. */
    count: () => pairs.length,
    /** The connections there are go on being open, and carry nothing any more. */
    swallow: () => {
      for (const [client, upstream] of pairs) {
        client.unpipe(upstream).resume();
        upstream.unpipe(client).resume();
      }
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of pairs.flat()) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe('a connection that went dead without a word', () => {
  it('is replaced, and its commands are sent again', async () => {
    await using proxy = await startProxy();
    const redis = openPatientRedis(proxy.url, { silenceMs: SILENCE_MS });
    await redis.ping();
    proxy.swallow();

    const [first, second] = await Promise.all([redis.echo('a'), redis.echo('b')]);

    expect([first, second, proxy.count()]).toEqual(['a', 'b', 2]);
    redis.disconnect();
  });

  it('is not suspected while nothing is asked', async () => {
    await using proxy = await startProxy();
    const redis = openPatientRedis(proxy.url, { silenceMs: 20 });
    const other = openPatientRedis(proxy.url, { silenceMs: 60_000 });
    await redis.ping();

    await other.blpop('connect-test-nothing', 0.2); // Ten times the silence.

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
