import { SECOND } from '@darkroom/shared/testing/factories';
import { expect, it } from 'vitest';
import { planOnce } from '../../../apps/worker/src/batch/planner.ts';
import { sealChunk } from '../../../apps/worker/src/batch/seal.ts';
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
