/** What can be told of a caller's image without decoding it. */
import sharp from 'sharp';
import type { Pixels } from '../models.ts';

const HEADER_CHARS = 32;

/** Types the API takes, each with the letters its files begin with (after an optional offset). */
const SIGNATURES: Readonly<Record<string, (head: string) => boolean>> = {
  'image/png': (head) => head.startsWith('\x89PNG'),
  'image/jpeg': (head) => head.startsWith('\xff\xd8\xff'),
  'image/webp': (head) => head.startsWith('RIFF') && head.slice(8, 12) === 'WEBP',
  'image/heic': (head) => head.slice(4, 8) === 'ftyp',
  'image/heif': (head) => head.slice(4, 8) === 'ftyp',
  'image/gif': (head) => head.startsWith('GIF8'),
  'image/bmp': (head) => head.startsWith('BM'),
  'image/tiff': (head) => head.startsWith('II*') || head.startsWith('MM'),
};

/** The API takes this type of image. */
export function isImageType(mime: string): boolean {
  return Object.hasOwn(SIGNATURES, mime.toLowerCase());
}

/** The first bytes are those of some image the API takes. */
export function looksLikeImage(base64: string): boolean {
  const head = Buffer.from(base64.slice(0, HEADER_CHARS), 'base64').toString('latin1');
  return Object.values(SIGNATURES).some((matches) => matches(head));
}

/** Width and height by the header, or `undefined` when there is none that makes sense. */
export async function pixelsOfImage(bytes: Buffer): Promise<Pixels | undefined> {
  const { width, height } = await sharp(bytes)
    .metadata()
    .catch(() => ({ width: 0, height: 0 }));
  return width > 0 && height > 0 ? [width, height] : undefined;
}
