import { describe, expect, it } from 'vitest';
import { MODELS, nearestRatio, pixelsOf } from './models.ts';
import { aModel } from './testing/client.ts';

/** The published table: 512, 1K, 2K, 4K. */
const PUBLISHED: Record<string, [string, string, string, string]> = {
  '1:1': ['512x512', '1024x1024', '2048x2048', '4096x4096'],
  '2:3': ['424x632', '848x1264', '1696x2528', '3392x5056'],
  '3:2': ['632x424', '1264x848', '2528x1696', '5056x3392'],
  '3:4': ['448x600', '896x1200', '1792x2400', '3584x4800'],
  '4:3': ['600x448', '1200x896', '2400x1792', '4800x3584'],
  '4:5': ['464x576', '928x1152', '1856x2304', '3712x4608'],
  '5:4': ['576x464', '1152x928', '2304x1856', '4608x3712'],
  '9:16': ['384x688', '768x1376', '1536x2752', '3072x5504'],
  '16:9': ['688x384', '1376x768', '2752x1536', '5504x3072'],
  '21:9': ['792x168', '1584x672', '3168x1344', '6336x2688'],
  '1:4': ['256x1024', '512x2048', '1024x4096', '2048x8192'],
  '4:1': ['1024x256', '2048x512', '4096x1024', '8192x2048'],
  '1:8': ['192x1536', '384x3072', '768x6144', '1536x12288'],
  '8:1': ['1536x192', '3072x384', '6144x768', '12288x1536'],
};
const SIZES = ['512', '1K', '2K', '4K'];

describe('the model table', () => {
  it('gives every ratio and size of Gemini 3 the published pixels', () => {
    const model = aModel('gemini-3.1-flash-image');

    const table = Object.keys(PUBLISHED).map((ratio) => [
      ratio,
      SIZES.map((size) => pixelsOf(model, size, ratio).join('x')),
    ]);

    expect(Object.fromEntries(table)).toEqual(PUBLISHED);
    expect(Object.keys(model.pixels).sort()).toEqual(Object.keys(PUBLISHED).sort());
  });

  it('knows the panoramas of two models, and the 512 of one', () => {
    const panoramic = MODELS.filter(({ pixels }) => '8:1' in pixels).map(({ id }) => id);
    const small = MODELS.filter(({ imageTokens }) => '512' in imageTokens).map(({ id }) => id);

    expect(panoramic).toEqual(['gemini-nano-banana-2.1', 'gemini-3.1-flash-image']);
    expect(small).toEqual(['gemini-3.1-flash-image']);
  });

  it('takes the accepted ratio nearest to an input picture', () => {
    const model = aModel('gemini-3-pro-image');

    expect(nearestRatio(model, 1920, 1080)).toBe('16:9');
    expect(nearestRatio(model, 600, 601)).toBe('1:1');
    expect(nearestRatio(model, 100, 9000)).toBe('9:16');
  });
});
