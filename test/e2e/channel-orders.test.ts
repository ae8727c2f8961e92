/** What an operator's word about channels does to jobs that wait for them: all processes. */

import { BREAKER_RULES } from '@darkroom/shared/domain';
import { createRedisBreakers } from '@darkroom/shared/storage/redis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { testRedisUrl } from '../support/redis.ts';
import { aBody, type System, startSystem } from '../support/system.ts';

const CHANNELS = ['a', 'b'];
const MODEL = 'gemini-3.1-flash-image';
/** A line that nobody opens is looked at again after a minute. */
const WOKEN_MS = 5_000;

let system: System;
beforeAll(async () => {
  system = await startSystem({
    redisUrl: testRedisUrl(),
    channels: { channels: CHANNELS.map((id) => ({ id })) },
  });
});
afterAll(async () => {
  await system?.[Symbol.asyncDispose]();
});

async function order(channel: string, word: string): Promise<void> {
  expect((await system.client.call('POST', `/v1/channels/${channel}/${word}`)).status).toBe(200);
}

/** Jobs that all show why they wait, though only the first of their line is ever looked at. */
async function waiting(): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < 3; n++) ids.push((await system.client.submit(aBody({ model: MODEL }))).body.id);
  const phases = async () => (await Promise.all(ids.map((id) => system.client.get(id)))).map(({ body }) => body.phase);
  await expect.poll(phases, { timeout: 10_000 }).toEqual(ids.map(() => 'backoff'));
  return ids;
}

async function ends(ids: string[]): Promise<Set<string>> {
  const jobs = await Promise.all(ids.map((id) => system.client.end(id, WOKEN_MS)));
  await system.assertInvariants();
  return new Set(jobs.map(({ status }) => status));
}

it('close wakes jobs that wait because calls failed', async () => {
  const breakers = createRedisBreakers({ ...system, rules: { coolDownMs: 60_000 } });
  for (const channel of CHANNELS) {
    for (let n = 0; n < BREAKER_RULES.faultsInARow; n++)
      await breakers.note({ channel, model: MODEL }, `att_${n}`, 'unavailable');
  }
  const ids = await waiting();

  await order('a', 'close');

  expect(await ends(ids)).toEqual(new Set(['succeeded']));
});

it.each(['close', 'resume'])('%s wakes jobs that wait because an operator holds the channels', async (word) => {
  for (const channel of CHANNELS) await order(channel, 'open');
  const ids = await waiting();
  const etas = (await Promise.all(ids.map((id) => system.client.get(id)))).map(({ body }) => body.queue?.eta);
  expect(etas, 'nobody knows when somebody lets them go').toEqual(ids.map(() => undefined));

  await order('b', word);

  expect(await ends(ids)).toEqual(new Set(['succeeded']));
});
