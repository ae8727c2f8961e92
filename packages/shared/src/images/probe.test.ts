import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import * as fc from 'fast-check';
import sharp, { type Sharp } from 'sharp';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AppError } from '../domain/errors.ts';
import { assertWhole, probeFile, probeImage } from './probe.ts';

type Pixels = { width: number; height: number; channels?: 3 | 4 };

/** A picture with some detail, so that no coder makes it trivially small. */
function picture({ width, height, channels = 3 }: Pixels): Sharp {
  const data = Buffer.from(Uint8Array.from({ length: width * height * channels }, (_, i) => i * i * 31 + i * 7));
  return sharp(data, { raw: { width, height, channels } });
}

const u32be = (n: number): Buffer => Buffer.from([n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255]);
const u32le = (n: number): Buffer => u32be(n).swap32();

function pngChunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  return Buffer.concat([u32be(data.length), body, u32be(crc32(body))]);
}

const insert = (bytes: Buffer, at: number, what: Buffer): Buffer =>
  Buffer.concat([bytes.subarray(0, at), what, bytes.subarray(at)]);

const inPng = (png: Buffer, type: string, data: Buffer): Buffer => insert(png, 33, pngChunk(type, data));

/** A PNG that is nothing but a header and as many packed zero bytes as the size asks for. */
function pngOf(width: number, height: number, pixels = Buffer.alloc(0)): Buffer {
  const header = Buffer.concat([u32be(width), u32be(height), Buffer.from([8, 0, 0, 0, 0])]);
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
  const idat = pngChunk('IDAT', deflateSync(pixels));
  return Buffer.concat([signature, pngChunk('IHDR', header), idat, pngChunk('IEND', Buffer.alloc(0))]);
}

/** Segments of an application marker, full to the brim, after SOI: what long EXIF or C2PA metadata looks like. */
function withSegments(jpeg: Buffer, marker: number, count: number): Buffer {
  // The payload is made of end markers and frame headers, to tempt a parser that searches instead of walking.
  const payload = Buffer.alloc(65_533, Buffer.from([0xff, 0xd9, 0xff, 0xc0, 0x00, 0x11, 0x08, 0x00, 0x01, 0x00, 0x01]));
  const segment = Buffer.concat([Buffer.from([0xff, marker, 0xff, 0xff]), payload]);
  return insert(jpeg, 2, Buffer.concat(Array.from({ length: count }, () => segment)));
}

/** A JPEG may define its Huffman tables (DHT, whose code lies among those of the frame headers) before its frame. */
function tablesFirst(jpeg: Buffer): Buffer {
  const at = jpeg.indexOf(Buffer.from([0xff, 0xc4]));
  return insert(jpeg, 2, jpeg.subarray(at, at + 2 + jpeg.readUInt16BE(at + 2)));
}

function webpOf(...chunks: [type: string, data: Buffer][]): Buffer {
  const body = chunks.map(([type, data]) =>
    Buffer.concat([Buffer.from(type, 'latin1'), u32le(data.length), data, Buffer.alloc(data.length % 2)]),
  );
  const payload = Buffer.concat([Buffer.from('WEBP', 'latin1'), ...body]);
  return Buffer.concat([Buffer.from('RIFF', 'latin1'), u32le(payload.length), payload]);
}

const vp8x = (width: number, height: number, flags = 0): Buffer =>
  Buffer.concat([Buffer.from([flags, 0, 0, 0]), u32le(width - 1).subarray(0, 3), u32le(height - 1).subarray(0, 3)]);
const vp8l = (width: number, height: number): Buffer =>
  Buffer.concat([Buffer.from([0x2f]), u32le((width - 1) | ((height - 1) << 14))]);

