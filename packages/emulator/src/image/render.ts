/** Encoded pictures of an exact pixel size and weight, as base64, kept while they are likely to be asked for again. */
import sharp from 'sharp';
import { noise } from '../random.ts';
import { draw, enlarge } from './draw.ts';
import { weigh } from './weigh.ts';

export type Picture = {
  width: number;
  height: number;
  mime: 'image/jpeg' | 'image/png';
  /** Drawn large. */
  words: string;
  /** Drawn small, at the bottom. */
  footer: string;
  /** Exact weight; 0 = as it comes out of the encoder. */
  bytes: number;
};

export type Pictures = {
  /** The picture's base64, as bytes ready to be written. Equal pictures are drawn once. */
  base64(picture: Picture): Promise<Buffer>;
};

/** Cells along the shorter side: room for some 800 letters, and few enough to draw in a millisecond. */
const CELLS = 224;
const CACHE_BYTES_MAX = 64 * 1024 * 1024;
const FILLER_BYTES = 2 * 1024 * 1024;

export function createPictures(seed: string): Pictures {
  const filler = noise(`filler:${seed}`, FILLER_BYTES);
  const cache = createCache(CACHE_BYTES_MAX);
  return {
    base64: (picture) => cache.get(JSON.stringify(picture), async () => toBase64(await render(picture, filler))),
  };
}

/** Draws and encodes one picture. */
export async function render(picture: Picture, filler: Buffer): Promise<Buffer> {
  const cell = Math.max(1, Math.min(picture.width, picture.height) / CELLS);
  const canvas = draw({
    width: Math.round(picture.width / cell),
    height: Math.round(picture.height / cell),
    words: picture.words,
    footer: picture.footer,
    hueOf: picture.words,
  });
  const { width, height, rgb } = enlarge(canvas, picture.width, picture.height);
  const large = sharp(rgb, { raw: { width, height, channels: 3 } });
  // One pass of the encoder: a second one for the best codes costs more than the bytes it saves.
  const jpeg = () => large.jpeg({ quality: 80, optimizeCoding: false });
  const encoded = picture.mime === 'image/jpeg' ? jpeg() : large.png({ compressionLevel: 1 });
  return weigh(await encoded.toBuffer(), picture.bytes, filler);
}

/** Base64 as bytes: a string of it would be copied once more on its way to the socket. */
export function toBase64(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString('base64'), 'latin1');
}

type Cache = { get(key: string, make: () => Promise<Buffer>): Promise<Buffer> };

/** Keeps the latest answers up to `bytesMax`, and joins askers of one that is still being made. */
function createCache(bytesMax: number): Cache {
  const kept = new Map<string, Promise<Buffer>>();
  let bytes = 0;

  async function keep(key: string, making: Promise<Buffer>): Promise<Buffer> {
    kept.set(key, making);
    try {
      const made = await making;
      bytes += made.length;
      await shrink(key);
      return made;
    } catch (error) {
      kept.delete(key);
      throw error;
    }
  }

  async function shrink(newest: string): Promise<void> {
    for (const [key, value] of kept) {
      if (bytes <= bytesMax) return;
      if (key === newest) continue;
      kept.delete(key);
      bytes -= (await value).length;
    }
  }

  return { get: (key, make) => kept.get(key) ?? keep(key, make()) };
}
