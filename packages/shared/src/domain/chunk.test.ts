import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aChannel } from '../testing/channels.ts';
import { aJob, aRequest, HOUR, MINUTE, NOON } from '../testing/factories.ts';
import {
  byHaste,
  type ChunkLimits,
  costOfLeaving,
  cutChunk,
  fitsChunk,
  isLateForBatch,
  leaveBatch,
  leaveBatchBy,
  lineBytes,
  mayLeaveBatch,
  weigh,
  weighAll,
} from './chunk.ts';
import type { Job } from './job.ts';
import { estimateCost } from './price.ts';

const LEARNT = new Map<string, number>();
const WIDE: ChunkLimits = { outputBytes: 1e9, inputBytes: 1e8, lines: 2_000, tokens: Number.POSITIVE_INFINITY };

const job: fc.Arbitrary<Job> = fc
  .record({
    prompt: fc.string({ maxLength: 400 }),
    size: fc.constantFrom('512', '1K', '2K', '4K'),
    references: fc.array(fc.integer({ min: 1, max: 7_000_000 }), { maxLength: 14 }),
    id: fc.uuid(),
  })
  .map(({ id, references, ...request }) => {
    const images = references.map((bytes, n) => ({
      key: `assets/${n}`,
      sha256: 'ab',
      mime: 'image/png' as const,
      bytes,
      width: 1,
      height: 1,
    }));
    return aJob({ id, request: { ...request, references: images, lane: 'batch' } });
  });
const limits: fc.Arbitrary<ChunkLimits> = fc.record({
  outputBytes: fc.integer({ min: 25_000_000, max: 2_000_000_000 }),
  inputBytes: fc.integer({ min: 1_000_000, max: 200_000_000 }),
  lines: fc.integer({ min: 1, max: 40 }),
  tokens: fc.integer({ min: 100, max: 100_000 }),
});

describe('a chunk', () => {
  it('is never over a limit, holds who comes first, and says whether the next one would still fit', () => {
    fc.assert(
      fc.property(fc.array(job, { maxLength: 60 }), limits, (waiting, most) => {
        const { members, weight, full } = cutChunk(waiting, most, LEARNT);

        expect(members).toEqual(waiting.slice(0, members.length));
        expect(weight).toEqual(
          weighAll(
            members.map(({ request }) => request),
            LEARNT,
          ),
        );
        expect(members.length === 0 || fitsChunk(weight, members.length, most)).toBe(true);
        const next = waiting[members.length];
        const more = weighAll(
          waiting.slice(0, members.length + 1).map(({ request }) => request),
          LEARNT,
        );
        expect(next === undefined || (full && !fitsChunk(more, members.length + 1, most))).toBe(true);
      }),
    );
  });

  it('after chunk leaves every job that fits by itself in exactly one, and the same ones each time', () => {
    fc.assert(
      fc.property(fc.array(job, { maxLength: 60 }), limits, (all, most) => {
        const fitting = all.filter(({ request }) => fitsChunk(weigh(request, LEARNT), 1, most));
        const cutAll = () => {
          const chunks: string[][] = [];
          for (let rest = fitting; rest.length; ) {
            const { members } = cutChunk(rest, most, LEARNT);
            expect(members.length).toBeGreaterThan(0);
            chunks.push(members.map(({ id }) => id));
            rest = rest.slice(members.length);
          }
          return chunks;
        };

        expect(cutAll().flat()).toEqual(fitting.map(({ id }) => id));
        expect(cutAll()).toEqual(cutAll());
      }),
    );
  });

  it('holds about as many images as can be fetched: a hundred of 2K, two hundred of 1K, forty of 4K', () => {
    const count = (size: string) =>
      cutChunk(
        Array.from({ length: 500 }, () => aJob({ request: { size } })),
        WIDE,
        LEARNT,
      ).members.length;

    expect([count('4K'), count('2K'), count('1K'), count('512')]).toEqual([40, 100, 200, 500]);
  });
});