const small = { width: 61, height: 37 };
const SAMPLES: [name: string, bytes: Buffer][] = [
  ['PNG', await picture(small).png().toBuffer()],
  [
    'PNG with alpha',
    await picture({ ...small, channels: 4 })
      .png()
      .toBuffer(),
  ],
  ['PNG of 16 bits, interlaced', await picture(small).toColourspace('rgb16').png({ progressive: true }).toBuffer()],
  ['PNG with a palette', await picture(small).png({ palette: true, colours: 16 }).toBuffer()],
  ['PNG with a profile and EXIF', await picture(small).withMetadata({ orientation: 6 }).png().toBuffer()],
  ['PNG with a long manifest', inPng(await picture(small).png().toBuffer(), 'caBX', Buffer.alloc(700_000, 'IDAT'))],
  ['JPEG', await picture(small).jpeg().toBuffer()],
  ['progressive JPEG', await picture(small).jpeg({ progressive: true }).toBuffer()],
  ['grey JPEG', await picture(small).greyscale().jpeg().toBuffer()],
  ['JPEG of four inks', await picture(small).toColourspace('cmyk').jpeg().toBuffer()],
  ['JPEG lying on its side', await picture(small).withMetadata({ orientation: 6 }).jpeg().toBuffer()],
  ['JPEG with long EXIF', withSegments(await picture(small).jpeg().toBuffer(), 0xe1, 3)],
  ['JPEG with a long manifest', withSegments(await picture(small).jpeg({ progressive: true }).toBuffer(), 0xeb, 40)],
  ['JPEG with its Huffman tables first', tablesFirst(await picture(small).jpeg().toBuffer())],
  ['lossy WebP', await picture(small).webp().toBuffer()],
  [
    'lossy WebP with alpha',
    await picture({ ...small, channels: 4 })
      .webp()
      .toBuffer(),
  ],
  ['lossless WebP', await picture(small).webp({ lossless: true }).toBuffer()],
  [
    'lossless WebP with alpha',
    await picture({ ...small, channels: 4 })
      .webp({ lossless: true })
      .toBuffer(),
  ],
  ['WebP with a profile and EXIF', await picture(small).withMetadata({ orientation: 3 }).webp().toBuffer()],
];

const frames = [await picture(small).png().toBuffer(), await picture(small).negate().png().toBuffer()];
const film = await sharp(frames, { join: { animated: true } })
  .webp()
  .toBuffer();
const junk = Array.from({ length: 2_000 }, (): [string, Buffer] => ['JUNK', Buffer.alloc(0)]);

