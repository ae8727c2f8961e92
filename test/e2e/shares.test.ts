/** Who is served when more is asked than can be had: tenants by weight, and none above its bounds. */

import { expect, it } from 'vitest';
import { testRedisUrl } from '../support/redis.ts';
import { aBody, type System, startSystem } from '../support/system.ts';

const SLOTS = 4;

it('serves tenants by weight, and keeps each within the calls it may have at once', async () => {
  await using system = await startSystem({
    redisUrl: testRedisUrl(),
    workers: 0,
    workerEnv: { WORKER_CONCURRENCY: String(SLOTS) },
    channels: {
      channels: [{ id: 'a' }],
      tenants: { heavy: { weight: 3 }, light: { weight: 1 }, bound: { weight: 100, concurrency: 1 } },
    },
    emulator: { settings: { hold: true } },
  });
  for (const tenant of ['heavy', 'light', 'bound']) {
    const client = await system.clientOf(tenant);
    for (let n = 0; n < 12; n++) await client.submit({ ...aBody(), prompt: `${tenant} ${n}` });
  }
  const { control } = system.emulator;
  await system.addWorker().start();

  const begun: string[] = [];
  while (begun.length < 20) {
    await untilHeld(system);
    const held = heldBy(system);
    expect(held.filter((tenant) => tenant === 'bound').length).toBeLessThanOrEqual(1);
    const fresh = calls(system).slice(begun.length);
    begun.push(...fresh);
    control.release(SLOTS);
  }
  control.patchSettings({ hold: false });
  control.release();

  const of = (name: string) => begun.filter((tenant) => tenant === name).length;
  // One slot of four for whom may have one; three turns in four of the others.
  expect(of('bound')).toBeGreaterThanOrEqual(4);
  expect(of('heavy') / (of('heavy') + of('light'))).toBeGreaterThan(0.6);
  expect(of('light')).toBeGreaterThanOrEqual(2);
  await system.assertInvariants();
});

const entries = ({ emulator }: System) => emulator.control.journal().entries.filter(({ model }) => model !== undefined);
const tenantOf = (prompt = '') => prompt.split(' ')[0] ?? '';
const calls = (system: System) => entries(system).map(({ prompt }) => tenantOf(prompt));
const heldBy = (system: System) =>
  entries(system)
    .filter(({ held }) => held)
    .map(({ prompt }) => tenantOf(prompt));

/** Waits until as many calls are held as there are slots. */
async function untilHeld(system: System): Promise<void> {
  await expect.poll(() => heldBy(system).length, { timeout: 10_000, interval: 20 }).toBe(SLOTS);
}
