import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aRequest } from '../testing/factories.ts';
import type { Lane } from './job.ts';
import { MODELS, modelById } from './models.ts';
import { actualCost, estimateCost, imagePrice, inputTokens } from './price.ts';
import type { Usage } from './verdict.ts';

/** Dollars an image, as the provider's price list prints them, and half the last digit it prints. */
const PRICE_LIST = [
  ['gemini-3-pro-image', '1K', 0.134, 0.0005],
  ['gemini-3-pro-image', '2K', 0.134, 0.0005],
  ['gemini-3-pro-image', '4K', 0.24, 0.005],
  ['gemini-nano-banana-2.1', '1K', 0.0336, 0.00005],
  ['gemini-nano-banana-2.1', '2K', 0.0504, 0.00005],
  ['gemini-nano-banana-2.1', '4K', 0.1134, 0.00005],
  ['gemini-3.1-flash-image', '512', 0.045, 0.0005],
  ['gemini-3.1-flash-image', '1K', 0.067, 0.0005],
  ['gemini-3.1-flash-image', '2K', 0.101, 0.0005],
  ['gemini-3.1-flash-image', '4K', 0.151, 0.0005],
  ['gemini-3.1-flash-lite-image', '1K', 0.0336, 0.00005],
  ['gemini-2.5-flash-image', '1K', 0.039, 0.0005],
] as const;

const usage = (more: Partial<Usage> = {}): Usage => ({
  promptTokens: 0,
  imageTokens: 0,
  textTokens: 0,
  totalTokens: 0,
  missing: false,
  ...more,
});
const anyModel = () =>
  fc
    .constantFrom(...MODELS)
    .chain((model) => fc.constantFrom(...model.sizes).map((size) => ({ model: model.id, size })));

describe('the price of an image', () => {
  it.each(PRICE_LIST)('of %s at %s is the one on the price list, $%d', (model, size, dollars, half) => {
    expect(Math.abs(imagePrice(modelById(model), size, 'standard') / 1e6 - dollars)).toBeLessThanOrEqual(half);
  });

  it('is on the list for every model and size', () => {
    const listed = PRICE_LIST.map(([model, size]) => `${model} ${size}`);

    expect(MODELS.flatMap(({ id, sizes }) => sizes.map((size) => `${id} ${size}`)).toSorted()).toEqual(
      listed.toSorted(),
    );
  });
});

describe('estimateCost', () => {
  it('adds prompt, references, the usual thoughts and interim images to the image', () => {
    const [reference] = aRequest().references;
    const references = [reference, reference];

    // 2 × 560 + 2 tokens in at 2, 800 of words and thought at 12, 1,120 of image at 120 and a fifth of that.
    expect(estimateCost({ prompt: 'redmug!', model: 'gemini-3-pro-image', size: '1K', references }, 'standard')).toBe(
      2_244 + 9_600 + 134_400 + 26_880,
    );
  });

  it('is a positive whole number, never less than the image itself', () => {
    fc.assert(
      fc.property(anyModel(), fc.string(), fc.nat(14), ({ model, size }, prompt, n) => {
        const cost = estimateCost({ prompt, model, size, references: Array.from({ length: n }) }, 'standard');

        expect(Number.isSafeInteger(cost)).toBe(true);
        expect(cost).toBeGreaterThanOrEqual(imagePrice(modelById(model), size, 'standard'));
      }),
    );
  });

  it('never falls when the prompt grows, a reference is added or the image gets larger', () => {
    fc.assert(
      fc.property(anyModel(), fc.nat(20_000), fc.nat(13), ({ model, size }, length, n) => {
        const at = (extra: { length?: number; n?: number; size?: string }) =>
          estimateCost(
            {
              prompt: 'x'.repeat(length + (extra.length ?? 0)),
              model,
              size: extra.size ?? size,
              references: Array.from({ length: n + (extra.n ?? 0) }),
            },
            'standard',
          );
        const sizes = modelById(model).sizes;
        const larger = sizes[sizes.indexOf(size) + 1] ?? size;

        expect(at({ length: 40 })).toBeGreaterThanOrEqual(at({}));
        expect(at({ n: 1 })).toBeGreaterThan(at({}));
        expect(at({ size: larger })).toBeGreaterThanOrEqual(at({}));
      }),
    );
  });

  it.each([
    ['gemini-nano-banana-2.1', 'medium', 'minimal'],
    ['gemini-3.1-flash-image', 'high', undefined],
    ['gemini-3.1-flash-lite-image', 'high', 'minimal'],
  ])('of %s is higher at %s than at %s, by 340 tokens of thought', (model, much, little) => {
    const at = (thinking: string | undefined) => estimateCost({ ...aRequest({ model }), thinking }, 'standard');

    expect(at(much) - at(little)).toBeCloseTo(340 * modelById(model).rates.text, -1);
  });

  it('knows no level at which the model that always thinks is cheaper, and no dearer default', () => {
    const at = (thinking: string | undefined) =>
      estimateCost({ ...aRequest({ model: 'gemini-3-pro-image' }), thinking }, 'standard');

    expect(new Set([at('low'), at('high'), at(undefined)]).size).toBe(1);
  });

  it('counts scripts of more bytes a letter as more tokens', () => {
    const inputOf = (prompt: string) => inputTokens({ prompt, references: [], model: 'gemini-3-pro-image' });

    expect([inputOf('a red mug, no 2'), inputOf('红色马克杯一二三')]).toEqual([4, 6]);
  });

  it('takes a size that the model does not make for a bug', () => {
    expect(() => estimateCost(aRequest({ model: 'gemini-2.5-flash-image', size: '4K' }), 'standard')).toThrow(
      RangeError,
    );
  });
});

