import { expect, it } from 'vitest';
import { drawPlaceholder } from './placeholder.ts';
import { probeImage } from './probe.ts';

it.each([
  ['1:1', 1_024, 1_024],
  ['16:9', 1_024, 576],
  ['1:8', 128, 1_024],
  [undefined, 1_024, 1_024],
])('draws a readable image of the ratio %s', async (ratio, width, height) => {
  const { bytes } = await drawPlaceholder(ratio);

  expect(probeImage(bytes, { maxPixels: 10_000_000 })).toMatchObject({ mime: 'image/png', width, height });
});

it('writes a word on it', async () => {
  const { bytes } = await drawPlaceholder('16:9');
  const { default: sharp } = await import('sharp');
  const { channels } = await sharp(bytes).greyscale().stats();

  expect(channels[0]).toMatchObject({ min: 0x60, max: 0xd0 });
});
