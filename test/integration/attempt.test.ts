/** One message and what its worker's surroundings may do to it, without the worker. */

import { lineStandingOf } from '@darkroom/shared/domain';
import { HOUR, SECOND } from '@darkroom/shared/testing/factories';
import { storeAsset } from '@darkroom/shared/usecases';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { AttemptDeps } from '../../apps/worker/src/standard/deps.ts';
import { createRecovery } from '../../apps/worker/src/standard/recovery.ts';
import { runNext } from '../../apps/worker/src/standard/run-attempt.ts';
import { createSemaphore } from '../../apps/worker/src/standard/semaphore.ts';
import { sweepOnce } from '../../apps/worker/src/sweeper/sweep.ts';

import { openTestAttempts, runAttempt, type TestAttempts } from '../support/attempts.ts';
import { openTestBatches } from '../support/batches.ts';
import { TENANT } from '../support/ledger.ts';
import { anImage } from '../support/run-job.ts';
import { replyWith } from '../support/stub-provider.ts';

const MUG = { prompt: 'a red mug', model: 'gemini-3.1-flash-image', size: '512' };

let cleanup: AsyncDisposableStack;
beforeEach(() => {
  cleanup = new AsyncDisposableStack();
});
afterEach(() => cleanup.disposeAsync());

async function open(...script: Parameters<typeof openTestAttempts>): Promise<TestAttempts> {
  return cleanup.use(await openTestAttempts(...script));
}

/** Takes in hand what is left, and brings it to its end. */
async function recover(deps: AttemptDeps): Promise<void> {
  const recovery = createRecovery(deps, { uploads: 1 });
  await recovery.once();
  await recovery.idle();
}

/** `write` of the ledger breaks off where `fails` says so, as when Redis goes away. */
function cutWrites(deps: AttemptDeps, fails: (n: number) => 'before' | 'after' | undefined): AttemptDeps {
  let n = 0;
  const write: AttemptDeps['ledger']['write'] = async (...args) => {
    const when = fails(++n);
    if (when === 'before') throw new Error('Redis is away');
    const written = await deps.ledger.write(...args);
    if (when === 'after') throw new Error('Redis is away');
    return written;
  };
  return { ...deps, ledger: { ...deps.ledger, write } };
}

it.each(['before', 'after'] as const)(
  'leaves no place in the spool, and counts nothing as spent, when Redis goes away %s the lease is written',
  async (when) => {
    const { deps, test, provider, spooled } = await open();
    const { job } = await test.submit(MUG);

    await runAttempt(
      cutWrites(deps, (n) => (n === 1 ? when : undefined)),
      TENANT,
      job.id,
    );

    expect(await spooled()).toHaveLength(1);
    await recover(deps);
    expect([await spooled(), deps.unfinished.size, provider.calls.length]).toEqual([[], 0, 0]);
    expect((await test.read(job.id)).state.status).toBe('queued');
    expect(await test.ledger.totals(TENANT)).toMatchObject({ inDoubt: 0, inDoubtCost: 0 });
  },
);

it('remembers an error answer that the record could not take yet', async () => {
  const { deps, test } = await open(replyWith(500, { error: { code: 500, message: 'No.', status: 'INTERNAL' } }));
  const { job } = await test.submit(MUG);

  await runAttempt(
    cutWrites(deps, (n) => (n === 2 ? 'before' : undefined)),
    TENANT,
    job.id,
  );

  expect((await test.read(job.id)).state.status).toBe('running');
  await recover(deps);
  expect((await test.read(job.id)).state.attempts).toMatchObject([
    { state: 'rejected', error: 'upstream_unavailable' },
  ]);
});

it('teaches the router how long the call took, and not how long the job waited for it', async () => {
  const { deps, test } = await open();
  const { job } = await test.submit({
    ...MUG,
    lane: 'standard',
    deadline: new Date(test.clock.now() + 10 * HOUR).toISOString(),
  });
  const noted: unknown[] = [];
  const latency = { ...deps.latency, note: async (...of: unknown[]) => void noted.push([of[0], of[2]]) };
  const put: AttemptDeps['store']['put'] = (...of) => {
    test.clock.advance(20 * SECOND);
    return deps.store.put(...of);
  };
  test.clock.advance(9 * HOUR);

  await runAttempt({ ...deps, latency, store: { ...deps.store, put } }, TENANT, job.id);

  expect(noted).toEqual([['standard', 20 * SECOND]]);
});

