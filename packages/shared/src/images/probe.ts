/**
 * What an image is, judged by its own header.
 *
 * Nothing is decoded, so no decoder meets bytes that nobody has looked at, and a file that would unpack into
 * gigabytes costs a few reads. What a caller or a server says about the type is not asked.
 */

import { closeSync, openSync, readSync } from 'node:fs';
import type { ImageMime } from '../domain/job.ts';
import type { Format } from './format.ts';
import { jpeg } from './jpeg.ts';
import { png } from './png.ts';
import { truncated, unsupported } from './refusal.ts';
import { webp } from './webp.ts';

export type ImageFacts = { mime: ImageMime; width: number; height: number };

export type ProbeOptions = {
  /** Width times height. Default 50,000,000. */
  maxPixels?: number;
};

const FORMATS: readonly Format[] = [png, jpeg, webp];
const MAX_PIXELS = 50_000_000;

/**
 * Type and size of a still PNG, JPEG or WebP image.
 *
 * @throws AppError `unsupported_media` for anything else: another format, a broken or cut header, no pixels, too many, or several frames
 */
export function probeImage(bytes: Buffer, options: ProbeOptions = {}): ImageFacts {
  const facts = readFacts(bytes, options);
  if (!facts) throw truncated(formatOf(bytes).name);
  return facts;
}

/**
 * Checks that an image that passed `probeImage` goes on to its proper end.
 *
 * @throws AppError `unsupported_media` when it was cut on the way
 */
export function assertWhole(bytes: Buffer): void {
  const format = formatOf(bytes);
  if (!format.isWhole(bytes)) throw truncated(format.name);
}

// A header is mostly done in the first; one with long metadata (EXIF previews, C2PA manifests) gets more, up to the last.
const HEAD_BYTES = [16 * 1024, 256 * 1024, 2 * 1024 * 1024, 16 * 1024 * 1024];

/**
 * `probeImage` for a file of a local disk, of which only the beginning is read: mostly so little that to read it takes
 * less than to hand it to another thread and back.
 */
export function probeFile(path: string, options: ProbeOptions = {}): ImageFacts {
  const file = openSync(path, 'r');
  try {
    return probeOpen(file, options);
  } finally {
    closeSync(file);
  }
}

function probeOpen(file: number, options: ProbeOptions): ImageFacts {
  let head = Buffer.alloc(0);
  for (const size of HEAD_BYTES) {
    const buffer = Buffer.allocUnsafe(size);
    const bytesRead = readSync(file, buffer, 0, size, 0);
    head = buffer.subarray(0, bytesRead);
    const facts = readFacts(head, options);
    if (facts) return facts;
    if (bytesRead < size) break;
  }
  throw truncated(formatOf(head).name);
}

/** The facts, or `undefined` when the bytes end within the header. */
function readFacts(bytes: Buffer, { maxPixels = MAX_PIXELS }: ProbeOptions): ImageFacts | undefined {
  const { mime, name, readSize } = formatOf(bytes);
  const size = readSize(bytes);
  if (!size) return undefined;
  const { width, height } = size;
  if (width === 0 || height === 0) throw unsupported(`The ${name} image has no pixels.`, 'Give an image with pixels.');
  if (width * height > maxPixels) {
    throw unsupported(
      `The ${name} image has ${width} × ${height} pixels, more than ${maxPixels / 1_000_000} megapixels.`,
      'Scale the image down.',
    );
  }
  return { mime, width, height };
}

function formatOf(bytes: Buffer): Format {
  const format = FORMATS.find(({ matches }) => matches(bytes));
  if (format) return format;
  const found = bytes.length === 0 ? 'The file is empty' : `The file is ${nameOf(bytes)}`;
  throw unsupported(`${found}.`, 'Give a PNG, JPEG or WebP image.');
}

// Kinds that people send by mistake, for a message they can act on.
const OTHERS: [RegExp, string][] = [
  [/^GIF8/, 'a GIF image, which is not taken'],
  [/^....ftyp(heic|heix|mif1|msf1|hevc)/s, 'a HEIC image, which is not taken'],
  [/^....ftypavi[fs]/s, 'an AVIF image, which is not taken'],
  [/^(II\*\0|MM\0\*)/, 'a TIFF image, which is not taken'],
  [/^BM/, 'a BMP image, which is not taken'],
  [/^%PDF/, 'a PDF document, which is not taken'],
  [/<svg[\s>]/i, 'an SVG image, which is not taken'],
  [/^\s*<(!doctype html|html)/i, 'an HTML page, no image'],
];

function nameOf(bytes: Buffer): string {
  const start = bytes.toString('latin1', 0, 1_024);
  return OTHERS.find(([pattern]) => pattern.test(start))?.[1] ?? 'of no known image format';
}
