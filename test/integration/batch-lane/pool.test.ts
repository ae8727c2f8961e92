/** Who stands where in the pool, and who is counted among those that can leave the lane. */

import { HOUR } from '@darkroom/shared/testing/factories';
import { sweepBatch } from '@darkroom/shared/usecases';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { planOnce } from '../../../apps/worker/src/batch/planner.ts';
import { openTestBatches, type TestBatches } from '../../support/batches.ts';
import { TENANT } from '../../support/ledger.ts';
import { openLane, type TestLane, withAllowance } from './lane.ts';
import { poolRows, ROW_ESTIMATE } from './pool-rows.ts';

const MODEL = 'gemini-3.1-flash-image';
/** More than the batch lane's price of a job, and less than the standard lane's. */
const CAP = 30_000;

let lane: TestLane;
beforeEach(async () => {
  lane = await openLane();
});
afterEach(() => lane[Symbol.asyncDispose]());

const member = (id: string) => ({ tenant: TENANT, id });
const message = (id: string, { expiresAt = 5, priority = 5, anew = false } = {}) => ({
  ...member(id),
  version: 1,
  model: MODEL,
  lane: 'batch' as const,
  priority,
  runAt: 0,
  expiresAt,
  anew,
});
const order = async () => (await lane.pool.peek(MODEL, 0, 100)).map(({ id }) => id);
const newcomers = async () => (await lane.pool.newcomers(MODEL, 100)).map(({ id }) => id).toSorted();
const dueBy = async (at: number) => (await lane.pool.dueBy(MODEL, [at]))[0];
const weighed = (leaving: string[], staying: string[]) =>
  lane.pool.weighed(MODEL, { leaving: leaving.map(member), staying: staying.map(member) });

describe('the place of a member', () => {
  it('is by priority and by deadline, whether it can leave the lane or not', async () => {
    await lane.pool.add([
      message('late', { expiresAt: 9 }),
      message('capped', { expiresAt: 7 }),
      message('early', { expiresAt: 6 }),
      message('first', { expiresAt: 9, priority: 9 }),
    ]);

    await weighed(['late', 'early', 'first'], ['capped']);

    expect(await order()).toEqual(['first', 'early', 'capped', 'late']);
  });

  it('is behind those of its priority until it is weighed', async () => {
    await lane.pool.add([message('old', { expiresAt: 9 })]);
    await weighed(['old'], []);

    await lane.pool.add([message('new', { expiresAt: 1 }), message('newest', { expiresAt: 1, priority: 6 })]);

    expect(await order()).toEqual(['newest', 'old', 'new']);
  });

  it('stays the same, weighed or not, when the member comes again as it was', async () => {
    await lane.pool.add([message('leaver'), message('stayer'), message('unweighed')]);
    await weighed(['leaver'], ['stayer']);

    await lane.pool.add([message('leaver'), message('stayer'), message('unweighed')]);

    expect([await newcomers(), await dueBy(5)]).toEqual([['unweighed'], 1]);
  });

  it.each([
    ['deadline', { expiresAt: 6 }],
    ['priority', { priority: 6 }],
    ['batch’s money', { anew: true }],
  ])('is a newcomer’s once its %s has changed', async (_, change) => {
    await lane.pool.add([message('leaver'), message('stayer')]);
    await weighed(['leaver'], ['stayer']);

    await lane.pool.add([message('leaver', change), message('stayer', change)]);

    expect([await newcomers(), await dueBy(9)]).toEqual([['leaver', 'stayer'], 0]);
    await weighed(['leaver', 'stayer'], []);
    expect(await dueBy(9)).toBe(2);
  });
});

type Known = { expiresAt: number; leaves?: boolean };

/** The same pool without bands and sets. */
function createPlainPool() {
  const here = new Map<number, Known>();
  const aside = new Map<number, Known>();
  return {
    add: (n: number, expiresAt: number) => {
      if (here.get(n)?.expiresAt !== expiresAt) here.set(n, { expiresAt });
    },
    weigh: (n: number, leaves: boolean) => {
      const known = here.get(n);
      if (known) known.leaves = leaves;
    },
    remove: (n: number) => here.delete(n),
    putAside: (n: number) => {
      const known = here.get(n);
      if (known) aside.set(n, { expiresAt: known.expiresAt });
      here.delete(n);
    },
    bringBack: () => {
      for (const [n, known] of aside) if (!here.has(n)) here.set(n, known);
      aside.clear();
    },
    members: () => [...here.values()],
  };
}

const some = fc.uniqueArray(fc.integer({ min: 0, max: 7 }), { minLength: 1, maxLength: 8 });
const step = fc.record({
  does: fc.constantFrom('add', 'leave', 'stay', 'remove', 'aside', 'back'),
  who: some,
  expiresAt: fc.integer({ min: 1, max: 4 }),
});