/** A clock by which 40 seconds pass whenever somebody looks. */
function hurried(deps: AttemptDeps): AttemptDeps {
  let now = deps.clock.now();
  return { ...deps, clock: { now: () => (now += 40_000) } };
}

it('gives a message back when its spool stays full, so that another host may take it', async () => {
  const { deps, test, provider } = await open();
  const { job } = await test.submit(MUG);

  const ran = await runAttempt({ ...hurried(deps), spoolBytesMax: -1 }, TENANT, job.id);

  expect(ran).toEqual({ type: 'later', ms: 5_000 });
  expect(provider.calls).toHaveLength(0);
});

it('gives a message back when no slot becomes free, and at once when the process drains', async () => {
  const { deps, test } = await open();
  const { job } = await test.submit(MUG);
  const patience = { ms: 0, signal: deps.draining };
  using _first = await deps.slots.take(0, patience);
  using _second = await deps.slots.take(0, patience);
  const draining = new AbortController();

  expect(await runAttempt(hurried(deps), TENANT, job.id)).toEqual({ type: 'later', ms: 1_000 });

  const waiting = runAttempt({ ...deps, draining: draining.signal }, TENANT, job.id);
  draining.abort();
  expect(await waiting).toEqual({ type: 'later', ms: 0 });
});

it('reads references once, when the call may leave, however often the model’s limit is waited for', async () => {
  const { deps, test, provider } = await open();
  const bytes = await anImage('png', { seed: 3 });
  const reference = await storeAsset(deps.store, TENANT, bytes);
  await test.admit('job_1', { request: { model: MUG.model, size: MUG.size, references: [reference] } });
  const read: string[] = [];
  const get: AttemptDeps['store']['get'] = (key, range) => {
    read.push(key);
    return deps.store.get(key, range);
  };
  const place = { channel: 'gemini', model: MUG.model };
  await deps.quotas.learn(place, { type: 'pause', ms: 300, reason: 'rate_limited', why: 'a test' });

  await runAttempt({ ...deps, store: { ...deps.store, get } }, TENANT, 'job_1');

  expect(read).toEqual([reference.key]);
  expect(provider.calls).toHaveLength(1);
  expect(provider.calls[0]?.body).toContain(bytes.toString('base64'));
  expect((await test.read('job_1')).state.status).toBe('succeeded');
});

it('fails a job whose reference was deleted, at once and at no cost, and serves who is behind it', async () => {
  const { deps, test, provider, spooled } = await open();
  const reference = await storeAsset(deps.store, TENANT, await anImage('png', { seed: 3 }));
  const request = { model: MUG.model, size: MUG.size, references: [reference] };
  const { expiresAt } = (await test.admit('job_1', { request })).state;
  await test.admit('job_2', { request: { model: MUG.model, size: MUG.size }, state: { expiresAt: expiresAt + HOUR } });
  await deps.lines.add([lineStandingOf(await test.read('job_2'), deps.channels.specs)]);
  await deps.store.delete(reference.key);

  await runAttempt(deps, TENANT, 'job_1');

  expect((await test.read('job_1')).state).toMatchObject({
    status: 'failed',
    error: { code: 'not_found', detail: expect.stringContaining('references[0]') },
    attempts: [],
  });
  expect((await test.read('job_2')).state.status).toBe('succeeded');
  expect([provider.calls.length, await spooled()]).toEqual([1, []]);
});

