import { setTimeout as sleep } from 'node:timers/promises';
import type { Batch } from '@darkroom/shared/domain';
import type { Log } from '@darkroom/shared/observability';
import type { Batches } from '@darkroom/shared/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runBatches } from '../../../apps/worker/src/batches/loops.ts';
import { openTestAttempts, runAttempt } from '../../support/attempts.ts';
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

function work(deps = test.deps) {
  const draining = new AbortController();
  const note = (fields: object, event: string) => void lines.push({ ...fields, event });
  const log: Log = { debug: note, info: note, warn: note, error: note };
  const running = runBatches({ ...deps, log, draining: draining.signal });
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

describe('while a large batch is', () => {
  /** What was written of batches, in order. Each step of the large one takes a while, and its second one `meanwhile`. */
  function slowed(large: Batch, meanwhile: () => Promise<unknown>) {
    const written: Batch[] = [];
    let steps = 0;
    const write: Batches['write'] = async (change) => {
      written.push(change.batch);
      if (change.batch.id === large.id) {
        test.clock.advance(100);
        if (++steps === 2) await meanwhile();
      }
      return test.batches.write(change);
    };
    return { written, deps: { ...test.deps, batches: { ...test.batches, write } } };
  }

  it('canceled, a small one is canceled meanwhile', async () => {
    const large = await test.accept(rows(1_600));
    const small = await test.accept(rows(1));
    for (const { id } of [large, small]) await test.settle(id);
    await test.control(large.id, 'cancel');
    const { written, deps } = slowed(large, () => test.control(small.id, 'cancel'));

    work(deps);
    await until(async () => (await test.batch(large.id)).status === 'canceled');

    const swept = ({ id, sweep, status }: Batch) => status === 'canceling' && !sweep && id;
    expect(written.map(swept).filter(Boolean)).toEqual([small.id, large.id]);
  });

  it('loaded, a small one is loaded meanwhile', async () => {
    const large = await test.accept(rows(100), {}, 5);
    const small: string[] = [];
    const { written, deps } = slowed(large, async () => small.push((await test.accept(rows(1))).id));

    work(deps);
    await until(async () => (await test.batch(large.id)).loaded === 100);

    const loaded = ({ id, loaded: to, total }: Batch) => to === total && id;
    expect([...new Set(written.map(loaded).filter(Boolean))]).toEqual([...small, large.id]);
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

    const seen = new AbortController();
    let looks = 0;
    const isPaused: typeof attempts.deps.isPaused = async (...of) => {
      // The second look is at the line of those that wait for the batch.
      if (++looks === 2) setImmediate(() => seen.abort());
      return attempts.deps.isPaused(...of);
    };
    expect(await runAttempt({ ...attempts.deps, isPaused, draining: seen.signal }, TENANT, id)).toMatchObject({
      type: 'later',
    });
    expect(attempts.provider.calls.length).toBe(0);

    await paused.control(batch.id, 'resume');
    paused.clock.advance(1_000);
    expect(await runAttempt(attempts.deps, TENANT, id)).toEqual({ type: 'done' });
    expect(await paused.settle(batch.id)).toMatchObject({ status: 'completed' });
  });
});
