/** What a provider may hand back for a batch, each with exact counts. */

import { buffer } from 'node:stream/consumers';
import { type Job, providerBatchKey } from '@darkroom/shared/domain';
import { MINUTE } from '@darkroom/shared/testing/factories';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { collectOnce } from '../../../apps/worker/src/batch/lane.ts';
import { anImage } from '../../support/run-job.ts';
import { blockedLine, errorLine, imageLine, imageLines } from './account.ts';
import { dyingAt, openLane, type TestLane } from './lane.ts';

let lane: TestLane;
let image: Buffer;
beforeEach(async () => {
  lane = await openLane();
  image = await anImage('png', { side: 16 });
});
afterEach(() => lane[Symbol.asyncDispose]());

const ONE = Math.round((1_120 * 60 + 10 * 0.5) / 2);

async function sent(count: number, overrides: Parameters<TestLane['submit']>[1] = {}): Promise<string[]> {
  await lane.submit(count, overrides);
  await lane.send();
  return lane.account.keys();
}

function attemptOf(job: Job | undefined) {
  return job?.state.attempts.at(-1);
}

const alarms = () => lane.lines.filter(({ event }) => event === 'chunk.alarm').map(({ alarm }) => alarm);

it('puts every job back when a batch expires empty, and nothing is spent', async () => {
  await sent(5);

  lane.account.end('expired');
  await lane.collect();

  expect((await lane.chunk()).harvest).toMatchObject({ lines: 0, settled: 0, missing: 5 });
  expect(await lane.statuses()).toEqual({ queued: 5 });
  expect(await lane.totals()).toMatchObject({ calls: 5, rejected: 5, actualCost: 0, inDoubtCost: 0 });
  expect(await lane.pool.size('gemini-3.1-flash-image')).toBe(5);
});

it.each(['expired', 'canceled', 'failed'] as const)(
  'counts what a cut file of an %s batch does not tell of',
  async (end) => {
    const [first = '', second = ''] = await sent(3);

    lane.account.end(end, [imageLine(first, image), imageLine(second, image).slice(0, 200)]);
    await lane.collect();

    expect((await lane.chunk()).harvest).toMatchObject({ settled: 1, missing: 2, truncated: true });
    expect(await lane.totals()).toMatchObject({ settled: 1, inDoubt: 2, rejected: 0 });
  },
);

it('asks a canceled batch for the results that no list has shown, until it answers', async () => {
  const keys = await sent(3);
  const { channel } = lane.account;
  const list = channel.list.bind(channel);
  channel.list = async (...call) => {
    const done = await list(...call);
    if (done.type === 'done') for (const batch of done.batches) delete batch.responsesFile;
    return done;
  };
  lane.account.broken.get = [{ type: 'unknown', reason: '503' }];

  lane.account.end('canceled', imageLines(keys, image));
  await lane.collect();
  expect(await lane.statuses()).toEqual({ running: 3 });
  await lane.collect();

  expect(await lane.statuses()).toEqual({ succeeded: 3 });
});

it.each(['its counts', 'that it ran'])(
  'leaves members of a batch in doubt that may have made them, by %s',
  async (how) => {
    await sent(2);
    const batch = lane.account.batch();
    batch.state = 'BATCH_STATE_RUNNING';
    if (how === 'that it ran') await lane.poll();
    else batch.stats = { total: 2, succeeded: 1, failed: 0 };

    lane.account.end('canceled');
    for (let n = 0; n < 15; n++) await lane.collect();

    expect(await lane.totals()).toMatchObject({ inDoubt: 2, rejected: 0 });
  },
);

it('makes them again in another batch, once they are due', async () => {
  await sent(3);
  lane.account.end('expired');
  await lane.collect();

  lane.test.clock.advance(MINUTE);
  await lane.send();
  lane.account.end('succeeded', imageLines(lane.account.keys(), image));
  await lane.collect();

  expect(await lane.statuses()).toEqual({ succeeded: 3 });
  expect(await lane.totals()).toMatchObject({ calls: 6, rejected: 3, settled: 3, actualCost: 3 * ONE });
});

