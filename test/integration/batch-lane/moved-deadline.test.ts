/** A deadline that is moved while its rows are on their way holds for the chunks that carry them. */

import { HOUR, MINUTE, SECOND } from '@darkroom/shared/testing/factories';
import { sweepBatch } from '@darkroom/shared/usecases';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collectOnce, submitOnce } from '../../../apps/worker/src/batch/lane.ts';
import { planOnce } from '../../../apps/worker/src/batch/planner.ts';
import { renewRescues } from '../../../apps/worker/src/batch/rescue-time.ts';
import { openTestBatches, type TestBatches } from '../../support/batches.ts';
import { TENANT } from '../../support/ledger.ts';
import { anImage } from '../../support/run-job.ts';
import { imageLines } from './account.ts';
import { dyingAt, openLane, type TestLane } from './lane.ts';
import { poolRows } from './pool-rows.ts';

/** What the lane keeps free before a deadline, for making jobs by themselves. */
const STANDARD_MS = 20 * MINUTE;

let lane: TestLane;
let callers: TestBatches;
let began: number;
beforeEach(async () => {
  lane = await openLane();
  callers = await openTestBatches(lane.test);
  began = lane.test.clock.now();
});
afterEach(() => lane[Symbol.asyncDispose]());

/** A batch that is due `ms` from the beginning, its rows jobs in the pool. */
const pooled = (count: number, ms: number) => poolRows(callers, count, { expiresAt: began + ms });

/** Moves the deadline to `ms` from the beginning, and lets the worker see to it. */
async function move(id: string, ms: number): Promise<void> {
  await callers.change(id, { deadline: began + ms });
  await callers.settle(id);
  await renewRescues(lane.deps);
}

async function passTo(ms: number): Promise<void> {
  lane.test.clock.advance(began + ms - lane.test.clock.now());
  await lane.collect();
  await lane.collect();
}

const lanes = async (id: string, count: number) => {
  const batch = await callers.batch(id);
  const jobs = await Promise.all(Array.from({ length: count }, (_, n) => callers.job(batch, `row-${n}`)));
  return jobs.map(({ state }) => state.route?.lane ?? 'batch');
};

it('later, leaves the rows with the provider, whose images then cost half', async () => {
  const id = await pooled(2, 5 * HOUR);
  await lane.send();

  await move(id, 10 * HOUR);
  await passTo(9 * HOUR);
  expect(lane.account.cancels()).toEqual([]);
  const image = await anImage('png', { side: 16 });
  lane.account.end('succeeded', imageLines(lane.account.keys(), image));
  await lane.collect();

  expect((await callers.totals(id)).counts).toMatchObject({ succeeded: 2 });
  expect(await lanes(id, 2)).toEqual(['batch', 'batch']);
});

it('earlier, takes the rows back in time, and lets others of their chunk go again', async () => {
  const moved = await pooled(2, 15 * HOUR);
  const other = await pooled(3, 16 * HOUR);
  await lane.send();
  expect(lane.account.made).toBe(1);

  await move(moved, 5 * HOUR);
  await passTo(4 * HOUR + 30 * MINUTE);
  expect(lane.account.cancels()).toEqual([]);
  await passTo(4 * HOUR + 39 * MINUTE + 58 * SECOND);

  expect(lane.account.cancels()).toEqual(['cancel batches/b1']);
  expect([await lanes(moved, 2), await lanes(other, 3)]).toEqual([
    ['standard', 'standard'],
    ['batch', 'batch', 'batch'],
  ]);
});

it('counts all members of a chunk that have to leave by the new deadline, once', async () => {
  const id = await pooled(40, 15 * HOUR);
  await lane.send();
  const rescue = async () => (await lane.chunk()).rescueAt - began + STANDARD_MS;
  expect(await rescue()).toBe(15 * HOUR - 40 * SECOND);

  await move(id, 5 * HOUR);
  expect(await rescue()).toBe(5 * HOUR - 40 * SECOND);
  await move(id, 15 * HOUR);

  expect(await rescue()).toBe(15 * HOUR - 40 * SECOND);
});

it('never keeps a chunk beyond its own time', async () => {
  const id = await pooled(1, 15 * HOUR);
  await lane.send();

  await move(id, 90 * HOUR);

  expect(await lane.chunk()).toMatchObject({ rescueAt: began + 20 * HOUR });
});

