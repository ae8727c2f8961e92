/** Batches where nobody can be sure: answers that are lost, lists that lag, and several programs at the same work. */

import type { FaultRule } from '@darkroom/emulator';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { insistOnRows, type SentBatch, sendRows, someRows, untilBatchOver } from '../support/batch-caller.ts';
import { type BatchSystem, startBatchSystem } from '../support/batch-system.ts';
import { testRedisUrl } from '../support/redis.ts';

const ROWS = 5;
/** Lists show nothing younger than this. */
const LAG_MS = 60_000;

let night: BatchSystem;
const control = () => night.system.emulator.control;
/** The last entry of the journal before the test. */
let since = 0;
const calls = (route: string) =>
  control()
    .journal({ since })
    .entries.filter((entry) => entry.route === route).length;

async function send(count = ROWS): Promise<SentBatch> {
  const batch = await insistOnRows(night.system, someRows(count));
  night.sent.push(batch);
  return batch;
}

/** The next create call is made, or not, and its caller never learns of it. */
function lost(kind: 'reset' | 'reset_after_billing'): FaultRule {
  return { match: { route: 'create_batch' }, times: 1, fault: { kind } };
}

describe('a create call whose answer is lost', () => {
  beforeAll(async () => {
    night = await startBatchSystem({ redisUrl: testRedisUrl(), workers: 0 });
  });
  beforeEach(() => {
    since = control().journal().last;
  });
  afterAll(() => night[Symbol.asyncDispose]());

  async function withWorker(recreateAfter: number, act: () => Promise<void>): Promise<void> {
    const worker = night.system.addWorker({ BATCH_RECREATE_AFTER: String(recreateAfter) });
    await worker.start();
    try {
      await act();
    } finally {
      await worker.stop();
    }
  }

  it('was made: a list shows it, and it is not made again', async () => {
    control().putFaults([lost('reset_after_billing')]);

    await withWorker(60, async () => {
      await untilBatchOver(night.system, (await send()).id);
      const figures = await night.assertAll();

      expect(figures).toMatchObject({ chunks: 1, providerBatches: 1, createdAgain: 0, alarms: 0, laneInDoubt: 0 });
      expect(calls('create_batch')).toBe(1);
    });
  });

  it('was not made: it is made again, once, after lists that show nothing, and the chunk says so', async () => {
    control().putFaults([lost('reset')]);

    await withWorker(1, async () => {
      const before = control().batches().length;
      await untilBatchOver(night.system, (await send()).id);
      const figures = await night.assertAll();

      expect(control().batches().length - before).toBe(1);
      expect(figures).toMatchObject({ createdAgain: 1, alarms: 1, second: 0, laneInDoubt: 0 });
      expect(calls('create_batch')).toBe(2);
    });
  });

  it('was made, and lists lag by a minute: it is waited for, and not made again', async () => {
    control().putFaults([
      lost('reset_after_billing'),
      { match: { route: 'list_batches' }, fault: { kind: 'stale_list', ms: LAG_MS } },
    ]);

    // As by default, the time before anything is made again outlasts the lag.
    await withWorker(2 * (LAG_MS / 1_000), async () => {
      const before = control().batches().length;
      const { id } = await send();
      await expect.poll(() => calls('create_batch'), { timeout: 20_000 }).toBe(1);
      for (const passes of [LAG_MS / 2, LAG_MS / 2 + 1_000]) {
        const lists = calls('list_batches');
        await expect.poll(() => calls('list_batches'), { timeout: 20_000 }).toBeGreaterThan(lists + 3);
        control().advance(passes);
      }
      await untilBatchOver(night.system, id);
      control().putFaults([]);
      const figures = await night.assertAll();

      expect(control().batches().length - before).toBe(1);
      expect(figures).toMatchObject({ second: 0, laneInDoubt: 0 });
      expect(calls('create_batch')).toBe(1);
    });
  });
});

describe('several programs at once', () => {
  /** What the tests before added: one that is tried again finds its first try here. */
  let before: Awaited<ReturnType<BatchSystem['assertAll']>>;
  beforeAll(async () => {
    night = await startBatchSystem({ redisUrl: testRedisUrl(), workers: 3, workerEnv: { BATCH_GATHER: '0' } });
  });
  beforeEach(async () => {
    before = await night.assertAll();
  });
  afterAll(() => night[Symbol.asyncDispose]());

  it('three workers plan, send and collect together: each row once, each chunk one provider batch', async () => {
    const batches = await Promise.all(Array.from({ length: 6 }, () => send(20)));

    await Promise.all(batches.map(({ id }) => untilBatchOver(night.system, id)));
    const figures = await night.assertAll();

    expect(figures).toMatchObject({
      rows: before.rows + 120,
      images: before.images + 120,
      second: 0,
      createdAgain: 0,
      alarms: 0,
      laneInDoubt: 0,
    });
    expect(figures.providerBatches).toBe(figures.chunks);
    expect(figures.laneSettled).toBe(figures.laneBilled);
  });

  it('five APIs take one body under one key as one batch, and other keys as others', async () => {
    const { system, sent } = night;
    const clients = [system.client, ...(await Promise.all([1, 2, 3, 4].map(() => system.addApi())))];
    const rows = someRows(8);
    const key = `one-for-all-${before.rows}`;

    const same = clients.map((client) => insistOnRows({ client }, rows, { key }));
    const different = clients.map((client) => insistOnRows({ client }, someRows(4)));
    const [ones, others] = await Promise.all([Promise.all(same), Promise.all(different)]);
    const [one] = ones;
    if (!one) throw new Error('nothing was accepted');
    const stranger = await sendRows(system, someRows(2), { key });

    expect(new Set(ones.map(({ id }) => id)).size).toBe(1);
    expect(new Set(others.map(({ id }) => id)).size).toBe(clients.length);
    expect(stranger.status).toBe(422);
    sent.push(one, ...others);
    await Promise.all([one, ...others].map(({ id }) => untilBatchOver(system, id)));
    expect(await night.assertAll()).toMatchObject({
      rows: before.rows + 28,
      images: before.images + 28,
      second: 0,
      laneInDoubt: 0,
    });
  });
});
