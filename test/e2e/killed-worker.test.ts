/** Messages only ring: those in the hands of a worker that was killed hold nobody up, however long its lock on them is. */

import { expect, it } from 'vitest';
import { testRedisUrl } from '../support/redis.ts';
import { aBody, type System, startSystem } from '../support/system.ts';

const MODEL = 'gemini-3.1-flash-image';
/** Far longer than the test may take. */
const LOCK = '3600';
const PATIENCE_MS = 45_000;

/** One call at a time, which does not end before it is let go. */
const startBound = (workers: number) =>
  startSystem({
    redisUrl: testRedisUrl(),
    workers,
    workerEnv: { MESSAGE_LOCK: LOCK },
    channels: { channels: [{ id: 'a' }], tenants: { default: { concurrency: 1 } } },
    emulator: { settings: { hold: true } },
  });

/** Submits so many jobs. Resolves when one of them is with the provider, and the workers have the messages of all in hand. */
async function submitBound({ client, redis, prefix, emulator }: System, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n++) ids.push((await client.submit(aBody({ model: MODEL }))).body.id);
  const queue = `standard-${MODEL}`;
  const inHand = () => redis.llen(`${prefix}{q:${queue}}:${queue}:active`);
  await expect.poll(inHand, { timeout: 10_000 }).toBe(count);
  const held = () => emulator.control.journal().entries.filter((entry) => entry.held).length;
  await expect.poll(held, { timeout: 10_000 }).toBe(1);
  return ids;
}

/** From now on calls end by themselves. */
function letGo({ emulator }: System): void {
  emulator.control.patchSettings({ hold: false });
  emulator.control.release();
}

const endAll = ({ client }: System, ids: string[]) => Promise.all(ids.map((id) => client.end(id, PATIENCE_MS)));

it('who starts anew serves the jobs whose messages the killed one had in hand', async () => {
  await using system = await startBound(1);
  const ids = await submitBound(system, 3);

  await system.workers[0]?.kill();
  letGo(system);
  await system.workers[0]?.start();

  expect((await endAll(system, ids)).map(({ status }) => status)).toEqual(ids.map(() => 'succeeded'));
  await system.assertInvariants();
});

it('who lives on serves the jobs whose messages the killed one had in hand', async () => {
  await using system = await startBound(2);
  const ids = await submitBound(system, 16);

  await system.workers[0]?.kill();
  letGo(system);

  expect((await endAll(system, ids)).map(({ status }) => status)).toEqual(ids.map(() => 'succeeded'));
  await system.assertInvariants();
});
