/** Batches that end before they made all, and whose results are told later than their end. */

import { HOUR, MINUTE } from '@darkroom/shared/testing/factories';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { collectOnce } from '../../../apps/worker/src/batch/lane.ts';
import { anImage } from '../../support/run-job.ts';
import { type Account, imageLines } from './account.ts';
import { openLane, type TestLane } from './lane.ts';

let lane: TestLane;
let account: Account;
let image: Buffer;
let keys: string[];
beforeEach(async () => {
  lane = await openLane();
  ({ account } = lane);
  image = await anImage('png', { side: 16 });
  account.channel.cancel = async (name) => {
    account.calls.push(`cancel ${name}`);
    return { type: 'done' };
  };
});
afterEach(() => lane[Symbol.asyncDispose]());

const lines = () => imageLines(keys, image);
const downloads = () => account.calls.filter((call) => call === 'download').length;

/** Two jobs in a batch that was to be canceled. */
async function cancelInTime(): Promise<void> {
  await lane.submit(2, { state: { expiresAt: lane.test.clock.now() + 5 * HOUR } });
  await lane.send();
  keys = account.keys();
  account.batch().state = 'BATCH_STATE_RUNNING';
  lane.test.clock.advance(4 * HOUR + 40 * MINUTE);
  await lane.collect();
  expect(account.calls).toContain('cancel batches/b1');
}

it.each([
  ['by its counts', { stats: { total: 2, succeeded: 2, failed: 0 } }],
  ['because it ran', {}],
])('waits for the file of a canceled batch that may have made some, %s', async (_, told) => {
  await cancelInTime();
  Object.assign(account.batch(), told, { end: 'canceled', state: 'BATCH_STATE_CANCELLED' });

  await lane.collect();
  expect(await lane.statuses()).toEqual({ running: 2 });
  account.end('canceled', lines());
  for (let n = 0; n < 3; n++) await lane.collect();

  expect(await lane.statuses()).toEqual({ succeeded: 2 });
  expect(await lane.totals()).toMatchObject({ calls: 2, settled: 2, inDoubt: 0, rejected: 0 });
});

it('does not wait for one that has made nothing by its counts, though it ran', async () => {
  await cancelInTime();
  account.batch().stats = { total: 2, succeeded: 0, failed: 0 };

  account.end('canceled');
  await lane.collect();

  expect((await lane.jobs()).map(({ state }) => state.route?.lane)).toEqual(['standard', 'standard']);
});

it('takes no file that ever comes of a batch that was stopped for none that was made', async () => {
  await cancelInTime();

  account.end('canceled');
  for (let n = 0; n < 15; n++) await lane.collect();

  expect((await lane.chunk()).state).toBe('closed');
  expect(await lane.totals()).toMatchObject({ calls: 2, rejected: 2, inDoubt: 0 });
  expect((await lane.jobs()).map(({ state }) => state.route?.lane)).toEqual(['standard', 'standard']);
});

it.each(['still runs', 'is not known'])('does not believe who answers behind the list that a batch %s', async (how) => {
  await cancelInTime();
  const list = account.channel.list.bind(account.channel);
  account.channel.list = async (...call) => {
    const done = await list(...call);
    if (done.type === 'done') for (const batch of done.batches) delete batch.responsesFile;
    return done;
  };
  const { channel } = account;
  const get = channel.get.bind(channel);
  const { ...before } = account.batch();
  let answers = 2;
  channel.get = async (...call) => {
    if (answers-- <= 0) return get(...call);
    return { type: 'done', batch: how === 'still runs' ? before : undefined };
  };

  account.end('canceled', lines());
  await lane.collect();
  expect(await lane.statuses()).toEqual({ running: 2 });
  for (let n = 0; n < 4; n++) await lane.collect();

  expect(await lane.statuses()).toEqual({ succeeded: 2 });
  expect(downloads()).toBe(1);
});

/** Jobs in doubt of a chunk that was given up, and its batch, which lists show by now and is to be canceled. */
async function stopStray(): Promise<void> {
  account.creates = ['lost'];
  account.lagMs = 1_000 * HOUR;
  const state = { expiresAt: lane.test.clock.now() + 100 * HOUR };
  await lane.submit(2, { request: { onUnknownOutcome: 'fail' }, state });
  await lane.send();
  keys = account.keys();
  lane.test.clock.advance(20 * HOUR);
  for (let n = 0; n < 100 && (await lane.chunk()).state === 'creating'; n++) {
    lane.test.clock.advance(5 * MINUTE);
    await lane.poller.once();
  }
  await collectOnce(lane.deps);
  account.lagMs = 0;
  await lane.poll();
  expect(account.calls).toContain('cancel batches/b1');
}

it('waits for the results of a stray that was stopped, whatever its state was', async () => {
  await stopStray();
  Object.assign(account.batch(0), { end: 'canceled', state: 'BATCH_STATE_CANCELLED' });

  await lane.collect();
  account.end('canceled', lines(), account.batch(0));
  for (let n = 0; n < 3; n++) await lane.collect();

  expect(await lane.totals()).toMatchObject({ calls: 2, settled: 2, inDoubt: 0 });
  expect(account.batches).toEqual([]);
});

it('leaves a stray at the provider whose results never came to light', async () => {
  await stopStray();
  account.end('canceled', undefined, account.batch(0));

  for (let n = 0; n < 15; n++) await lane.collect();

  expect(await lane.batches.open()).toEqual([]);
  expect(account.calls.filter((call) => call === 'delete batches/b1')).toEqual([]);
});