it('keeps what an expired batch has made, and puts the others back', async () => {
  const keys = await sent(5);

  lane.account.end('expired', imageLines(keys.slice(0, 2), image));
  await lane.collect();

  expect((await lane.chunk()).harvest).toMatchObject({ lines: 2, settled: 2, missing: 3, truncated: false });
  expect(await lane.statuses()).toEqual({ succeeded: 2, queued: 3 });
  expect(await lane.totals()).toMatchObject({ settled: 2, rejected: 3, inDoubt: 0, actualCost: 2 * ONE });
});

it('takes the first of twenty lines with one key, counts the others as waste and says so', async () => {
  const [first = '', ...others] = await sent(3);
  const second = await anImage('png', { side: 16, seed: 7 });

  const repeated = Array.from({ length: 19 }, () => imageLine(first, second));
  lane.account.end('succeeded', [imageLine(first, image), ...repeated, ...imageLines(others, image)]);
  await lane.collect();

  const chunk = await lane.chunk();
  expect(chunk.harvest).toMatchObject({ lines: 22, settled: 3, duplicates: 19, unknown: 0, missing: 0 });
  expect(chunk.waste).toBe(19 * ONE);
  expect(alarms()).toEqual(['19 lines repeat a key: each may be billed, the first answer counts']);
  expect(await lane.totals()).toMatchObject({ calls: 3, settled: 3, actualCost: 3 * ONE });
  const [job] = (await lane.jobs()).filter((one) => attemptOf(one)?.id === first);
  expect(job?.state.images[0]?.bytes).toBe(image.length);
});

it.each(['an error', 'an unknown outcome'])(
  'keeps the image behind %s of the same key, and only that',
  async (before) => {
    const [first = ''] = await sent(1);
    const [code, message] = before === 'an error' ? [13, 'INTERNAL'] : [4, 'Deadline expired'];
    const second = await anImage('png', { side: 16, seed: 7 });

    lane.account.end('succeeded', [errorLine(first, code, message), imageLine(first, image), imageLine(first, second)]);
    await lane.poll();
    await collectOnce(dyingAt(lane.unheld(), 'chunk.harvested').deps).catch(() => undefined);
    lane.test.clock.advance(MINUTE);
    await collectOnce(lane.unheld());

    const chunk = await lane.chunk();
    expect(chunk).toMatchObject({ state: 'closed', waste: ONE, harvest: { lines: 3, settled: 1, duplicates: 2 } });
    const [job] = await lane.jobs();
    expect(job?.state).toMatchObject({ status: 'succeeded', images: [{ bytes: image.length }], lateImages: [] });
    expect(await lane.totals()).toMatchObject({ settled: 1, inDoubt: 0, actualCost: ONE });
  },
);

it('joins shuffled lines to their jobs by key', async () => {
  const keys = await sent(6);
  const images = new Map(
    await Promise.all(keys.map(async (key, seed) => [key, await anImage('png', { side: 9 + seed })] as const)),
  );

  lane.account.end(
    'succeeded',
    keys.toReversed().map((key) => imageLine(key, images.get(key) ?? image)),
  );
  await lane.collect();

  for (const job of await lane.jobs()) {
    const own = images.get(attemptOf(job)?.id ?? '');
    expect(job.state.images[0]?.bytes).toBe(own?.length);
  }
});