it('counts exactly those due that were last found able to leave, whatever came and went', async () => {
  const { pool } = lane;
  const batch = { tenant: TENANT, id: 'bat_1' };
  let runs = 0;
  const run = fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
    const model = `model-${runs++}`;
    const plain = createPlainPool();
    for (const { does, who, expiresAt } of steps) {
      const members = who.map((n) => member(`job_${n}`));
      if (does === 'add') await pool.add(members.map(({ id }) => ({ ...message(id, { expiresAt }), model })));
      if (does === 'leave') await pool.weighed(model, { leaving: members, staying: [] });
      if (does === 'stay') await pool.weighed(model, { leaving: [], staying: members });
      if (does === 'remove') await pool.remove(model, members);
      if (does === 'aside') await pool.putAside(model, batch, members);
      if (does === 'back') await pool.bringBack(model, batch, new AbortController().signal);
      for (const n of who) {
        if (does === 'add') plain.add(n, expiresAt);
        if (does === 'leave' || does === 'stay') plain.weigh(n, does === 'leave');
        if (does === 'remove') plain.remove(n);
        if (does === 'aside') plain.putAside(n);
      }
      if (does === 'back') plain.bringBack();
    }

    const known = plain.members();
    const due = [1, 2, 3, 4].map((at) => known.filter((one) => one.leaves && one.expiresAt <= at).length);
    expect(await pool.dueBy(model, [1, 2, 3, 4])).toEqual(due);
    expect(await pool.size(model)).toBe(known.length);
    expect(await pool.newcomers(model, 100)).toHaveLength(known.filter((one) => one.leaves === undefined).length);
  });

  await fc.assert(run, { numRuns: 60 });
});

describe('the planner', () => {
  it('sends jobs that max_cost keeps in the lane before others of a later deadline when there is little room', async () => {
    const now = lane.test.clock.now();
    await lane.submit(6, { state: { expiresAt: now + 20 * HOUR } });
    await planOnce(withAllowance(lane.deps, { slots: 0 }));
    const capped = await lane.submit(3, { request: { maxCost: CAP }, state: { expiresAt: now + 10 * HOUR } });

    const plan = { ...lane.deps.plan, limits: { ...lane.deps.plan.limits, lines: 3 } };
    await planOnce(withAllowance({ ...lane.deps, plan }, { slots: 1 }));

    const running = (await lane.jobs()).filter(({ state }) => state.status === 'running').map(({ id }) => id);
    expect(running.toSorted()).toEqual(capped.toSorted());
  });

  it('reads few records again when all that wait come again', async () => {
    const ids = await lane.submit(200, { state: { expiresAt: lane.test.clock.now() + 20 * HOUR } });
    let reads = 0;
    const read: typeof lane.deps.ledger.read = (tenant, id) => {
      reads++;
      return lane.deps.ledger.read(tenant, id);
    };
    const idle = withAllowance({ ...lane.deps, ledger: { ...lane.deps.ledger, read } }, { slots: 0 });
    await planOnce(idle);
    const atFirst = reads;
    for (const id of ids) lane.deps.outbox.push(await lane.test.read(id));
    await lane.deps.outbox.flush();

    reads = 0;
    await planOnce(idle);

    expect(atFirst).toBeGreaterThanOrEqual(200);
    expect(reads).toBeLessThanOrEqual(50);
  });

  describe('of a batch whose max_cost lets no row leave', () => {
    const ROWS = 120;
    let callers: TestBatches;
    let id: string;
    let expiresAt: number;
    const planIdle = () => planOnce(withAllowance(lane.deps, { slots: 0 }));
    beforeEach(async () => {
      callers = await openTestBatches(lane.test);
      expiresAt = lane.test.clock.now() + 20 * HOUR;
      id = await poolRows(callers, ROWS, { expiresAt, maxCost: ROWS * ROW_ESTIMATE });
      await planIdle();
    });

    it('counts none', async () => {
      expect(await dueBy(expiresAt)).toBe(0);
    });

    it('counts all rows at once when it may cost more', async () => {
      await callers.change(id, { maxCost: 3 * ROWS * ROW_ESTIMATE });
      await sweepBatch({ ...callers.deps, outbox: lane.deps.outbox }, TENANT, id);
      await lane.deps.outbox.flush();

      await planIdle();

      expect(await dueBy(expiresAt)).toBe(ROWS);
    });

    it('finds out, some in each round, that rows can leave for which others leave their money', async () => {
      for (const { id: row } of await lane.pool.peek(MODEL, 0, ROWS - 20)) await lane.cancel(row);

      await expect.poll(() => planIdle().then(() => dueBy(expiresAt))).toBe(20);
    });
  });
});