it('takes its intent back when there is no leave, and makes one call once there is', async () => {
  const { deps, test, provider, spooled } = await open();
  const { job } = await test.submit(MUG);
  let asked = 0;
  const left: string[][] = [];
  const take: AttemptDeps['quotas']['take'] = async (...of) => {
    asked++;
    // Of what the try before has left behind; this one's intent may be on its way to the disk just now.
    if (asked > 1) left.push(await spooled());
    const refused = { granted: false, retryAfterMs: 1, reason: 'rate_limited', window: 'requests' } as const;
    return asked < 4 ? refused : deps.quotas.take(...of);
  };

  await runAttempt({ ...deps, quotas: { ...deps.quotas, take } }, TENANT, job.id);

  expect([asked, left.every((files) => files.length <= 1), provider.calls.length]).toEqual([4, true, 1]);
  expect((await test.read(job.id)).state).toMatchObject({ status: 'succeeded' });
  expect(await spooled()).toEqual([]);
});

it('leaves nothing in the spool when Redis cannot be asked for leave', async () => {
  const { deps, test, provider, spooled } = await open();
  const { job } = await test.submit(MUG);
  const take: AttemptDeps['quotas']['take'] = async () => {
    throw new Error('Redis is away');
  };

  await expect(runAttempt({ ...deps, quotas: { ...deps.quotas, take } }, TENANT, job.id)).rejects.toThrow('away');

  expect([await spooled(), provider.calls.length]).toEqual([[], 0]);
  expect((await test.read(job.id)).state.status).toBe('queued');
});

it('leaves the jobs of a paused batch where they stand, and goes on with them once it is resumed', async () => {
  const { deps, test } = await open();
  const batches = await openTestBatches(test);
  const batch = await batches.accept([{ key: 'k', request: { model: MUG.model, size: MUG.size } }]);
  await batches.settle(batch.id);
  const { id } = await batches.job(batch, 'k');
  await batches.control(batch.id, 'pause');
  const serve = (run: typeof runAttempt) => run({ ...deps, draining: AbortSignal.timeout(700) }, TENANT, id);
  const next: typeof runAttempt = (some) => runNext(some, MUG.model, createSemaphore(1));

  await serve(runAttempt);
  await test.loseMessages();
  test.clock.advance(HOUR / 2);
  await sweepOnce({ ...test, ...deps, letGo: async () => undefined });

  expect([(await test.read(id)).state.status, await test.messages()]).toEqual(['queued', []]);
  await batches.control(batch.id, 'resume');
  await serve(next);
  expect((await test.read(id)).state.status).toBe('succeeded');
});

it('serves a job that becomes due from the hand of a message that waits for another line', async () => {
  const { deps, test, provider } = await open();
  const [waits, due] = [(await test.submit(MUG)).job, (await test.submit({ ...MUG, prompt: 'a blue mug' })).job];
  await deps.lines.add([{ ...lineStandingOf(waits, []), channels: ['elsewhere'] }]);
  const picked = await deps.lines.pick(MUG.model);
  if (picked.type !== 'job') throw new Error('nobody is next');
  await deps.lines.putBack(picked.turn, HOUR);
  await deps.lines.addLater(lineStandingOf(due, deps.channels.specs), 300);

  // Its message finds nobody who may go, and stays in hand.
  await runNext(deps, MUG.model, createSemaphore(1));

  expect(provider.calls).toHaveLength(1);
  expect((await test.read(due.id)).state.status).toBe('succeeded');
});

it('tells the quota of an image, which ends the growing of pauses, and before what a refusal teaches', async () => {
  const refused = replyWith(429, {
    error: { code: 429, message: 'Resource has been exhausted.', status: 'RESOURCE_EXHAUSTED' },
  });
  const [good, bad] = [await open(), await open(refused)];
  const told: unknown[] = [];
  for (const { deps, test } of [good, bad]) {
    const { job } = await test.submit(MUG);
    const ended: AttemptDeps['quotas']['ended'] = (place, attempt, used) => {
      told.push(used?.images);
      return deps.quotas.ended(place, attempt, used);
    };
    const learn: AttemptDeps['quotas']['learn'] = (...of) => {
      told.push('learnt');
      return deps.quotas.learn(...of);
    };
    await runAttempt({ ...deps, quotas: { ...deps.quotas, ended, learn } }, TENANT, job.id);
  }

  expect(told).toEqual([1, 0, 'learnt']);
});
