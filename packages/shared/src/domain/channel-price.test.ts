import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aChannel } from '../testing/channels.ts';
import { aRequest } from '../testing/factories.ts';
import { cheapestOn, costOn, estimateOn } from './channel-price.ts';
import { actualCost, estimateCost } from './price.ts';
import type { Usage } from './verdict.ts';

const MUG = { prompt: 'a red mug', model: 'gemini-3-pro-image', size: '2K', references: [] };
const USAGE: Usage = { promptTokens: 10, imageTokens: 1_120, textTokens: 300, totalTokens: 1_430, missing: false };
const FLAT = { price: { perImage: { '2K': 90_000 } } };
const HALF = { price: { factor: 0.5 } };

describe('the price of a channel', () => {
  it('is the catalogue’s when it has none of its own', () => {
    expect(estimateOn({}, MUG, 'standard')).toBe(estimateCost(MUG, 'standard'));
    expect(costOn({ trusted: false }, MUG, 'batch', { usage: USAGE, images: 1 })).toBe(
      actualCost(MUG, 'batch', USAGE, 1),
    );
  });

  it('may be a part of the catalogue’s', () => {
    expect(estimateOn(HALF, MUG, 'standard')).toBe(Math.round(0.5 * estimateCost(MUG, 'standard')));
    expect(costOn({ served: HALF, trusted: false }, MUG, 'standard', { usage: USAGE, images: 1 })).toBe(
      Math.round(0.5 * actualCost(MUG, 'standard', USAGE, 1)),
    );
  });

  it('may be flat: then usage and interim images do not count', () => {
    const cost = (images: number) =>
      costOn({ served: FLAT, trusted: false }, MUG, 'standard', { usage: USAGE, images });

    expect(estimateOn(FLAT, MUG, 'standard')).toBe(90_000);
    expect(estimateOn(FLAT, MUG, 'batch')).toBe(45_000);
    expect([cost(0), cost(1), cost(3)]).toEqual([0, 90_000, 90_000]);
  });

  it('is the catalogue’s for a size that a flat list does not name', () => {
    expect(estimateOn(FLAT, { ...MUG, size: '4K' }, 'standard')).toBe(estimateCost({ ...MUG, size: '4K' }, 'standard'));
  });

  it('gives way to what the answer says of its cost, where that is believed', () => {
    const billed = { usage: USAGE, images: 1, reported: 41_000 };

    expect(costOn({ served: FLAT, trusted: true }, MUG, 'standard', billed)).toBe(41_000);
    expect(costOn({ served: FLAT, trusted: false }, MUG, 'standard', billed)).toBe(90_000);
    expect(costOn({ served: FLAT, trusted: true }, MUG, 'standard', { ...billed, reported: 0 })).toBe(0);
  });

  it('is whole micro-dollars, whatever the factor', () => {
    const factor = fc.double({ min: 0.001, max: 1_000, noNaN: true });
    fc.assert(
      fc.property(factor, fc.constantFrom('standard' as const, 'batch' as const), (one, lane) => {
        const cost = estimateOn({ price: { factor: one } }, MUG, lane);
        expect(Number.isInteger(cost) && cost >= 0).toBe(true);
      }),
    );
  });
});

describe('the cheapest channel', () => {
  const lite = 'gemini-3.1-flash-image';
  const asked = aRequest({ model: MUG.model, size: '2K' });
  const only = aChannel({ id: 'lite', models: [lite], price: { perImage: { '2K': 10_000 } } });

  it('is one of those that carry the request on that lane', () => {
    const batches = aChannel({ id: 'batches', lanes: ['batch'], price: { perImage: { '2K': 20_000 } } });
    const specs = [aChannel({ price: FLAT.price }), batches, only];

    expect([cheapestOn(asked, 'standard', specs), cheapestOn(asked, 'batch', specs)]).toEqual([90_000, 10_000]);
    expect(cheapestOn(asked, 'standard', [batches, only])).toBeUndefined();
  });

  it('may be one of the next model of a chain, by a call of its own', () => {
    const chained = { ...asked, routing: { models: [MUG.model, lite] } };

    expect([cheapestOn(chained, 'standard', [only]), cheapestOn(chained, 'batch', [only])]).toEqual([
      10_000,
      undefined,
    ]);
  });
});