it('counts a job without a line in a batch that succeeded as in doubt, and tries once more', async () => {
  const [first = ''] = await sent(2);

  lane.account.end('succeeded', [imageLine(first, image)]);
  await lane.collect();

  expect((await lane.chunk()).harvest).toMatchObject({ lines: 1, settled: 1, missing: 1 });
  expect(await lane.statuses()).toEqual({ succeeded: 1, queued: 1 });
  expect(await lane.totals()).toMatchObject({
    settled: 1,
    inDoubt: 1,
    actualCost: ONE,
    inDoubtCost: await estimate(1),
  });
  lane.test.clock.advance(MINUTE);
  await lane.send();
  lane.account.end('succeeded', []);
  await lane.collect();
  expect(await lane.statuses()).toEqual({ succeeded: 1, failed: 1 });
});

it.each(['hold', 'fail'] as const)('heeds on_unknown_outcome=%s for a job without a line', async (onUnknownOutcome) => {
  await sent(1, { request: { onUnknownOutcome } });

  lane.account.end('succeeded', []);
  await lane.collect();

  const [job] = await lane.jobs();
  expect([job?.state.status, job?.state.phase]).toEqual(
    onUnknownOutcome === 'hold' ? ['queued', 'held'] : ['failed', undefined],
  );
});

it('quarantines lines whose key was never sent: counted, told, and kept in the raw file', async () => {
  const [first = ''] = await sent(1);
  const strange = [imageLine('att_of_nobody', image), imageLine('', image)];

  lane.account.end('succeeded', [strange[0] ?? '', imageLine(first, image), strange[1] ?? '']);
  await lane.collect();

  const chunk = await lane.chunk();
  expect(chunk.harvest).toMatchObject({ lines: 3, settled: 1, unknown: 1, unreadable: 1, missing: 0 });
  expect(chunk.waste).toBe(ONE);
  expect(alarms()[0]).toContain('att_of_nobody');
  const raw = await lane.test.store.get(providerBatchKey(chunk.id, 'responses.jsonl'));
  expect(raw && (await buffer(raw)).toString()).toContain('att_of_nobody');
});

it('accounts for every whole line of a file that ends within one', async () => {
  const keys = await sent(4);
  const lines = imageLines(keys.slice(0, 3), image);
  const [, , last = ''] = lines;

  lane.account.end('succeeded', [...lines.slice(0, 2), last.slice(0, last.length / 2)]);
  await lane.collect();

  expect((await lane.chunk()).harvest).toMatchObject({
    lines: 3,
    settled: 2,
    unreadable: 1,
    missing: 2,
    truncated: true,
  });
  expect(await lane.statuses()).toEqual({ succeeded: 2, queued: 2 });
  expect(await lane.totals()).toMatchObject({ settled: 2, inDoubt: 2 });
});

it('goes on behind a line that is no JSON', async () => {
  const [first = '', second = ''] = await sent(2);

  lane.account.end('succeeded', [
    imageLine(first, image),
    '{"key":"x","response":{]}\n',
    '\n',
    imageLine(second, image),
  ]);
  await lane.collect();

  expect((await lane.chunk()).harvest).toMatchObject({ lines: 3, settled: 2, unreadable: 1, truncated: false });
  expect(await lane.statuses()).toEqual({ succeeded: 2 });
});

it('ends each job as its own line says', async () => {
  const [blocked = '', broken = '', wrong = '', fine = ''] = await sent(4);

  lane.account.end('succeeded', [
    blockedLine(blocked),
    errorLine(broken, 13, 'Internal error'),
    errorLine(wrong, 3, 'Invalid argument'),
    imageLine(fine, image),
  ]);
  await lane.collect();

  expect(await lane.statuses()).toEqual({ blocked: 1, queued: 1, failed: 1, succeeded: 1 });
  expect(await lane.totals()).toMatchObject({ settled: 2, rejected: 2, inDoubt: 0 });
});

it('waits for a result file that lags behind the end of its batch', async () => {
  const keys = await sent(2);
  const { responsesFile } = await endWithoutFile(keys);

  await lane.collect();
  expect((await lane.chunk()).state).toBe('ended');
  lane.account.files.set(responsesFile, Buffer.from(imageLines(keys, image).join('')));
  lane.test.clock.advance(MINUTE);
  await collectOnce(lane.deps);

  expect(await lane.statuses()).toEqual({ succeeded: 2 });
});

