/** A catalogue through all processes: CSV in, a provider batch, and each picture out under its own key, at half the price. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { insistOnRows, itemsOf, manifestOf, sendRows, someRows, untilBatchOver } from '../support/batch-caller.ts';
import { type BatchesSeen, batchViolations } from '../support/batch-invariants.ts';
import { type BatchSystem, startBatchSystem } from '../support/batch-system.ts';
import { testRedisUrl } from '../support/redis.ts';

const ROWS = 30;
const KEY = 'journey';

let night: BatchSystem;
beforeAll(async () => {
  night = await startBatchSystem({ redisUrl: testRedisUrl() });
});
afterAll(() => night[Symbol.asyncDispose]());

it('brings a CSV of rows through one provider batch to pictures under their keys, and the bill is the ledger', async () => {
  const { system, sent } = night;
  const batch = await insistOnRows(system, someRows(ROWS), { key: KEY });
  sent.push(batch);

  const view = await untilBatchOver(system, batch.id);
  const figures = await night.assertAll();

  expect(view).toMatchObject({
    status: 'completed',
    provider_batches: [expect.stringMatching(/^pb_/)],
    counts: { total: ROWS, succeeded: ROWS, failed: 0 },
  });
  expect(figures).toMatchObject({ chunks: 1, providerBatches: 1, inDoubt: 0, waste: 0, alarms: 0, images: ROWS });
  expect(figures.laneSettled).toBe(figures.laneBilled);
  expect(system.emulator.control.bill()).toMatchObject({
    images: ROWS,
    by_lane: { standard: { calls: 0 }, batch: { billed_calls: ROWS } },
  });
  const manifest = await manifestOf(system, batch.id);
  expect(manifest.map(({ lane, status }) => `${lane} ${status}`)).toEqual(Array(ROWS).fill('batch succeeded'));
});

describe('the checker finds', () => {
  const FAULTS: [string, RegExp, (seen: BatchesSeen) => void][] = [
    ['a row that is gone', /^B1 .* not the rows that were sent/, ({ batches: [batch] }) => void batch?.items.pop()],
    [
      'a count that is off by one',
      /^B1 .* counts 29 succeeded/,
      ({ batches: [batch] }) => void Object.assign(batch?.view.counts ?? {}, { succeeded: ROWS - 1 }),
    ],
    [
      'two rows that swapped their pictures',
      /^B2 .* shows the picture of "a mug .* number 1"/,
      ({ batches: [batch] }) => {
        const [first, second] = batch?.items ?? [];
        if (first && second) [first.images, second.images] = [second.images, first.images];
      },
    ],
    [
      'a charge that is on no record',
      /^B3 line .* is on no record/,
      ({ tenants: [t] }) => void t?.jobs[0]?.attempts.pop(),
    ],
    [
      'a settled cost that is a micro-dollar off the bill',
      /^B3 .* settled and never charged/,
      ({ tenants: [tenant] }) => {
        const attempt = tenant?.jobs[0]?.attempts[0];
        if (attempt) attempt.cost = (attempt.cost ?? 0) + 1;
      },
    ],
    ['a bill that is larger than the ledger', /^B3 the bill is/, (seen) => void (seen.billed += 1)],
    [
      'a second provider batch of a chunk',
      /^B4 .* 2 provider batches made images/,
      ({ remote }) => void remote.push(...remote.map((batch) => ({ ...batch, id: 'second' }))),
    ],
    ['a provider batch of no chunk', /^B4 .* was made for no chunk/, ({ chunks }) => void chunks.pop()],
    [
      'a chunk that is not closed',
      /^B5 .* is still ended/,
      ({ chunks: [chunk] }) => void Object.assign(chunk ?? {}, { state: 'ended' }),
    ],
    ['a file that is left at the provider', /^B5 files\/x is left/, ({ files }) => void files.push('files/x')],
    ['rows of a body that broke off', /^B5 rows of bat_x/, ({ folders }) => void folders.push('bat_x')],
  ];

  it.each(FAULTS)('%s', async (_, expected, plant) => {
    const seen = await night.look();
    expect(batchViolations(seen)).toEqual([]);

    plant(seen);

    expect(batchViolations(seen)).toContainEqual(expect.stringMatching(expected));
  });
});

describe('afterwards', () => {
  it('the same rows under the same key are the same batch, and cost nothing', async () => {
    const { system, sent } = night;
    const [first] = sent;
    const before = system.emulator.control.bill().cost_micros;

    const again = await sendRows(system, first?.rows ?? [], { key: KEY });

    expect(again).toMatchObject({ status: 200, body: { id: first?.id, status: 'completed' } });
    expect(system.emulator.control.bill().cost_micros).toBe(before);
  });

  it('a row costs half of what the same prompt costs alone', async () => {
    const { system, sent } = night;
    const [first] = sent;
    const [item] = await itemsOf(system, first?.id ?? '');
    const body = {
      prompt: first?.rows[0]?.prompt,
      model: item?.model ?? '',
      size: '512',
      lane: 'standard',
      dedup: false,
    };

    const { id } = await system.client.insist(body, 'alone');
    const alone = await system.client.end(id);

    expect(alone.images[0]?.sha256).toBe(item?.images[0]?.sha256);
    // What the model adds in words and thoughts is drawn anew each time.
    expect(Number(item?.cost.estimated) / Number(alone.cost.estimated)).toBeCloseTo(0.5, 4);
    expect(Number(item?.cost.actual) / Number(alone.cost.actual)).toBeLessThan(0.7);
  });
});
