import { expect, it } from 'vitest';
import { startProxy } from '../support/proxy.ts';
import { testRedisUrl } from '../support/redis.ts';
import { aBody, startSystem } from '../support/system.ts';

it('a worker that hears of no messages any more ends itself, and the next one goes on', async () => {
  await using system = await startSystem({ redisUrl: testRedisUrl(), workers: 0 });
  await using proxy = await startProxy(testRedisUrl());
  const { client } = system;
  const worker = system.addWorker({ REDIS_URL: proxy.url, STUCK_AFTER: '3' });
  await worker.start();
  await client.end((await client.submit(aBody())).body.id);

  // A path that carries the connections it knows and drops new ones without a word: every look at the queue shows
  // messages, and the reads that wait for them never return.
  proxy.swallowAsking('bzpopmin');
  const gone = worker.exited();
  let id = '';
  let taken = true;
  while (taken) {
    await system.idle(); // Who has just ended one message takes the next without a read that waits.
    id = (await client.submit(aBody())).body.id;
    taken = await Promise.race([gone.then(() => false), client.end(id).then(() => true)]);
  }

  expect(await gone).toEqual({ code: 1, signal: null });
  expect(worker.lines.map(({ event }) => event)).toEqual(expect.arrayContaining(['worker.stuck', 'worker.stopping']));
  expect((await client.get(id)).body).toMatchObject({ status: 'queued', attempts: [] });
  await worker.start({ REDIS_URL: testRedisUrl() });
  expect(await client.end(id)).toMatchObject({ status: 'succeeded', attempts: [{ state: 'settled' }] });
  await system.assertInvariants();
}, 180_000);