const REFUSED: [name: string, bytes: Buffer, message: RegExp][] = [
  ['nothing', Buffer.alloc(0), /is empty/],
  ['an SVG', Buffer.from('<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>'), /SVG/],
  ['an HTML page', Buffer.from('\n<!DOCTYPE html><title>404</title>'), /HTML/],
  ['a GIF', await picture(small).gif().toBuffer(), /GIF/],
  ['an AVIF', await picture(small).avif().toBuffer(), /AVIF/],
  ['a TIFF', await picture(small).tiff().toBuffer(), /TIFF/],
  ['a HEIC', Buffer.from('\0\0\0\x18ftypheic\0\0\0\0'), /HEIC/],
  ['a PDF', Buffer.from('%PDF-1.7'), /PDF/],
  ['text', Buffer.from('hello'), /no known image format/],
  ['zeros', Buffer.alloc(100_000), /no known image format/],
  ['a PNG that is all signature', Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), /PNG image is truncated/],
  ['a PNG without a header chunk', insert(pngOf(1, 1), 8, pngChunk('tEXt', Buffer.alloc(9))), /PNG image is malformed/],
  [
    'a PNG of empty chunks',
    insert(pngOf(1, 1), 33, Buffer.alloc(24_000, pngChunk('tEXt', Buffer.alloc(0)))),
    /PNG image is malformed/,
  ],
  ['a PNG without pixels', pngOf(0, 10), /no pixels/],
  [
    'a PNG of 16,000 × 16,000',
    pngOf(16_000, 16_000, Buffer.alloc(1_000_000)),
    /16000 × 16000 pixels, more than 50 megapixels/,
  ],
  ['a PNG of 4 Gpx × 4 Gpx', pngOf(0xffffffff, 0xffffffff), /4294967295 × 4294967295/],
  ['an animated PNG', inPng(pngOf(1, 1), 'acTL', Buffer.from([0, 0, 0, 2, 0, 0, 0, 0])), /PNG image is animated/],
  ['a JPEG without a frame', Buffer.from([0xff, 0xd8, 0xff, 0xd9]), /JPEG image is malformed/],
  ['a JPEG with a scan before its frame', Buffer.from([0xff, 0xd8, 0xff, 0xda, 0, 2, 1, 2]), /JPEG image is malformed/],
  ['a JPEG with an impossible length', Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 1, 1, 2]), /JPEG image is malformed/],
  ['a JPEG with stray bytes', Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 2, 1, 2]), /JPEG image is malformed/],
  [
    'a JPEG of fill bytes',
    Buffer.concat([Buffer.from([0xff, 0xd8]), Buffer.alloc(5_000_000, 0xff)]),
    /JPEG image is malformed/,
  ],
  ['a lossless JPEG', Buffer.from([0xff, 0xd8, 0xff, 0xc3, 0, 11, 8, 0, 1, 0, 1, 1, 1, 0x11, 0]), /lossless/],
  [
    'an arithmetic-coded JPEG',
    Buffer.from([0xff, 0xd8, 0xff, 0xc9, 0, 11, 8, 0, 1, 0, 1, 1, 1, 0x11, 0]),
    /arithmetic/,
  ],
  ['a JPEG without lines', Buffer.from([0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, 0, 0, 0, 1, 1, 1, 0x11, 0]), /no pixels/],
  [
    'a JPEG of 65,535 × 65,535',
    Buffer.from([0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, 255, 255, 255, 255, 1, 1, 0x11, 0]),
    /megapixels/,
  ],
  ['a JPEG that is all metadata', withSegments(Buffer.from([0xff, 0xd8, 0xff]), 0xe1, 5), /JPEG image is truncated/],
  ['a WebP that is all head', webpOf(), /WebP image is truncated/],
  ['a WebP of 16,384 × 16,384', webpOf(['VP8L', vp8l(16_384, 16_384)]), /megapixels/],
  ['an animated WebP', film, /WebP image is animated/],
  [
    'a WebP that only says it is animated',
    webpOf(['VP8X', vp8x(9, 9, 2)], ['VP8L', vp8l(9, 9)]),
    /WebP image is animated/,
  ],
  ['a WebP that hides its frames', webpOf(['VP8X', vp8x(9, 9)], ['ANMF', Buffer.alloc(24)]), /WebP image is animated/],
  [
    'a WebP whose pixels exceed its canvas',
    webpOf(['VP8X', vp8x(9, 9)], ['VP8L', vp8l(9_000, 9)]),
    /WebP image is malformed/,
  ],
  [
    'a WebP with two canvases',
    webpOf(['VP8X', vp8x(9, 9)], ['VP8X', vp8x(8, 8)], ['VP8L', vp8l(9, 9)]),
    /WebP image is malformed/,
  ],
  [
    'a WebP that begins with something else',
    webpOf(['JUNK', vp8x(9, 9)], ['VP8L', vp8l(9, 9)]),
    /WebP image is malformed/,
  ],
  ['a WebP of a future version', webpOf(['VP8L', Buffer.from([0x2f, 0, 0, 0, 0xe0])]), /WebP image is malformed/],
  [
    'a WebP that begins amid a film',
    webpOf(['VP8 ', Buffer.from([1, 0, 0, 0x9d, 1, 0x2a, 9, 0, 9, 0])]),
    /WebP image is malformed/,
  ],
  ['a WebP with a short chunk', webpOf(['VP8X', Buffer.alloc(4)]), /WebP image is malformed/],
  ['a WebP of empty chunks', webpOf(['VP8X', vp8x(9, 9)], ...junk), /WebP image is malformed/],
];

const sampleOf = (name: string): Buffer => SAMPLES.find(([wanted]) => wanted === name)?.[1] ?? Buffer.alloc(0);

async function fileOf(bytes: Buffer): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'probe-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, 'image');
  await writeFile(path, bytes);
  return path;
}

const refusal = (message: RegExp): unknown =>
  expect.objectContaining({
    name: 'AppError',
    code: 'unsupported_media',
    retryable: false,
    message: expect.stringMatching(message),
    fix: expect.any(String),
  });

/** Both checks of an upload; anything but an `AppError` is let through to fail the test. */
function verdict(bytes: Buffer): 'taken' | 'refused' {
  try {
    probeImage(bytes);
    assertWhole(bytes);
    return 'taken';
  } catch (error) {
    if (error instanceof AppError && error.code === 'unsupported_media') return 'refused';
    throw error;
  }
}

