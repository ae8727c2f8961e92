/** Actions by workers as they run in production, one of them killed in the middle. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { ActionView } from '@darkroom/shared/schemas';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { testRedisUrl } from '../support/redis.ts';
import { aBody, type System, startSystem } from '../support/system.ts';

const JOBS = 700;
/** Nobody runs the jobs: what becomes of them is the action's doing. */
const SWEEPER = { WORKER_ROLES: 'sweeper' };

let system: System;
beforeEach(async () => {
  system = await startSystem({ redisUrl: testRedisUrl(), workers: 0 });
});
afterEach(() => system?.[Symbol.asyncDispose]());

async function view(id: string): Promise<ActionView> {
  return (await system.client.call<ActionView>('GET', `/v1/actions/${id}`)).body;
}

async function until(id: string, claim: (action: ActionView) => boolean): Promise<ActionView> {
  for (;;) {
    const action = await view(id);
    if (claim(action)) return action;
    await sleep(5);
  }
}

it('goes on where it was when its worker is killed', { timeout: 60_000 }, async () => {
  const { client, redis, prefix } = system;
  const ids: string[] = [];
  for (let n = 0; n < JOBS; n += 50)
    ids.push(...(await Promise.all(Array.from({ length: 50 }, async () => (await client.submit(aBody())).body.id))));
  const body = { action: 'cancel', filter: { status: 'queued' } };
  const { id } = (await client.call<ActionView>('POST', '/v1/actions', { body })).body;
  const first = system.addWorker(SWEEPER);
  await first.start();

  await until(id, ({ counts }) => counts.matched > 0);
  await first.kill();
  const { status, counts } = await view(id);
  // As if the half minute had passed after which it is taken over.
  await redis.del(`${prefix}{t:default}:action:${id}:hold`);
  const second = system.addWorker(SWEEPER);
  await second.start();

  const done = await until(id, (action) => action.completed_at !== undefined);
  expect([status, counts.done < JOBS]).toEqual(['running', true]);
  expect(done).toMatchObject({ status: 'done', counts: { matched: JOBS, done: JOBS, skipped: 0, failed: 0 } });
  for (const one of ids.filter((_, n) => n % 50 === 0)) expect((await client.get(one)).body.status).toBe('canceled');
  await second.line(({ event, action }) => event === 'action.ended' && action === id);
});