describe('the batch lane', () => {
  it('costs half of what the standard lane costs, estimated and counted', () => {
    fc.assert(
      fc.property(anyModel(), fc.string(), fc.nat(1_000_000), ({ model, size }, prompt, imageTokens) => {
        const request = { prompt, model, size, references: [] };
        const counted = usage({ imageTokens });
        const half = (cost: number) => Math.round(cost / 2);

        expect(Math.abs(estimateCost(request, 'batch') - half(estimateCost(request, 'standard')))).toBeLessThan(2);
        const actual = (lane: Lane) => actualCost(request, lane, counted, 1);
        expect(Math.abs(actual('batch') - half(actual('standard')))).toBeLessThan(2);
      }),
    );
  });
});

describe('actualCost', () => {
  it('prices what was counted, each kind at its rate', () => {
    const counted = usage({ promptTokens: 12, imageTokens: 1_120, textTokens: 96 });

    expect(actualCost({ model: 'gemini-3-pro-image', size: '1K' }, 'standard', counted, 1)).toBe(
      12 * 2 + 1_120 * 120 + 96 * 12,
    );
  });

  it('without usage takes the list price of each image, and what is expected beside them', () => {
    const asked = {
      model: 'gemini-3-pro-image',
      size: '1K',
      prompt: 'redmug!',
      references: [aRequest().references[0]],
    };
    const cost = (images: number) => actualCost(asked, 'standard', usage({ missing: true }), images);

    // 562 tokens in at 2, 800 of words and thought at 12.
    expect([cost(0), cost(1), cost(3)]).toEqual([0, 134_400 + 1_124 + 9_600, 3 * 134_400 + 1_124 + 9_600]);
  });

  it('counts tokens, not images, when there are both', () => {
    expect(
      actualCost({ model: 'gemini-2.5-flash-image', size: '1K' }, 'standard', usage({ imageTokens: 1_290 }), 5),
    ).toBe(38_700);
  });

  it('is a whole number that never falls when more was used', () => {
    const tokens = () => fc.nat(1_000_000);
    fc.assert(
      fc.property(
        anyModel(),
        tokens(),
        tokens(),
        tokens(),
        fc.nat(1_000),
        ({ model, size }, promptTokens, imageTokens, textTokens, more) => {
          const cost = (extra: Partial<Usage>) =>
            actualCost({ model, size }, 'standard', usage({ promptTokens, imageTokens, textTokens, ...extra }), 1);

          expect(Number.isSafeInteger(cost({}))).toBe(true);
          expect(cost({ promptTokens: promptTokens + more })).toBeGreaterThanOrEqual(cost({}));
          expect(cost({ imageTokens: imageTokens + more })).toBeGreaterThanOrEqual(cost({}));
          expect(cost({ textTokens: textTokens + more })).toBeGreaterThanOrEqual(cost({}));
        },
      ),
    );
  });
});