it('holds for a chunk that was not sent yet', async () => {
  const id = await pooled(2, 5 * HOUR);
  await planOnce(lane.deps);

  await move(id, 10 * HOUR);
  lane.test.clock.advance(5 * HOUR);
  await submitOnce(lane.deps);

  expect(lane.account.made).toBe(1);
});

it('holds for a chunk that is being sealed', async () => {
  const id = await pooled(2, 15 * HOUR);
  await planOnce(dyingAt(lane.deps, 'chunk.begun', 2).deps).catch(() => undefined);
  expect(await lane.chunk()).toMatchObject({ state: 'sealing' });

  await move(id, 5 * HOUR);
  await submitOnce(lane.unheld());
  await renewRescues(lane.deps);

  expect((await lane.chunk()).rescueDue).toBe(began + 5 * HOUR - STANDARD_MS);
  expect(await lane.batches.patched()).toEqual([]);
});

it('waits for a create call that is out, and holds behind it', async () => {
  const id = await pooled(2, 5 * HOUR);
  const { channel } = lane.account;
  const create = channel.create.bind(channel);
  channel.create = async (...call) => {
    await move(id, 10 * HOUR);
    await renewRescues(lane.unheld());
    return create(...call);
  };
  await lane.send();
  expect(await lane.chunk()).toMatchObject({ state: 'submitted', rescueDue: began + 5 * HOUR - STANDARD_MS });

  await renewRescues(lane.deps);

  expect(await lane.chunk()).toMatchObject({ state: 'submitted', rescueDue: began + 10 * HOUR - STANDARD_MS });
});

it('holds for results that cannot be fetched yet', async () => {
  const id = await pooled(1, 5 * HOUR);
  await lane.send();
  lane.account.broken.download = Array.from({ length: 200 }, () => ({ type: 'unknown', reason: '503' }) as const);
  lane.account.end('succeeded', []);
  await lane.collect();

  await move(id, 10 * HOUR);
  const passed = async (ms: number) => {
    await passTo(ms);
    return (await lane.chunk()).givenUpAt !== undefined;
  };

  expect([await passed(5 * HOUR), await passed(9 * HOUR), await passed(10 * HOUR - STANDARD_MS)]).toEqual([
    false,
    false,
    true,
  ]);
});

describe('the note of a chunk', () => {
  it('is made by whoever comes after one that died between the rows and the note', async () => {
    const id = await pooled(2, 5 * HOUR);
    await lane.send();
    await callers.change(id, { deadline: began + 10 * HOUR });
    const chunks = { notePatch: () => Promise.reject(new Error('dead')) };
    await expect(sweepBatch({ ...callers.deps, chunks }, TENANT, id)).rejects.toThrow('dead');

    await callers.settle(id);

    expect((await lane.batches.patched()).map(({ chunk }) => chunk)).toEqual([(await lane.chunk()).id]);
  });

  it('stays while the chunk changes under the decision, and what comes behind the decision is a new one', async () => {
    const id = await pooled(2, 5 * HOUR);
    await lane.send();
    await callers.change(id, { deadline: began + 10 * HOUR });
    await callers.settle(id);
    const { deps, batches } = lane;

    await renewRescues({ ...deps, batches: { ...deps.batches, write: async () => false } });
    expect(await batches.patched()).toHaveLength(1);
    const late = {
      ...deps.batches,
      write: async (...written: Parameters<typeof batches.write>) => {
        await batches.notePatch([written[0].id]);
        return batches.write(...written);
      },
    };
    await renewRescues({ ...deps, batches: late });
    expect(await batches.patched()).toHaveLength(1);
    await renewRescues(deps);

    expect(await batches.patched()).toEqual([]);
  });

  it('goes with a chunk that is over', async () => {
    const id = await pooled(1, 5 * HOUR);
    await lane.send();
    await callers.change(id, { deadline: began + 10 * HOUR });
    await callers.settle(id);
    lane.account.end('failed');
    await lane.collect();
    await collectOnce(lane.deps);

    await renewRescues(lane.deps);

    expect(await lane.batches.patched()).toEqual([]);
  });
});
