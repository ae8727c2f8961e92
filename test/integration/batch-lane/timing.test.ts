import { HOUR, MINUTE, SECOND } from '@darkroom/shared/testing/factories';
import { expect, it } from 'vitest';
import { laneOptions } from '../../../apps/worker/src/batch/lane-options.ts';
import { planOnce } from '../../../apps/worker/src/batch/planner.ts';
import { sealChunk } from '../../../apps/worker/src/batch/seal.ts';
import { WorkerEnv } from '../../../apps/worker/src/config.ts';
import { openLane } from './lane.ts';

it('a rejected member took the time since it was begun, which may be long after its chunk was planned', async () => {
  await using lane = await openLane();
  await lane.submit(2);
  const { deps, test, account } = lane;
  // Planned by one worker, which dies, and sealed by another.
  const dying = { ...deps, ledger: { ...deps.ledger, write: () => Promise.reject(new Error('killed')) } };
  await planOnce(dying).catch(() => undefined);
  test.clock.advance(30 * SECOND);
  await sealChunk(deps, await lane.chunk());
  await lane.send();
  account.end('failed');
  await lane.collect();

  const attempts = (await lane.jobs()).map(({ state }) => state.attempts[0]);
  expect(attempts.map((attempt) => attempt?.state)).toEqual(['rejected', 'rejected']);
  for (const attempt of attempts) {
    expect((attempt?.startedAt ?? 0) + (attempt?.ms ?? Number.NaN)).toBeLessThanOrEqual(test.clock.now());
  }
});

it.each([
  [0, 10 * 1.5 * SECOND],
  [120, 10 * 1.5 * SECOND],
  [6, 10 * 10 * SECOND],
])('ten rows are taken back as early as %d calls a minute need for them (0 = no limit)', async (GEMINI_RPM, ms) => {
  await using lane = await openLane();
  const config = WorkerEnv.parse({
    REDIS_URL: 'redis://127.0.0.1',
    DARKROOM_SECRET: 'x'.repeat(32),
    GEMINI_API_KEY: 'k',
    GEMINI_RPM,
  });
  const { rescueMsPerJob } = laneOptions(config, lane.deps).plan;
  const deps = { ...lane.deps, plan: { ...lane.deps.plan, rescueMsPerJob } };
  const expiresAt = lane.test.clock.now() + 5 * HOUR;
  await lane.submit(10, { state: { expiresAt } });

  await planOnce(deps);

  expect((await lane.chunk()).rescueAt).toBe(expiresAt - 20 * MINUTE - ms);
});
