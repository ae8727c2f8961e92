import * as fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { noise } from '../random.ts';
import { layOut } from './draw.ts';
import { transliterate } from './font.ts';
import { createPictures, type Picture, render } from './render.ts';
import { weigh } from './weigh.ts';

const FILLER = noise('test', 100_000);
const aPicture = (over: Partial<Picture> = {}): Picture => ({
  width: 512,
  height: 512,
  mime: 'image/jpeg',
  words: 'a red bicycle',
  footer: 'model 512x512',
  bytes: 0,
  ...over,
});
const pixels = (image: Buffer) => sharp(image).raw().toBuffer({ resolveWithObject: true });

describe('a picture', () => {
  it('shows other words as other letters and another colour', async () => {
    const bicycle = await pixels(await render(aPicture({ mime: 'image/png' }), FILLER));
    const boat = await pixels(await render(aPicture({ mime: 'image/png', words: 'a blue boat' }), FILLER));

    const white = bicycle.data.filter((_, i) => i % 3 === 0 && bicycle.data[i] === 255).length;
    expect(white / (512 * 512)).toBeGreaterThan(0.03);
    expect(bicycle.data.subarray(0, 3)).not.toEqual(boat.data.subarray(0, 3));
    expect(bicycle.info).toMatchObject({ width: 512, height: 512, channels: 3 });
  });

  it.each(['image/jpeg', 'image/png'] as const)(
    'weighs exactly what was asked for and still decodes, as %s',
    async (mime) => {
      const plain = await render(aPicture({ mime }), FILLER);

      for (const bytes of [plain.length + 12, plain.length + 65_540, 300_001, 20_000_000]) {
        const heavy = weigh(plain, bytes, noise('filler', 2_000_000));
        expect(heavy.length).toBe(bytes);
        expect((await pixels(heavy)).data.equals((await pixels(plain)).data)).toBe(true);
      }
    },
  );

  it('never weighs less than its plain self, nor other than asked by more than a segment head', async () => {
    const images = {
      jpeg: { image: await render(aPicture(), FILLER), least: 4 },
      png: { image: await render(aPicture({ mime: 'image/png' }), FILLER), least: 12 },
    };

    fc.assert(
      fc.property(fc.constantFrom('jpeg', 'png'), fc.integer({ min: -50, max: 3_000_000 }), (format, extra) => {
        const { image, least } = images[format];
        const { length } = weigh(image, image.length + extra, FILLER);
        expect(length).toBe(image.length + (extra >= least ? extra : 0));
      }),
      { numRuns: 60 },
    );
  });

  it('is drawn once for any number of askers', async () => {
    const pictures = createPictures('seed');

    const [one, two] = await Promise.all([pictures.base64(aPicture()), pictures.base64(aPicture())]);

    expect(one).toBe(two);
  });
});

describe('the layout of words', () => {
  it('fits any words, keeping all of them or ending in dots', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 3000 }), fc.integer({ min: 60, max: 1500 }), (text, width) => {
        const words = transliterate(text);
        const { lines, scale } = layOut(words, width, 180);

        expect(lines.length * 10 * scale).toBeLessThanOrEqual(180);
        for (const line of lines) expect(line.length * 6 * scale).toBeLessThanOrEqual(width);
        const kept = lines.join('').replaceAll(' ', '') === words.replaceAll(' ', '');
        expect(kept || lines.at(-1)?.endsWith('...')).toBe(true);
      }),
    );
  });

  it('drops accents and keeps what has no letter for a box', () => {
    expect(transliterate(' Café “São”\n漢 Straße ')).toBe('Cafe "Sao" 漢 Strasse');
  });
});
