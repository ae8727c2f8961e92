/** Which of a worker's calls reach the figures that alerts are made of, in both lanes. */

import { MODELS } from '@darkroom/shared/domain';
import { createRedisAlerts } from '@darkroom/shared/storage/redis';
import { HOUR, MINUTE } from '@darkroom/shared/testing/factories';
import { describe, expect, it } from 'vitest';
import { openTestAttempts, runAttempt } from '../support/attempts.ts';
import { TENANT } from '../support/ledger.ts';
import { anImage } from '../support/run-job.ts';
import { replyWith, type StubReply } from '../support/stub-provider.ts';
import type { TestUsecases } from '../support/usecases.ts';
import { errorLine, imageLine } from './batch-lane/account.ts';
import { openLane } from './batch-lane/lane.ts';

const alertsOf = ({ redis, prefix, clock }: TestUsecases) =>
  createRedisAlerts({ redis, prefix, window: { windowMs: 10 * MINUTE, now: () => clock.now() } });

const model = MODELS[0]?.id ?? '';

describe('a call of the standard lane', () => {
  /** Makes one call, and looks at what was counted of it. */
  async function callOnce(...script: StubReply[]) {
    await using attempts = await openTestAttempts(...script);
    const { test, deps } = attempts;
    const { job } = await test.submit({ prompt: 'a red mug', lane: 'standard', model });
    await runAttempt(deps, TENANT, job.id);
    await deps.calls.flush();
    return alertsOf(test).calls();
  }

  it('counts with its time', async () => {
    const [counts] = await callOnce();

    expect(counts).toMatchObject({ channel: 'gemini', model, ended: 1, failed: 0 });
    expect([...(counts?.times.values() ?? [])]).toEqual([1]);
  });

  it('counts as failed when the provider has an error', async () => {
    expect(await callOnce(replyWith(500, '{"error":{"code":500}}'))).toMatchObject([{ ended: 1, failed: 1 }]);
  });

  it('does not count when it met a limit', async () => {
    expect(await callOnce(replyWith(429, '{"error":{"code":429}}'))).toEqual([]);
  });
});

describe('the batch lane', () => {
  it('counts each line, without the hours that it took', async () => {
    await using lane = await openLane();
    await lane.submit(3);
    await lane.send();
    const [first = '', second = '', third = ''] = lane.account.keys();
    const image = await anImage('png', { side: 16 });

    lane.account.end('succeeded', [
      imageLine(first, image),
      imageLine(second, image),
      errorLine(third, 13, 'Internal error.'),
    ]);
    await lane.collect();
    await lane.deps.calls.flush();

    const calls = await alertsOf(lane.test).calls();
    expect(calls).toMatchObject([{ channel: 'gemini', ended: 3, failed: 1 }]);
    expect(calls[0]?.times.size).toBe(0);
  });

  it('counts a provider batch that was given up once, and none of its jobs as a failed call', async () => {
    await using lane = await openLane();
    await lane.submit(3, { state: { expiresAt: lane.test.clock.now() + 5 * HOUR } });
    await lane.send();

    lane.test.clock.advance(4 * HOUR + 40 * MINUTE);
    for (let turn = 0; turn < 2; turn++) await lane.collect();
    await lane.deps.calls.flush();

    expect(await lane.statuses()).toEqual({ queued: 3 });
    expect(await alertsOf(lane.test).failovers()).toBe(1);
    expect(await alertsOf(lane.test).calls()).toEqual([]);
  });
});
