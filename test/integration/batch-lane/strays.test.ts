/** Batches that the provider made of a chunk beside the one that is known of: canceled, brought home, and told of. */

import { HOUR, MINUTE } from '@darkroom/shared/testing/factories';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collectOnce } from '../../../apps/worker/src/batch/lane.ts';
import { anImage } from '../../support/run-job.ts';
import { type Account, blockedLine, errorLine, imageLine, imageLines, LINE_COST } from './account.ts';
import { dyingAt, openLane, type TestLane } from './lane.ts';
import { letRun, lose, makeTwo } from './make-strays.ts';

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

let keys: string[];
const lines = (picture = image) => imageLines(keys, picture);
const strays = () =>
  lane.lines.filter(({ event, alarm }) => event === 'chunk.alarm' && /made twice|came to light/.test(String(alarm)));

describe('a batch that shows up behind the end of its chunk', () => {
  it('has its paid images brought home, though nothing else is under way', async () => {
    keys = await lose(lane, 3, { onUnknownOutcome: 'hold' });
    expect(await lane.totals()).toMatchObject({ calls: 3, inDoubt: 3 });
    account.end('succeeded', lines(), account.batch(0));
    account.lagMs = 0;

    await lane.collect();

    expect(await lane.statuses()).toEqual({ succeeded: 3 });
    expect(await lane.totals()).toMatchObject({
      calls: 3,
      settled: 3,
      inDoubt: 0,
      inDoubtCost: 0,
      actualCost: 3 * LINE_COST,
    });
    expect(account.cancels()).toEqual([]);
    expect(strays()).toHaveLength(1);
    expect((await lane.jobs())[0]?.state.attempts).toHaveLength(1);
    // Nothing of it is left at the provider, and no list makes it anew.
    expect([account.batches.length, account.files.size]).toEqual([0, 0]);
    await lane.collect();
    expect(strays()).toHaveLength(1);
  });

  it('is kept as late images when its jobs have ended meanwhile', async () => {
    keys = await lose(lane, 2, { onUnknownOutcome: 'fail' });
    expect(await lane.statuses()).toEqual({ failed: 2 });
    account.end('succeeded', lines(), account.batch(0));
    account.lagMs = 0;

    await lane.collect();

    for (const { state } of await lane.jobs()) expect(state).toMatchObject({ lateImages: [{ n: 0 }] });
    expect(await lane.totals()).toMatchObject({ settled: 2, inDoubt: 0, actualCost: 2 * LINE_COST });
  });

  it('is stopped while it runs, and what it did not make is in doubt no more', async () => {
    letRun(account);
    keys = await lose(lane, 2, { onUnknownOutcome: 'hold' });
    account.lagMs = 0;

    await lane.poll();
    expect(account.cancels()).toEqual(['cancel batches/b1']);
    const [made = '', missed = ''] = keys;
    account.end('canceled', [imageLine(made, image)], account.batch(0));
    await lane.collect();

    const jobs = Object.fromEntries((await lane.jobs()).map(({ state }) => [state.attempts[0]?.id, state]));
    expect(jobs[made]).toMatchObject({ status: 'succeeded', attempts: [{ state: 'settled' }] });
    expect(jobs[missed]).toMatchObject({ status: 'queued', attempts: [{ state: 'rejected' }] });
    expect(await lane.totals()).toMatchObject({ calls: 2, settled: 1, rejected: 1, inDoubt: 0, actualCost: LINE_COST });
  });

  it('counts from the call when no list tells when it was made', async () => {
    keys = await lose(lane, 1, { onUnknownOutcome: 'fail' });
    account.end('succeeded', lines(), account.batch(0));
    const chunk = await lane.chunk();
    account.batch(0).createdAt = 0;
    account.lagMs = 0;

    await lane.poll();

    const [stray] = await lane.batches.open();
    const calledAt = chunk.creates.at(-1)?.at;
    expect(stray).toMatchObject({ stray: { of: chunk.id }, createdAt: calledAt, submittedAt: calledAt });
  });

  it('is of no interest when its chunk is none of ours', async () => {
    keys = await lose(lane, 1);
    const theirs = { model: 'm', state: 'BATCH_STATE_RUNNING', createdAt: lane.test.clock.now() };
    account.batches.push({ ...theirs, name: 'batches/x', displayName: 'darkroom-pb_of_others' });
    account.batches.push({ ...theirs, name: 'batches/y', displayName: 'theirs' });
    account.batches.splice(0, 1);
    account.lagMs = 0;

    await lane.collect();

    expect([account.cancels(), strays()]).toEqual([[], []]);
  });

  it('is looked for as long as it may have results, and no longer', async () => {
    keys = await lose(lane, 1, { onUnknownOutcome: 'fail' });
    const lists = () => account.calls.filter((call) => call === 'list').length;
    const before = lists();

    lane.test.clock.advance(70 * HOUR);
    await lane.poll();
    expect(lists()).toBe(before + 1);
    lane.test.clock.advance(20 * HOUR);
    await lane.poll();

    expect(lists()).toBe(before + 1);
  });
});

