import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestBatches, type TestBatches } from '../../support/batches.ts';
import { TENANT } from '../../support/ledger.ts';

let test: TestBatches;
beforeAll(async () => {
  test = await openTestBatches();
});
afterAll(() => test[Symbol.asyncDispose]());

describe('a batch', () => {
  it('becomes jobs, row by row, and is completed with the last of them', async () => {
    const accepted = await test.accept([{}, {}, {}, {}, {}], {}, 2);

    expect(await test.batch(accepted.id)).toMatchObject({ status: 'ingesting', loaded: 0, version: 1 });
    expect(await test.settle(accepted.id)).toMatchObject({ status: 'queued', loaded: 5 });
    expect((await test.totals(accepted.id)).counts).toMatchObject({ queued: 5, running: 0, succeeded: 0 });
    expect((await test.messages()).length).toBe(5);
    for (let n = 0; n < 5; n++) {
      const job = await test.job(accepted, `row-${n}`);
      expect(job.request).toMatchObject({ prompt: `mug number ${n}`, batch: { id: accepted.id, key: `row-${n}` } });
      await test.succeed(job.id);
    }
    expect(await test.settle(accepted.id)).toMatchObject({ status: 'completed', startedAt: expect.any(Number) });
    expect(await test.totals(accepted.id)).toMatchObject({
      counts: { queued: 0, running: 0, succeeded: 5 },
      costs: { actual: 5 * 36_100, inDoubt: 0 },
      openEstimated: 0,
      made: 5,
    });
    expect(await test.batches.open()).not.toContainEqual({ tenant: TENANT, id: accepted.id });
  });
});
