/** A chunk that the provider was made to make twice: what both made is brought home, and the ledger is the bill. */

import { expect, it } from 'vitest';
import { insistOnRows, someRows, untilBatchOver } from '../support/batch-caller.ts';
import { startBatchSystem } from '../support/batch-system.ts';
import { testRedisUrl } from '../support/redis.ts';

const ROWS = 6;
/** Lists show nothing younger than this, which is longer than anybody here waits before a call is made again. */
const LAG_MS = 60_000;

it('pays for a chunk that lists hid for too long, and keeps and counts all that it paid for', async () => {
  await using night = await startBatchSystem({
    redisUrl: testRedisUrl(),
    workers: 1,
    workerEnv: { BATCH_RECREATE_AFTER: '1' },
  });
  const { system } = night;
  const { control } = system.emulator;
  control.putFaults([
    { match: { route: 'create_batch' }, times: 1, fault: { kind: 'reset_after_billing' } },
    { match: { route: 'list_batches' }, fault: { kind: 'stale_list', ms: LAG_MS } },
  ]);

  const batch = await insistOnRows(system, someRows(ROWS));
  night.sent.push(batch);
  await expect.poll(() => control.batches().length, { timeout: 20_000 }).toBe(2);
  control.advance(LAG_MS + 1_000);
  await untilBatchOver(system, batch.id);
  await expect.poll(() => control.batches().filter(({ deleted }) => deleted).length, { timeout: 20_000 }).toBe(1);
  const figures = await night.assertAll();

  const { billed_calls: billed, cost_micros: cost } = control.bill().by_lane.batch;
  expect(billed).toBe(2 * ROWS);
  expect(figures).toMatchObject({ images: ROWS, second: 1, createdAgain: 1, laneInDoubt: 0, waste: 0 });
  expect([figures.laneSettled, figures.laneBilled]).toEqual([cost, cost]);
  const records = (await night.look()).tenants.flatMap(({ jobs }) => jobs);
  expect(records.map(({ attempts }) => attempts.map(({ state }) => state).join())).toEqual(
    Array(ROWS).fill('settled,settled'),
  );
});
