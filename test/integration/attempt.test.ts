/** One message and what its worker's surroundings may do to it, without the worker. */

import { afterEach, beforeEach, expect, it } from 'vitest';
import type { AttemptDeps } from '../../apps/worker/src/standard/deps.ts';
import { createRecovery } from '../../apps/worker/src/standard/recovery.ts';
import { runAttempt } from '../../apps/worker/src/standard/run-attempt.ts';
import { openTestAttempts, type TestAttempts } from '../support/attempts.ts';
import { TENANT } from '../support/ledger.ts';
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
