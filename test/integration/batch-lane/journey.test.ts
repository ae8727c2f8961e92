import { afterEach, beforeEach, expect, it } from 'vitest';
import { anImage } from '../../support/run-job.ts';
import { imageLines } from './account.ts';
import { openLane, type TestLane } from './lane.ts';

let lane: TestLane;
let image: Buffer;
beforeEach(async () => {
  lane = await openLane();
  image = await anImage('png', { side: 16 });
});
afterEach(() => lane[Symbol.asyncDispose]());

it('brings waiting jobs to their images in one provider batch, at half the price', async () => {
  await lane.submit(3);

  await lane.send();
  expect(await lane.statuses()).toEqual({ running: 3 });
  expect((await lane.jobs()).map(({ state }) => state.phase)).toEqual(Array(3).fill('in_provider_batch'));
  lane.account.end('succeeded', imageLines(lane.account.keys(), image));
  await lane.collect();

  expect(lane.lines.filter(({ level }) => level === 'error')).toEqual([]);
  expect(await lane.statuses()).toEqual({ succeeded: 3 });
  expect((await lane.chunk()).harvest).toMatchObject({ lines: 3, settled: 3, missing: 0, truncated: false });
  expect((await lane.chunk()).state).toBe('closed');
  expect(lane.account.files.size).toBe(0);
  const [job] = await lane.jobs();
  expect(job?.state.attempts).toMatchObject([
    { lane: 'batch', state: 'settled', cost: Math.round((1_120 * 60 + 10 * 0.5) / 2) },
  ]);
});