describe('two batches of one chunk', () => {
  it('leave the older one; the other is stopped, and costs nothing when it made nothing', async () => {
    keys = await makeTwo(lane, 2, 'at once');
    expect((await lane.chunk()).providerName).toBe('batches/b1');
    expect(strays().map(({ alarm }) => alarm)).toEqual(['made twice: batches/b1 is kept, batches/b2 is a stray']);
    expect(account.cancels()).toEqual(['cancel batches/b2']);

    await lane.collect();
    account.end('succeeded', lines(), account.batch(0));
    await lane.collect();

    expect(await lane.statuses()).toEqual({ succeeded: 2 });
    expect(await lane.totals()).toMatchObject({ calls: 2, settled: 2, inDoubt: 0, actualCost: 2 * LINE_COST });
    expect(account.batches.map(({ name }) => name)).toEqual(['batches/b1']);
  });

  it.each([
    [1, 0],
    [0, 1],
  ])('that both made images are both on the record, to the last line, when %i comes before %i', async (first, then) => {
    keys = await makeTwo(lane, 3);
    const { batches } = account;
    const [one, two] = [batches[first], batches[then]];

    account.end('succeeded', lines(), one);
    await lane.collect();
    expect(await lane.statuses()).toEqual({ succeeded: 3 });
    account.end('succeeded', lines(other), two);
    await lane.collect();
    await lane.collect();

    for (const { state } of await lane.jobs()) {
      expect(state.attempts.map((attempt) => [attempt.state, attempt.cost])).toEqual([
        ['settled', LINE_COST],
        ['settled', LINE_COST],
      ]);
      expect(state).toMatchObject({ images: [{ n: 0 }], lateImages: [{ n: 1 }] });
    }
    expect(await lane.totals()).toMatchObject({
      calls: 6,
      settled: 6,
      inDoubt: 0,
      inDoubtCost: 0,
      actualCost: 6 * LINE_COST,
    });
  });

  it('count what is refused and billed, and take no error of the stray for the end of a job', async () => {
    keys = await makeTwo(lane, 2);
    const [first = '', second = ''] = keys;

    account.end('succeeded', [errorLine(first, 13, 'INTERNAL'), blockedLine(second)], account.batch(1));
    await lane.collect();
    account.end('succeeded', lines(), account.batch(0));
    await lane.collect();

    const jobs = await lane.jobs();
    expect(jobs.map(({ state }) => state.attempts.length).toSorted((a, b) => a - b)).toEqual([1, 2]);
    expect(await lane.totals()).toMatchObject({ settled: 3, inDoubt: 0 });
    expect(jobs.flatMap(({ state }) => [...state.images, ...state.lateImages])).toHaveLength(2);
  });

  it.each(['chunk.line_stored', 'chunk.line_settled', 'chunk.harvested', 'chunk.files_deleted'] as const)(
    'are counted once each, when a worker dies at %s',
    async (point) => {
      keys = await makeTwo(lane, 2);
      account.end('succeeded', lines(), account.batch(0));
      account.end('succeeded', lines(other), account.batch(1));
      await lane.poll();
      for (const nth of [1, 2]) await collectOnce(dyingAt(lane.unheld(), point, nth).deps).catch(() => undefined);

      for (let n = 0; n < 3; n++) {
        lane.test.clock.advance(10 * MINUTE);
        await collectOnce(lane.unheld());
      }

      expect(await lane.totals()).toMatchObject({ calls: 4, settled: 4, inDoubt: 0, actualCost: 4 * LINE_COST });
      expect((await lane.jobs()).map(({ state }) => state.images.length + state.lateImages.length)).toEqual([2, 2]);
      expect(await lane.batches.open()).toEqual([]);
    },
  );
});
