import type { Demand } from '@darkroom/shared/ports';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ONE, openQuotas, PRO, type TestQuotas, waitOf } from '../support/quotas.ts';

const MINUTE = 60_000;
const TEN_MINUTES = 600_000;
const LIMITS = { requestsPerMinute: 6, imagesPerMinute: 9, tokensPerMinute: 1_000 };
const SPEND = 10_000;

type Step =
  | { type: 'take'; demand: Demand; underwayMs: number }
  | { type: 'sent' | 'ended' | 'giveBack'; nth: number; share: number }
  | { type: 'pass'; ms: number }
  | { type: 'wait' };

type Call = Demand & { id: string; sentAt: number; endedAt?: number; underwayMs: number };

const aStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('take' as const),
      demand: fc.record({
        tokens: fc.integer({ min: 0, max: 600 }),
        images: fc.integer({ min: 0, max: 3 }),
        cost: fc.integer({ min: 0, max: 4_000 }),
      }),
      // What one call may take longer to arrive than another.
      underwayMs: fc.integer({ min: 0, max: 350 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constantFrom('sent' as const, 'ended' as const, 'giveBack' as const),
      nth: fc.nat(20),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('pass' as const),
      ms: fc.oneof(fc.integer({ min: 1, max: 2_000 }), fc.integer({ min: 20_000, max: 61_000 })),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ type: 'wait' as const }) },
);

/** The most that lies within any interval of `span`. */
function most(span: number, entries: { at: number; amount: number }[]): number {
  const sums = entries.map(({ at }) =>
    entries.reduce((sum, entry) => (entry.at >= at && entry.at < at + span ? sum + entry.amount : sum), 0),
  );
  return Math.max(0, ...sums);
}

/** Walks through the steps; gives every call that was made, at the instants that the server knew. */
async function walk(test: TestQuotas, steps: Step[]): Promise<Call[]> {
  const open: (Call & { isSent: boolean })[] = [];
  const made: Call[] = [];
  let refusedFor = 0;
  for (const [n, step] of steps.entries()) {
    const quotas = n % 2 ? test.quotas : test.other;
    if (step.type === 'take') {
      const id = `call-${n}`;
      const leave = await quotas.take(PRO, id, step.demand);
      refusedFor = waitOf(leave);
      if (leave.granted) {
        const call = { ...step.demand, id, sentAt: await test.now(), underwayMs: step.underwayMs, isSent: false };
        open.push(call);
        made.push(call);
      }
    } else if (step.type === 'pass' || step.type === 'wait') {
      await test.pass(step.type === 'wait' ? refusedFor : step.ms);
    } else {
      const call = open[step.nth % Math.max(1, open.length)];
      if (!call) continue;
      if (step.type === 'sent' && !call.isSent && (await test.now()) - call.sentAt < MINUTE) {
        await quotas.sent(PRO, call.id);
        call.sentAt = await test.now();
        call.isSent = true;
      } else if (step.type === 'ended') {
        const used = { tokens: Math.floor(call.tokens * step.share), cost: Math.floor(call.cost * step.share) };
        await quotas.ended(PRO, call.id, used);
        Object.assign(call, used, { endedAt: await test.now() });
        open.splice(open.indexOf(call), 1);
      } else if (step.type === 'giveBack' && !call.isSent) {
        await quotas.giveBack(PRO, call.id);
        open.splice(open.indexOf(call), 1);
        made.splice(made.indexOf(call), 1);
      }
    }
  }
  return made;
}

