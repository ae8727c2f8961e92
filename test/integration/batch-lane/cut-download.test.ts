/** Downloads that end early without an error: only another one tells them from a file that is so. */

import { Readable } from 'node:stream';
import { MINUTE } from '@darkroom/shared/testing/factories';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { collectOnce } from '../../../apps/worker/src/batch/lane.ts';
import { anImage } from '../../support/run-job.ts';
import { type Account, imageLines } from './account.ts';
import { openLane, type TestLane } from './lane.ts';

let lane: TestLane;
let account: Account;
let keys: string[];
let lines: string[];
beforeEach(async () => {
  lane = await openLane();
  ({ account } = lane);
  const image = await anImage('png', { side: 16 });
  await lane.submit(3, { request: { onUnknownOutcome: 'fail' } });
  await lane.send();
  keys = account.keys();
  lines = imageLines(keys, image);
});
afterEach(() => lane[Symbol.asyncDispose]());

const downloads = () => account.calls.filter((call) => call === 'download').length;
const left = () => [...account.files.keys()].filter((name) => name.startsWith('files/batch-'));

/** Downloads that end after so many bytes of the file, in turn; all others are whole. */
function cutAt(...lengths: number[]): void {
  const download = account.channel.download.bind(account.channel);
  account.channel.download = async (name, signal) => {
    const done = await download(name, signal);
    const length = lengths.shift();
    const bytes = account.files.get(name);
    return length === undefined || !bytes ? done : { type: 'done', body: Readable.from([bytes.subarray(0, length)]) };
  };
}

it.each([
  ['within a line', () => lines.join('').length - 100],
  ['behind a line', () => (lines[0] ?? '').length],
])('brings the file again when it ended %s, and every job has its image', async (_, length) => {
  account.end('succeeded', lines);
  cutAt(length());

  await lane.collect();

  expect(await lane.statuses()).toEqual({ succeeded: 3 });
  expect(await lane.totals()).toMatchObject({ calls: 3, settled: 3, inDoubt: 0 });
  expect((await lane.chunk()).harvest).toMatchObject({ bytes: lines.join('').length, settled: 3, truncated: false });
  expect([downloads(), left()]).toEqual([2, []]);
});

it('takes the longest of three, and leaves the file that was never brought twice alike', async () => {
  account.end('succeeded', lines);
  const [first = '', second = ''] = lines;
  cutAt(first.length, first.length + second.length, first.length + 50);

  await lane.collect();

  expect(await lane.statuses()).toEqual({ succeeded: 2, failed: 1 });
  expect(await lane.totals()).toMatchObject({ settled: 2, inDoubt: 1 });
  expect([downloads(), left()]).toEqual([3, ['files/batch-b1']]);
});

it('believes a file that was brought twice alike, and deletes it', async () => {
  account.end('succeeded', lines.slice(0, 2));

  await lane.collect();

  expect(await lane.statuses()).toEqual({ succeeded: 2, failed: 1 });
  expect((await lane.chunk()).harvest).toMatchObject({ proven: true, rereads: 1 });
  expect([downloads(), left()]).toEqual([2, []]);
});

it('brings a file that tells of all once', async () => {
  account.end('succeeded', lines);

  await lane.collect();

  expect([downloads(), left()]).toEqual([1, []]);
});

it('ends nobody while the file cannot be had again', async () => {
  account.end('succeeded', lines);
  const [first = ''] = lines;
  cutAt(first.length);
  const download = account.channel.download.bind(account.channel);
  let calls = 0;
  account.channel.download = async (...call) =>
    ++calls === 2 ? { type: 'unknown', reason: '503' } : download(...call);

  await lane.collect();
  expect(await lane.statuses()).toEqual({ succeeded: 1, running: 2 });
  lane.test.clock.advance(MINUTE);
  await collectOnce(lane.deps);

  expect(await lane.statuses()).toEqual({ succeeded: 3 });
});
