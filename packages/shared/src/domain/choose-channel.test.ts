import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MINUTE, NOON } from '../testing/factories.ts';
import type { ChannelSpec, ServedModel } from './channel.ts';
import { type Candidate, type ChooseOptions, chooseChannel } from './choose-channel.ts';

const MODEL = 'gemini-3-pro-image';
const served: ServedModel = {
  providerModel: MODEL,
  limits: { day: 'pacific' },
  capabilities: {
    sizes: ['1K'],
    aspectRatios: ['1:1'],
    references: 14,
    mimes: ['image/png'],
    thinking: true,
    seed: true,
    safety: true,
    tools: [],
    signatures: true,
  },
};

function aSpec(spec: Partial<ChannelSpec> = {}): ChannelSpec {
  return {
    id: 'a',
    kind: 'gemini',
    order: 1,
    weight: 1,
    models: { [MODEL]: served },
    limits: {},
    lanes: ['standard'],
    trust: { references: true, cost: false },
    ...spec,
  };
}

function aCandidate(spec: Partial<ChannelSpec> = {}, rest: Partial<Candidate> = {}): Candidate {
  const whole = aSpec(spec);
  const place = { channel: whole.id, model: MODEL };
  return { spec: whole, served, place, cost: 100, enterAt: NOON, readyAt: NOON, failed: 0, ...rest };
}

function choose(candidates: Candidate[], rest: Partial<ChooseOptions> = {}) {
  return chooseChannel({ candidates, refusals: [], now: NOON, random: () => 0.5, ...rest });
}

const ids = (choice: ReturnType<typeof choose>) =>
  choice.type === 'try' ? choice.order.map(({ spec }) => spec.id) : choice.type;

const candidates = fc
  .array(
    fc.record({
      order: fc.integer({ min: 1, max: 3 }),
      weight: fc.integer({ min: 0, max: 3 }),
      cost: fc.integer({ min: 1, max: 4 }),
      failed: fc.integer({ min: 0, max: 2 }),
      enterAt: fc.constantFrom(NOON - 1, NOON, NOON + 1, NOON + MINUTE),
      readyAt: fc.constantFrom(NOON - 1, NOON, NOON + 5, NOON + MINUTE),
      override: fc.constantFrom('open', 'close', 'drain', undefined),
      out: fc.constantFrom('auth', 'retired', undefined),
    }),
    { maxLength: 6 },
  )
  .map((all) =>
    all.map(({ order, weight, override, out, ...rest }, n) =>
      aCandidate({ id: `c${n}`, order, weight }, { ...rest, ...(override && { override }), ...(out && { out }) }),
    ),
  );
const room = fc.option(fc.integer({ min: 0, max: 5 }), { nil: undefined });
/** A seed, and the draws that follow from it. */
const draws = (seed: number) => () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
const seeds = fc.integer({ min: 1, max: 2_147_483_646 });

