import { describe, expect, it } from 'vitest';
import { pixelsOf } from './pixels.ts';

describe('a size in pixels', () => {
  it.each([
    ['1K', '16:9', '1376x768'],
    ['2K', '3:2', '2528x1696'],
    ['4K', '21:9', '6336x2688'],
    ['512', '3:4', '448x600'],
    ['4K', '8:1', '12288x1536'],
  ])('is for %s of %s what Gemini’s models make', (size, aspectRatio, pixels) => {
    expect(pixelsOf({ size, aspectRatio }, 'gemini-3-pro-image')).toBe(pixels);
  });

  it.each(['gpt-image-1', 'openai/gpt-image-1-mini', 'chatgpt-image-latest'])(
    'of %s is one of OpenAI’s three',
    (model) => {
      expect(pixelsOf({ size: '1K', aspectRatio: '2:3' }, model)).toBe('1024x1536');
      expect(() => pixelsOf({ size: '1K', aspectRatio: '16:9' }, model)).toThrow('aspect_ratio');
      expect(() => pixelsOf({ size: '2K', aspectRatio: '1:1' }, model)).toThrow('size');
    },
  );

  it('without a ratio is left to the model, or a square', () => {
    expect(pixelsOf({ size: '1K' }, 'gemini-3-pro-image')).toBeUndefined();
    expect(pixelsOf({ size: '2K' }, 'gemini-3-pro-image')).toBe('2048x2048');
  });
});