it('counts every job as in doubt when the result file is gone for good', async () => {
  const keys = await sent(2);
  await endWithoutFile(keys);

  await lane.poll();
  for (let n = 0; n < 12; n++) {
    await collectOnce(lane.deps);
    lane.test.clock.advance(2 * MINUTE);
  }

  expect(await lane.chunk()).toMatchObject({ state: 'closed', harvest: { missing: 2, lines: 0 } });
  expect(await lane.totals()).toMatchObject({ calls: 2, inDoubt: 2, inDoubtCost: 2 * (await estimate(0)), settled: 0 });
  expect(lane.account.calls.filter((call) => call === 'download').length).toBeGreaterThanOrEqual(6);
});

async function endWithoutFile(keys: string[]): Promise<{ responsesFile: string }> {
  lane.account.end('succeeded', keys);
  const responsesFile = lane.account.batch().responsesFile ?? '';
  lane.account.files.delete(responsesFile);
  return { responsesFile };
}

it('tries a download that breaks again, and settles nobody before it is whole', async () => {
  const keys = await sent(2);
  lane.account.broken.download = [
    { type: 'unknown', reason: 'cut' },
    { type: 'rejected', verdict: { type: 'rejected', code: 'upstream_overloaded', retryable: true, http: 503 } },
  ];
  lane.account.end('succeeded', imageLines(keys, image));

  await lane.collect();
  expect(await lane.statuses()).toEqual({ running: 2 });
  for (let n = 0; n < 3; n++) {
    lane.test.clock.advance(MINUTE);
    await collectOnce(lane.deps);
  }

  expect(await lane.statuses()).toEqual({ succeeded: 2 });
  expect(lane.account.files.size).toBe(0);
});

it('keeps the image of a job that was canceled while its batch was under way', async () => {
  const keys = await sent(2);
  const [job] = await lane.jobs();
  await lane.cancel(job?.id ?? '');

  lane.account.end('succeeded', imageLines(keys, image));
  await lane.collect();

  expect(await lane.statuses()).toEqual({ succeeded: 1, canceled: 1 });
  const [canceled] = await lane.jobs();
  expect(canceled?.state).toMatchObject({ status: 'canceled', lateImages: [{ bytes: image.length }], images: [] });
});

it('learns what result lines weigh', async () => {
  const keys = await sent(2);

  lane.account.end('succeeded', imageLines(keys, image));
  await lane.collect();

  const learnt = (await lane.batches.lineBytes('gemini-3.1-flash-image')).get('512') ?? 0;
  const line = imageLine(keys[0] ?? '', image).length;
  expect(Math.abs(learnt - line)).toBeLessThan(100);
});

it('collects once, whoever else collects at the same time', async () => {
  const keys = await sent(12);
  lane.account.end('succeeded', imageLines(keys, image));
  await lane.poll();

  await Promise.all([lane.unheld(), lane.unheld(), lane.unheld()].map((deps) => collectOnce(deps)));

  expect(await lane.statuses()).toEqual({ succeeded: 12 });
  expect(await lane.chunk()).toMatchObject({
    state: 'closed',
    harvest: { lines: 12, settled: 12, duplicates: 0, missing: 0 },
  });
  expect(await lane.totals()).toMatchObject({ calls: 12, settled: 12, actualCost: 12 * ONE });
  const events = await lane.test.redis.xrange(lane.test.key('events'), '-', '+');
  expect(events.filter(([, fields]) => fields.includes('job.succeeded')).length).toBe(12);
});

/** What the last call of a job was expected to cost. */
async function estimate(n: number): Promise<number> {
  return (await lane.jobs())[n]?.state.attempts.at(-1)?.estimate ?? 0;
}
