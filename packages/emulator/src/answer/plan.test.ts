import { describe, expect, it } from 'vitest';
import { createRandom } from '../random.ts';
import type { ImageRequest } from '../request/request.ts';
import { aModel } from '../testing/client.ts';
import { planAnswer, tokensOf } from './plan.ts';

const aRequest = (over: Partial<ImageRequest> = {}): ImageRequest => ({
  prompt: 'a red bicycle',
  size: '1K',
  ratio: '1:1',
  pixels: [1024, 1024],
  thinking: undefined,
  includeThoughts: false,
  wantsText: true,
  searches: false,
  seed: undefined,
  promptTokens: 4,
  referenceTokens: 0,
  serviceTier: 'standard',
  ...over,
});
const plans = (id: string, request: ImageRequest, latency = 1) =>
  Array.from({ length: 400 }, (_, i) =>
    planAnswer(aModel(id), request, {
      fault: undefined,
      chances: { drafts: 0.07, text: 0.1, latency },
      random: createRandom('test', i),
    }),
  );
const median = (numbers: number[]) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? 0;
const medianOf = (id: string, request: ImageRequest, latency = 1) =>
  median(plans(id, request, latency).map(({ latencyMs }) => latencyMs)) / 1000;

describe('a planned answer', () => {
  it('takes as long as its model does, longer for harder work, and is scaled', () => {
    const pro = 'gemini-3-pro-image';

    expect(medianOf('gemini-2.5-flash-image', aRequest())).toBeCloseTo(5.8, 0);
    expect(medianOf('gemini-3.1-flash-image', aRequest({ thinking: 'minimal' }))).toBeCloseTo(12.5, 0);
    expect(medianOf('gemini-3.1-flash-image', aRequest({ thinking: 'high' }))).toBeGreaterThan(18);
    expect(medianOf(pro, aRequest())).toBeGreaterThan(20);
    expect(medianOf(pro, aRequest({ size: '4K' }))).toBeGreaterThan(33);
    expect(medianOf(pro, aRequest({ referenceTokens: 5 * 560 }))).toBeGreaterThan(55);
    expect(medianOf(pro, aRequest(), 0.1)).toBeLessThan(2.5);
    expect(medianOf(pro, aRequest(), 0)).toBe(0);
  });

  it('has drafts in its share of answers, and counts each image', () => {
    const images = plans('gemini-3-pro-image', aRequest()).map((plan) => [
      plan.parts.filter(({ type }) => type === 'image').length,
      tokensOf(plan).image / 1120,
    ]);
    const drafted = images.filter(([parts = 0]) => parts > 1).length / images.length;

    expect(images.every(([parts, charged]) => parts === charged)).toBe(true);
    expect(drafted).toBeGreaterThan(0.03);
    expect(drafted).toBeLessThan(0.12);
  });

  it('exceeds its image tokens by 88 to 630 when the model thinks', () => {
    const over = plans('gemini-nano-banana-2.1', aRequest()).map(({ usage }) => usage.candidates - usage.images);

    expect(Math.min(...over)).toBeGreaterThanOrEqual(88);
    expect(Math.max(...over)).toBeLessThanOrEqual(630);
  });
});
