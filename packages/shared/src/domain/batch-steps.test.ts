import { describe, expect, it } from 'vitest';
import { HOUR, MINUTE, NOON } from '../testing/factories.ts';
import type { Batch, BatchTotals } from './batch.ts';
import { cancelBatch, patchBatch, resumeBatch, retryBatch } from './batch-control.ts';
import { mind, newBatch, nextRows, shownCounts } from './batch-steps.ts';

function aBatch(more: Partial<Batch> = {}): Batch {
  const batch = newBatch({
    id: 'bat_019aa0b1c2d37e4f8a9b0c1d2e3f4a5b',
    tenant: 'default',
    createdAt: NOON,
    expiresAt: NOON + 8 * HOUR,
    total: 20_000,
    invalid: 0,
    shards: [],
    estimated: 0,
    priority: 5,
    route: { lane: 'standard', reason: 'asked for' },
    metadata: {},
    tags: [],
  });
  return { ...batch, ...more };
}

const NONE = { queued: 0, running: 0, succeeded: 0, blocked: 0, failed: 0, canceled: 0, expired: 0, deduplicated: 0 };

function totals(counts: Partial<BatchTotals['counts']> = {}, more: Partial<BatchTotals> = {}): BatchTotals {
  const all = { ...NONE, ...counts };
  const made = Object.values(counts).reduce((sum, one) => sum + one, 0);
  const costs = { actual: 0, inDoubt: 0 };
  return {
    counts: all,
    costs,
    openEstimated: 0,
    enlisted: made,
    next: made,
    made,
    rescued: 0,
    providerBatches: [],
    ...more,
  };
}

describe('the next rows', () => {
  it.each([
    ['standard', 9_900, 100],
    ['standard', 10_000, 0],
    ['batch', 10_000, 1_000],
  ] as const)('of a batch in the %s lane with %i open jobs are %i', (lane, queued, count) => {
    const batch = aBatch({ loaded: queued, route: { lane, reason: 'asked for' } });

    const next = nextRows(batch, totals({ queued }), 1_000, NOON);

    expect(next ? next.to - next.from : 0).toBe(count);
  });

  it('may cost what is left once the open jobs are paid', () => {
    const spent = totals({ queued: 2 }, { costs: { actual: 100, inDoubt: 30 }, openEstimated: 70 });

    expect(nextRows(aBatch({ maxCost: 1_000 }), spent, 1, NOON)?.budget).toBe(800);
    expect(nextRows(aBatch(), spent, 1, NOON)?.budget).toBe(Number.POSITIVE_INFINITY);
  });

  it.each([
    ['paused', { status: 'paused' }],
    ['being canceled', { status: 'canceling' }],
    ['over', { status: 'completed' }],
    ['past its deadline', { expiresAt: NOON }],
    ['loaded', { loaded: 20_000 }],
  ] as const)('are none of a batch that is %s', (_, facts) => {
    expect(nextRows(aBatch(facts), totals(), 1_000, NOON)).toBeUndefined();
  });
});

describe('what is told of progress', () => {
  it.each([
    ['after five percent', 1_000, 1, ['batch.progressed']],
    ['not before', 999, 1, []],
    ['after a minute with any more', 1, MINUTE, ['batch.progressed']],
    ['not after a minute without', 0, MINUTE, []],
  ])('%s', (_, succeeded, ms, events) => {
    const batch = aBatch({ status: 'running', startedAt: NOON, loaded: 20_000 });

    expect(mind(batch, totals({ succeeded, queued: 20_000 - succeeded }), NOON + ms)?.events ?? []).toEqual(events);
  });
});

describe('a batch', () => {
  it('shows rows that are no jobs yet as queued, so that its counts are the total', () => {
    const batch = aBatch({ loaded: 3 });

    expect(shownCounts(batch, totals({ queued: 1, succeeded: 2 }))).toMatchObject({ queued: 19_998, succeeded: 2 });
  });

  it('that was canceled in the middle of something else does that no more', () => {
    const retrying = retryBatch(aBatch({ status: 'completed', loaded: 20_000 }), totals({ failed: 1 }), NOON).batch;

    expect(cancelBatch(retrying)?.batch).toMatchObject({ status: 'canceling', sweep: { action: 'cancel', row: 0 } });
  });

  it('is not patched in the middle of something else, which is worth another try', () => {
    const retrying = retryBatch(aBatch({ status: 'completed', loaded: 20_000 }), totals({ failed: 1 }), NOON).batch;
    const patch = () => patchBatch(retrying, { priority: 9 }, NOON);

    expect(patch).toThrow(expect.objectContaining({ code: 'conflict', retryable: true }));
    expect(patchBatch(retrying, { maxCost: 5 }, NOON)?.batch).toMatchObject({ maxCost: 5, sweep: { action: 'retry' } });
  });

  it('has at least its first time again when it is made again', () => {
    const late = NOON + 20 * HOUR;

    expect(retryBatch(aBatch({ status: 'expired' }), totals({ failed: 1 }), late).batch).toMatchObject({
      expiresAt: late + 8 * HOUR,
    });
    expect(retryBatch(aBatch({ status: 'running' }), totals({ failed: 1 }), NOON + HOUR).batch).toMatchObject({
      expiresAt: NOON + 8 * HOUR,
    });
  });

  it.each([{ failed: 1 }, { expired: 4 }])('is made again with rows that ended as %j', (counts) => {
    const again = retryBatch(aBatch({ status: 'completed' }), totals({ succeeded: 3, ...counts }), NOON);

    expect(again.batch).toMatchObject({ generation: 1, sweep: { action: 'retry' } });
  });

  it('is not made again when no row failed or expired', () => {
    const retry = () => retryBatch(aBatch({ status: 'completed' }), totals({ succeeded: 3, blocked: 1 }), NOON);

    expect(retry).toThrow(expect.objectContaining({ code: 'conflict', retryable: false }));
  });

  it('that is not paused is not resumed', () => {
    expect(resumeBatch(aBatch())).toBeUndefined();
  });
});
