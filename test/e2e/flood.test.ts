/** A tenant whose prompts the model answers with words, and another who comes meanwhile: all processes, two accounts. */

import { createRedisBreakers } from '@darkroom/shared/storage/redis';
import { expect, it } from 'vitest';
import { testRedisUrl } from '../support/redis.ts';
import { aBody, startSystem } from '../support/system.ts';

const COOL_DOWN_MS = 10_000;
const FLOOD = 14;

it('a flood of prompts without an image keeps nobody else waiting for a cool-down', async () => {
  await using system = await startSystem({
    redisUrl: testRedisUrl(),
    workerEnv: { BREAKER_COOL_DOWN_MS: String(COOL_DOWN_MS) },
    channels: { channels: [{ id: 'a' }, { id: 'b' }] },
  });
  system.emulator.control.putFaults([{ match: { promptIncludes: 'words' }, fault: { kind: 'no_image' } }]);
  const [acme, honest] = [await system.clientOf('acme'), await system.clientOf('honest')];
  const flood = async (round: string) => {
    for (let n = 0; n < FLOOD; n++) await acme.submit(aBody({ prompt: `nothing but words ${round} ${n}` }));
  };
  const run = async (prompt: string) => {
    const { body } = await honest.submit(aBody({ prompt }));
    return honest.end(body.id, 2 * COOL_DOWN_MS);
  };
  const breakers = createRedisBreakers(system);
  const model = 'gemini-3.1-flash-image';
  const standings = () => breakers.stand(['a', 'b'].map((channel) => ({ channel, model })));

  await flood('first');
  await expect.poll(async () => (await standings()).every(({ breaker }) => breaker !== 'closed')).toBe(true);
  const began = performance.now();
  const late = await Promise.all([1, 2, 3, 4, 5].map((n) => run(`a mug ${n}`)));
  const lateMs = performance.now() - began;
  await flood('second');
  const amid = await Promise.all([6, 7, 8].map((n) => run(`a mug ${n}`)));

  expect([...late, ...amid].map(({ status, attempts }) => [status, attempts.length])).toEqual(
    Array.from({ length: 8 }, () => ['succeeded', 1]),
  );
  expect(lateMs).toBeLessThan(COOL_DOWN_MS);
  expect((await standings()).some(({ breaker }) => breaker === 'closed')).toBe(true);
  await system.assertInvariants();
});