describe('real images', () => {
  it.each(SAMPLES)('reads the size of a %s as a decoder does, from bytes and from a file', async (_name, bytes) => {
    const { format, width, height } = await sharp(bytes).metadata();
    const facts = { mime: `image/${format}`, width, height };

    expect(probeImage(bytes)).toEqual(facts);
    expect(probeFile(await fileOf(bytes))).toEqual(facts);
    expect(() => assertWhole(bytes)).not.toThrow();
  });

  it('agrees with a decoder on images of any size', async () => {
    const side = fc.integer({ min: 1, max: 300 });

    await fc.assert(
      fc.asyncProperty(side, side, fc.constantFrom('png', 'jpeg', 'webp'), async (width, height, format) => {
        const bytes = await picture({ width, height }).toFormat(format).toBuffer();

        expect(probeImage(bytes)).toEqual({ mime: `image/${format}`, width, height });
        expect(() => assertWhole(bytes)).not.toThrow();
      }),
      { numRuns: 60 },
    );
  });

  it('reads the largest sizes a format can tell', () => {
    const maxPixels = Number.MAX_SAFE_INTEGER;

    expect(probeImage(webpOf(['VP8L', vp8l(16_384, 16_384)]), { maxPixels })).toMatchObject({
      width: 16_384,
      height: 16_384,
    });
    expect(probeImage(pngOf(2 ** 31 - 1, 3), { maxPixels })).toMatchObject({ width: 2 ** 31 - 1, height: 3 });
  });

  it('takes trailing bytes, as cameras append to their JPEGs', () => {
    for (const [, bytes] of SAMPLES) {
      expect(() => assertWhole(Buffer.concat([bytes, Buffer.from('trailer')]))).not.toThrow();
    }
  });
});

describe('what is refused', () => {
  it.each(REFUSED)('is %s', async (_name, bytes, message) => {
    const file = await fileOf(bytes);

    expect(() => probeImage(bytes)).toThrow(refusal(message));
    expect(() => probeFile(file)).toThrow(refusal(message));
  });

  it('is an image above the limit that the caller sets', () => {
    expect(() => probeImage(sampleOf('PNG'), { maxPixels: 61 * 37 - 1 })).toThrow(refusal(/61 × 37 pixels/));
    expect(probeImage(sampleOf('PNG'), { maxPixels: 61 * 37 })).toMatchObject(small);
  });
});

describe('cut and changed bytes', () => {
  it('finds the end of a scan among any mixture of stuffed bytes, restarts and gaps', () => {
    const jpeg = sampleOf('JPEG');
    const stuffed = fc.constantFrom([0xff, 0x00], [0xff, 0xd0], [0xff, 0xd7]);
    const gap = fc.nat(40).map((length) => Array<number>(length).fill(0x11));

    fc.assert(
      fc.property(fc.array(fc.oneof(stuffed, gap), { maxLength: 60 }), (parts) => {
        const scan = Buffer.from(parts.flat());

        expect(verdict(insert(jpeg, jpeg.length - 2, scan))).toBe('taken');
        expect(verdict(insert(jpeg.subarray(0, -2), jpeg.length - 2, scan))).toBe('refused');
      }),
      { numRuns: 500 },
    );
  });

  const short = SAMPLES.filter(([, bytes]) => bytes.length < 20_000);

  it.each(short)('refuses a %s cut at any byte', (_name, bytes) => {
    const taken = Array.from(bytes.keys()).filter((end) => verdict(bytes.subarray(0, end)) === 'taken');

    expect(taken).toEqual([]);
  });

  it.each(['PNG with a long manifest', 'JPEG with long EXIF', 'JPEG with a long manifest'])(
    'refuses a %s cut anywhere',
    (name) => {
      const bytes = sampleOf(name);

      fc.assert(
        fc.property(fc.integer({ min: 0, max: bytes.length - 1 }), (end) => {
          expect(verdict(bytes.subarray(0, end))).toBe('refused');
        }),
      );
    },
  );

  it.each(short)('answers for a %s with any byte of its head changed', (_name, bytes) => {
    for (let at = 0; at < Math.min(bytes.length, 400); at++) {
      for (const value of [0x00, 0x01, 0x7f, 0x80, 0xd9, 0xfe, 0xff, (bytes[at] ?? 0) ^ 0x02]) {
        const changed = Buffer.from(bytes);
        changed[at] = value;

        expect(verdict(changed)).toMatch(/taken|refused/);
      }
    }
  });

  it('answers for any mixture of image parts', () => {
    const part = fc.oneof(
      fc
        .constantFrom(...short.map(([, bytes]) => bytes))
        .chain((bytes) =>
          fc.tuple(fc.nat(bytes.length), fc.nat(bytes.length)).map(([from, to]) => bytes.subarray(from, to)),
        ),
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    );
    const start = fc.constantFrom(...short.map(([, bytes]) => bytes.subarray(0, 40)));

    fc.assert(
      fc.property(start, fc.array(part, { maxLength: 6 }), (first, parts) => {
        expect(verdict(Buffer.concat([first, ...parts]))).toMatch(/taken|refused/);
      }),
      { numRuns: 2_000 },
    );
  });
});
