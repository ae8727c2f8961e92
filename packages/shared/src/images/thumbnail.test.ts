import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { probeImage } from './probe.ts';
import { configureSharp, makeThumbnail } from './thumbnail.ts';

const plain = (width: number, height: number): Sharp =>
  sharp({ create: { width, height, channels: 3, background: '#4080c0' } });

const svg = Buffer.from(
  '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>',
);
const gif = await plain(9, 9).gif().toBuffer();

beforeAll(() => configureSharp({ concurrency: 1 }));

it.each(['png', 'jpeg', 'webp'] as const)(
  'makes a WebP of at most 512 pixels out of a %s, from bytes or a file',
  async (format) => {
    const bytes = await plain(1_024, 600).toFormat(format).toBuffer();
    const folder = await mkdtemp(join(tmpdir(), 'thumbnail-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, 'image'), bytes);

    for (const input of [bytes, join(folder, 'image')]) {
      const thumbnail = await makeThumbnail(input);

      expect(thumbnail).toMatchObject({ width: 512, height: 300 });
      expect(probeImage(thumbnail.bytes)).toEqual({ mime: 'image/webp', width: 512, height: 300 });
    }
  },
);

it('takes the longest panorama a model makes', async () => {
  const bytes = await plain(12_288, 1_536).jpeg().toBuffer();

  expect(await makeThumbnail(bytes, { maxEdge: 256 })).toMatchObject({ width: 256, height: 32 });
});

it('never enlarges', async () => {
  expect(await makeThumbnail(await plain(40, 30).png().toBuffer())).toMatchObject({ width: 40, height: 30 });
});

it('turns a picture upright as its EXIF asks', async () => {
  const lying = await plain(40, 30).withMetadata({ orientation: 6 }).jpeg().toBuffer();

  expect(await makeThumbnail(lying)).toMatchObject({ width: 30, height: 40 });
});

it.each([
  ['a cut PNG', (await plain(400, 400).png({ compressionLevel: 0 }).toBuffer()).subarray(0, 100_000)],
  ['a cut JPEG', (await plain(400, 400).jpeg().toBuffer()).subarray(0, 1_000)],
  ['more pixels than the limit', await plain(10_001, 10_000).png({ compressionLevel: 1 }).toBuffer()],
  ['an SVG, though the decoder could draw it', svg],
  ['a GIF', gif],
  ['no image', Buffer.from('hello')],
])('refuses %s', async (_name, bytes) => {
  await expect(makeThumbnail(bytes)).rejects.toMatchObject({ code: 'unsupported_media', retryable: false });
});

it('names what cannot be decoded and keeps the decoder’s words for the log', async () => {
  const error = await makeThumbnail(Buffer.from('hello')).catch((thrown: unknown) => thrown);

  expect(error).toMatchObject({ message: 'The image could not be decoded.', cause: expect.any(Error) });
});