describe('the choice of a channel', () => {
  it('never takes one that is held back, full or too dear', () => {
    fc.assert(
      fc.property(candidates, room, seeds, (all, room, seed) => {
        const choice = choose(all, { room, random: draws(seed) });
        if (choice.type !== 'try') return;
        for (const { enterAt, readyAt, override, cost } of choice.order) {
          expect(Math.max(enterAt, readyAt)).toBeLessThanOrEqual(NOON);
          expect(override === undefined || override === 'close').toBe(true);
          expect(cost).toBeLessThanOrEqual(room ?? cost);
        }
      }),
    );
  });

  it('puts none behind one that is worse by failures, then order, then price', () => {
    fc.assert(
      fc.property(candidates, seeds, (all, seed) => {
        const choice = choose(all, { random: draws(seed) });
        if (choice.type !== 'try') return;
        const ranks = choice.order.map(({ failed, spec, cost }) => failed * 100 + spec.order * 10 + cost);

        expect(ranks).toEqual(ranks.toSorted((a, b) => a - b));
      }),
    );
  });

  it('is the same for the same draws, and has every one that may be called, once', () => {
    fc.assert(
      fc.property(candidates, room, seeds, (all, room, seed) => {
        const choice = choose(all, { room, random: draws(seed) });

        expect(choose(all, { room, random: draws(seed) })).toEqual(choice);
        if (choice.type !== 'try') return;
        expect(new Set(ids(choice)).size).toBe(choice.order.length);
      }),
    );
  });

  it('waits no longer than until the first that can be waited for, and never when one is ready', () => {
    fc.assert(
      fc.property(candidates, room, (some, room) => {
        const all = some.filter(({ out }) => out !== 'retired'); // Nobody waits for those.
        const choice = choose(all, { room });
        if (choice.type !== 'wait') return;
        expect(choice.until).toBeGreaterThan(NOON);
        const later = choose(all, { room, now: choice.until });
        expect(later.type).toBe('try');
        expect(choose(all, { room, now: choice.until - 1 }).type).not.toBe('try');
      }),
    );
  });

  it('shares calls by weight among equals', () => {
    const [light, heavy] = [aCandidate({ id: 'light', weight: 1 }), aCandidate({ id: 'heavy', weight: 3 })];
    const random = draws(20_261_121);
    const firsts = Array.from({ length: 8_000 }, () => ids(choose([light, heavy], { random }))[0]);
    const share = firsts.filter((id) => id === 'heavy').length / firsts.length;

    expect(share).toBeGreaterThan(0.73);
    expect(share).toBeLessThan(0.77);
  });

  it('calls one of weight 0 only when there is no other', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const all = [aCandidate({ id: 'spare', weight: 0 }), aCandidate({ id: 'usual', weight: 0.001 })];

        expect(ids(choose(all, { random: draws(seed) }))).toEqual(['usual', 'spare']);
        expect(ids(choose(all, { random: () => 0 }))).toEqual(['usual', 'spare']);
      }),
    );
  });

  it('goes elsewhere first after a failure, however good the first is', () => {
    const all = [aCandidate({ id: 'best', order: 1 }, { failed: 1 }), aCandidate({ id: 'next', order: 2 })];

    expect(ids(choose(all))).toEqual(['next', 'best']);
  });

  it('probes a channel that is out once its time has come', () => {
    const out = (enterAt: number) => aCandidate({}, { out: 'retired', enterAt });

    expect(ids(choose([out(NOON)]))).toEqual(['a']);
    expect(choose([out(NOON + 1)])).toEqual({
      type: 'none',
      refusals: [{ channel: 'a', why: `does not serve ${MODEL} any more` }],
      dear: false,
    });
  });

  it('says what it waits for', () => {
    const broken = aCandidate({ id: 'b' }, { enterAt: NOON + 2 });
    const full = aCandidate({ id: 'f' }, { readyAt: NOON + 1 });
    const parked = aCandidate({ id: 'p' }, { readyAt: NOON + 1, waitsFor: 'parked' });
    const wait = { type: 'wait', until: NOON + 1, allBroken: false };

    expect(choose([broken, full])).toEqual({ ...wait, reason: 'rate_limited' });
    expect(choose([broken, parked])).toEqual({ ...wait, reason: 'parked' });
    expect(choose([broken])).toEqual({ ...wait, until: NOON + 2, reason: 'broken', allBroken: true });
  });

  it('says of each channel why it is none, and whether that may be mended', () => {
    const refusals = [{ channel: 'relay', why: 'takes at most 3 reference images' }];
    const dear = aCandidate({ id: 'dear' }, { cost: 200 });
    const drained = aCandidate({ id: 'drained' }, { override: 'drain' });

    expect(choose([dear], { refusals, room: 100 })).toEqual({
      type: 'none',
      refusals: [...refusals, { channel: 'dear', why: 'costs more than is left of max_cost' }],
      dear: true,
    });
    expect(choose([dear, drained], { room: 100 })).toMatchObject({ type: 'none', dear: false });
    expect(choose([], { refusals })).toEqual({ type: 'none', refusals, dear: false });
  });
});