describe('no interval', () => {
  it('of a window’s length ever holds more than the limit, as the provider sees the calls', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(aStep, { minLength: 20, maxLength: 70 }), async (steps) => {
        await using test = await openQuotas(LIMITS, { channel: { spendPerTenMinutes: SPEND } });

        const calls = await walk(test, steps);

        const arrived = (amountOf: (call: Call) => number) =>
          calls.map((call) => ({ at: call.sentAt + call.underwayMs, amount: amountOf(call) }));
        expect(
          most(
            MINUTE,
            arrived(() => 1),
          ),
        ).toBeLessThanOrEqual(LIMITS.requestsPerMinute);
        expect(
          most(
            MINUTE,
            arrived(({ images }) => images),
          ),
        ).toBeLessThanOrEqual(LIMITS.imagesPerMinute);
        expect(
          most(
            MINUTE,
            arrived(({ tokens }) => tokens),
          ),
        ).toBeLessThanOrEqual(LIMITS.tokensPerMinute);
        expect(
          most(
            TEN_MINUTES,
            arrived(({ cost }) => cost),
          ),
        ).toBeLessThanOrEqual(SPEND);
        const billed = calls.map(({ endedAt, sentAt, cost }) => ({ at: endedAt ?? sentAt, amount: cost }));
        expect(most(TEN_MINUTES, billed)).toBeLessThanOrEqual(SPEND);
      }),
      { numRuns: 15, endOnFailure: true },
    );
  });
});

describe('a refusal', () => {
  it('lasts until there is room, to the millisecond, and no longer', async () => {
    const amounts = fc.record({
      tokens: fc.integer({ min: 50, max: 1_000 }),
      images: fc.constant(1),
      cost: fc.nat(4_000),
    });
    const calls = fc.array(fc.record({ demand: amounts, ms: fc.integer({ min: 0, max: 15_000 }) }), {
      minLength: 10,
      maxLength: 25,
    });
    await fc.assert(
      fc.asyncProperty(calls, async (all) => {
        await using test = await openQuotas(LIMITS, { channel: { spendPerTenMinutes: SPEND } });
        for (const [n, { demand, ms }] of all.entries()) {
          await test.pass(ms);
          const asked = await test.now();
          const leave = await test.quotas.take(PRO, `call-${n}`, demand);
          if (leave.granted) continue;
          // Nothing but the time that the commands themselves take lies between.
          await test.pass(Math.max(0, leave.retryAfterMs - 25));
          const early = await test.quotas.take(PRO, `call-${n}`, demand);
          const took = (await test.now()) - asked;
          expect(early.granted && took < leave.retryAfterMs - 2).toBe(false);
          await test.pass(25);
          expect(await test.other.take(PRO, `call-${n}`, demand)).toEqual({ granted: true });
        }
      }),
      { numRuns: 8, endOnFailure: true },
    );
  });
});

describe('a window that is always full', () => {
  it.each([
    ['requests', { requestsPerMinute: 60 }, {}, 1, 60, MINUTE],
    ['images', { imagesPerMinute: 60 }, {}, ONE.images, 60, MINUTE],
    ['tokens', { tokensPerMinute: 6_000 }, {}, ONE.tokens, 6_000, MINUTE],
    ['spend', {}, { spendPerTenMinutes: 60_000 }, ONE.cost, 60_000, TEN_MINUTES],
  ])('uses at least 98 %% of its allowance of %s', async (_, limits, channel, amount, limit, span) => {
    await using test = await openQuotas(limits, { channel });
    const began = await test.now();
    let made = 0;
    for (let round = 0; made < 300; round++) {
      const ids = Array.from({ length: 25 }, (__, n) => `call-${round}-${n}`);
      const leaves = await Promise.all(ids.map((id) => test.quotas.take(PRO, id, ONE)));
      const granted = ids.filter((_id, n) => leaves[n]?.granted);
      await Promise.all(granted.flatMap((id) => [test.quotas.sent(PRO, id), test.quotas.ended(PRO, id)]));
      made += granted.length;
      if (granted.length < ids.length && made < 300) await test.pass(Math.max(...leaves.map(waitOf)));
    }

    // The first windowful came at once, and stands for no time that passed.
    const windows = ((await test.now()) - began) / span;
    expect((made * amount - limit) / (limit * windows)).toBeGreaterThanOrEqual(0.98);
  });
});