describe('what a job weighs', () => {
  it('is learnt from harvests before any table', () => {
    expect(lineBytes('2K', new Map([['2K', 4_321]]))).toBe(4_321);
    expect(lineBytes('8K', LEARNT)).toBe(lineBytes('4K', LEARNT));
  });

  it('counts references as the base64 they are sent as', () => {
    const reference = { key: 'a', sha256: 'a', mime: 'image/png', bytes: 3_000_000, width: 1, height: 1 } as const;
    const alone = weigh(aRequest(), LEARNT);

    expect(weigh(aRequest({ references: [reference] }), LEARNT).inputBytes - alone.inputBytes).toBeGreaterThan(
      4_000_000,
    );
    expect(weigh(aRequest({ references: [reference] }), LEARNT).tokens - alone.tokens).toBe(1_120);
  });
});

describe('the time to leave the batch lane', () => {
  const times = { standardMs: 20 * MINUTE, batchMsMin: 2 * MINUTE, specs: [aChannel()] };

  it('is a call of the standard lane before the deadline', () => {
    expect(leaveBatchBy(aJob({ state: { expiresAt: NOON + HOUR } }), times)).toBe(NOON + 40 * MINUTE);
    expect(isLateForBatch(aJob({ state: { expiresAt: NOON + HOUR } }), times, NOON + 37 * MINUTE)).toBe(false);
    expect(isLateForBatch(aJob({ state: { expiresAt: NOON + HOUR } }), times, NOON + 38 * MINUTE)).toBe(true);
  });

  it('keeps jobs that never leave out of the chunks of those that may', () => {
    const poor = aJob({ request: { maxCost: 30_000 }, state: { expiresAt: NOON + 9 * HOUR } });
    const rich = [5, 90].map((hours) => aJob({ state: { expiresAt: NOON + hours * HOUR } }));

    expect(byHaste([poor, ...rich], times, NOON)).toEqual([[poor], rich]);
  });

  it('never comes for a job that max_cost keeps there', () => {
    const poor = aJob({ request: { maxCost: 30_000 }, state: { expiresAt: NOON + 1 } });

    expect([leaveBatchBy(poor, times), isLateForBatch(poor, times, NOON)]).toEqual([undefined, false]);
  });
});

describe('what a job costs once it has left the batch lane', () => {
  const flat = (id: string, micros: number) => aChannel({ id, price: { perImage: { '1K': micros } } });
  const cheap = flat('cheap', 20_000);
  const dear = flat('dear', 300_000);
  const tied = { channels: ['dear'] };
  const aRow = (request: Partial<Job['request']> = {}) =>
    aJob({ request: { lane: 'batch', size: '1K', ...request }, state: { estimated: 15_000 } });

  it('is the price of the cheapest channel that may carry it', () => {
    expect(costOfLeaving(aRow(), [dear, cheap])).toBe(5_000);
    expect(costOfLeaving(aRow({ routing: tied }), [dear, cheap])).toBe(285_000);
  });

  it('is the catalogue’s where no channel may carry it', () => {
    const row = aRow();

    expect(costOfLeaving(row, [aChannel({ lanes: ['batch'] })])).toBe(estimateCost(row.request, 'standard') - 15_000);
  });

  it('decides whether max_cost lets it go', () => {
    const may = (maxCost: number, ...specs: ReturnType<typeof flat>[]) => mayLeaveBatch(aRow({ maxCost }), specs);

    expect([may(20_000, dear, cheap), may(19_999, dear, cheap), may(20_000, dear)]).toEqual([true, false, false]);
    expect(mayLeaveBatch(aRow({ maxCost: 20_000, routing: tied }), [dear, cheap])).toBe(false);
    expect(mayLeaveBatch(aRow(), [dear])).toBe(true);
  });

  it('is what its record says from there on, and what its batch must have room for', () => {
    const leave = (...specs: ReturnType<typeof flat>[]) => leaveBatch(aRow(), { reason: 'too late', specs }, NOON);

    expect(leave(dear, cheap)).toMatchObject({ dearer: 5_000, after: { state: { estimated: 20_000 } } });
    expect(leave(flat('free', 0))).not.toHaveProperty('dearer');
  });
});
