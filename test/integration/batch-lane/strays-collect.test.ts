/** What strays bring home, beside, before and behind the batch of their chunk: all of it on some record, once. */

import { type Job, strayId, thumbnailKey } from '@darkroom/shared/domain';
import { HOUR, MINUTE } from '@darkroom/shared/testing/factories';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { collect } from '../../../apps/worker/src/batch/collector.ts';
import { collectOnce } from '../../../apps/worker/src/batch/lane.ts';
import { settleJob } from '../../../apps/worker/src/standard/settle-attempt.ts';
import { anImage } from '../../support/run-job.ts';
import { type Account, blockedLine, imageLines, LINE_COST } from './account.ts';
import { openLane, type TestLane } from './lane.ts';
import { lose, makeTwo } from './make-strays.ts';

let lane: TestLane;
let account: Account;
let image: Buffer;
let other: Buffer;
beforeEach(async () => {
  lane = await openLane();
  ({ account } = lane);
  image = await anImage('png', { side: 16 });
  other = await anImage('png', { side: 24 });
});
afterEach(() => lane[Symbol.asyncDispose]());

const linesOf = (keys: string[], picture = image) => imageLines(keys, picture);
/** A result line of an answer that is billed and brings nothing. */
const noImageLine = (key: string) => {
  const usageMetadata = { promptTokenCount: 10, totalTokenCount: 110, candidatesTokenCount: 100 };
  return `${JSON.stringify({ key, response: { candidates: [{ finishReason: 'NO_IMAGE' }], usageMetadata } })}\n`;
};
const imagesOf = ({ state }: Job) => [...state.images, ...state.lateImages];

/** Both batches of the chunk are over, and what they made is known to be there. */
async function endBoth(keys: string[]): Promise<void> {
  account.end('succeeded', linesOf(keys), account.batch(0));
  account.end('succeeded', linesOf(keys, other), account.batch(1));
  await lane.poll();
}

/** The members are given up, as when the results of their chunk cannot be had in time. */
async function doubt(): Promise<void> {
  for (const { tenant, id, state } of await lane.jobs()) {
    const ref = { tenant, job: id, attempt: state.open ?? '' };
    await settleJob(lane.deps, ref, { type: 'in_doubt', reason: 'given up' });
  }
}

async function expectBoth(jobs: number): Promise<void> {
  expect(await lane.statuses()).toEqual({ succeeded: jobs });
  expect((await lane.jobs()).map((job) => imagesOf(job).length)).toEqual(Array(jobs).fill(2));
  expect(await lane.totals()).toMatchObject({
    calls: 2 * jobs,
    settled: 2 * jobs,
    inDoubt: 0,
    inDoubtCost: 0,
    actualCost: 2 * jobs * LINE_COST,
  });
}

it('are collected at the same time as their chunk, by another worker', async () => {
  await endBoth(await makeTwo(lane, 20));

  await Promise.all([collectOnce(lane.deps), collectOnce(lane.deps)]);

  await expectBoth(20);
  expect(await lane.batches.open()).toEqual([]);
});

it.each([
  ['chunk', 'open'],
  ['stray', 'open'],
  ['chunk', 'in doubt'],
  ['stray', 'in doubt'],
] as const)(
  'are collected while an image of the %s is on its way into the store, for attempts that are %s',
  async (slow, state) => {
    await endBoth(await makeTwo(lane, 3));
    if (state === 'in doubt') await doubt();
    const { id } = await lane.chunk();
    const ids = { chunk: id, stray: strayId(id, 'batches/b2') };
    const bring = async (which: 'chunk' | 'stray', deps = lane.deps) => {
      const batch = await lane.batches.read(ids[which]);
      if (batch) await collect(deps, batch);
    };
    const { store } = lane.deps;
    let between: Promise<void> | undefined;
    const put: typeof store.put = async (...call) => {
      if (call[0].startsWith('results/')) await (between ??= bring(slow === 'chunk' ? 'stray' : 'chunk'));
      return store.put(...call);
    };

    await bring(slow, { ...lane.deps, store: { ...store, put } });

    await expectBoth(3);
    expect(await lane.batches.open()).toEqual([]);
  },
);

it.each([
  ['no image', noImageLine],
  ['a refusal', blockedLine],
] as const)('bring home %s, and the attempt goes on in the batch of its chunk', async (_, line) => {
  const keys = await makeTwo(lane, 1);

  account.end('succeeded', keys.map(line), account.batch(1));
  await lane.collect();
  lane.test.clock.advance(5 * MINUTE);
  await lane.send();

  expect(await lane.statuses()).toEqual({ running: 1 });
  expect(account.made).toBe(2);
  account.end('succeeded', linesOf(keys), account.batch(0));
  await lane.collect();
  expect(await lane.statuses()).toEqual({ succeeded: 1 });
  expect(await lane.totals()).toMatchObject({ calls: 2, settled: 2, inDoubt: 0 });
});

it('leave it to the end of their chunk where its jobs go on', async () => {
  const keys = await makeTwo(lane, 1);
  account.end('succeeded', keys.map(noImageLine), account.batch(1));
  await lane.collect();
  // Now it is too late for another batch.
  lane.test.clock.advance(23 * HOUR + 26 * MINUTE);

  account.end('expired', [], account.batch(0));
  await lane.collect();

  const [job] = await lane.jobs();
  expect(job?.state).toMatchObject({ status: 'queued', route: { lane: 'standard' } });
});

it('bring home images whose jobs have left Redis, and their cost', async () => {
  const keys = await lose(lane, 2, { onUnknownOutcome: 'fail' });
  for (const job of await lane.jobs()) await lane.test.ledger.forget(job);
  account.end('succeeded', linesOf(keys), account.batch(0));
  account.lagMs = 0;

  await lane.collect();

  const stray = await lane.batches.read(strayId((await lane.chunk()).id, 'batches/b1'));
  expect(stray).toMatchObject({ state: 'closed', waste: 2 * LINE_COST, harvest: { lines: 2, settled: 0, orphans: 2 } });
  expect(lane.lines.filter(({ event, key }) => event === 'attempt.orphaned' && key !== undefined)).toHaveLength(2);
});

it.each([
  ['in the place of those in doubt', 1],
  ['beside those of their chunk', 2],
] as const)('bring home images with their small copies, %s', async (_, each) => {
  if (each === 2) await endBoth(await makeTwo(lane, 2));
  else account.end('succeeded', linesOf(await lose(lane, 2, { onUnknownOutcome: 'hold' })), account.batch(0));
  account.lagMs = 0;

  await lane.collect();

  const images = (await lane.jobs()).flatMap(imagesOf);
  expect(images).toHaveLength(2 * each);
  const copies = await Promise.all(images.map(({ key }) => lane.deps.store.head(thumbnailKey(key))));
  expect(copies.every(Boolean)).toBe(true);
});
