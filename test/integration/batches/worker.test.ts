import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '@darkroom/shared/observability';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runBatches } from '../../../apps/worker/src/batches/loops.ts';
import { runAttempt } from '../../../apps/worker/src/standard/run-attempt.ts';
import { openTestAttempts } from '../../support/attempts.ts';
import { openTestBatches, type TestBatches } from '../../support/batches.ts';
import { TENANT } from '../../support/ledger.ts';

let test: TestBatches;
let lines: { event: string; batch?: string }[];
let loops: { stop: () => Promise<unknown> } | undefined;

beforeEach(async () => {
  test = await openTestBatches();
  lines = [];
});
afterEach(async () => {
  await loops?.stop();
  await test[Symbol.asyncDispose]();
});

function work() {
  const draining = new AbortController();
  const note = (fields: object, event: string) => void lines.push({ ...fields, event });
  const log: Log = { debug: note, info: note, warn: note, error: note };
  const running = runBatches({ ...test.deps, log, draining: draining.signal });
  loops = {
    stop: () => {
      draining.abort();
      return Promise.all(running);
    },
  };
}

async function until(claim: () => Promise<boolean>): Promise<void> {
  while (!(await claim())) await sleep(20);
}

const rows = (count: number) => Array.from({ length: count }, () => ({}));

describe('a worker', () => {
  it('brings batches to their ends, whatever happens to one of them', async () => {
    const broken = await test.accept(rows(2));
    const batch = await test.accept(rows(2));
    await test.store.delete(`batches/${broken.id}/input-00000.jsonl`);

    work();

    await until(async () => (await test.batch(batch.id)).status === 'queued');
    for (const key of ['row-0', 'row-1']) await test.succeed((await test.job(batch, key)).id);
    await until(async () => (await test.batch(batch.id)).status === 'completed');
    await test.control(broken.id, 'cancel');
    await until(async () => (await test.batch(broken.id)).status === 'canceled');
    expect(lines).toContainEqual(expect.objectContaining({ event: 'batch.step_failed', batch: broken.id }));
    expect(lines).toContainEqual(expect.objectContaining({ event: 'batch.completed', batch: batch.id }));
    // A failing batch is left alone for a while, not tried again and again.
    expect(lines.filter(({ event }) => event === 'batch.step_failed').length).toBeLessThan(3);
  });
});

describe('the standard lane', () => {
  it('puts off the jobs of a paused batch, and takes them up when it goes on', async () => {
    await using attempts = await openTestAttempts();
    await using paused = await openTestBatches(attempts.test);
    const batch = await paused.accept(rows(1));
    await paused.settle(batch.id);
    await paused.control(batch.id, 'pause');
    const { id } = await paused.job(batch, 'row-0');

    expect(await runAttempt(attempts.deps, TENANT, id)).toMatchObject({ type: 'later', scope: 'job' });
    expect(attempts.provider.calls.length).toBe(0);

    await paused.control(batch.id, 'resume');
    paused.clock.advance(1_000);
    expect(await runAttempt(attempts.deps, TENANT, id)).toEqual({ type: 'done' });
    expect(await paused.settle(batch.id)).toMatchObject({ status: 'completed' });
  });
});
