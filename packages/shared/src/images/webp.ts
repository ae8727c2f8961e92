import type { Format, Size } from './format.ts';
import { animated, malformed } from './refusal.ts';

const HEAD = 12;
const ANIMATION_FLAG = 0x02;
// Beside the pixels a still image has at most profile, alpha and metadata; unknown chunks are allowed among them.
const CHUNKS_MAX = 1_000;

type Chunk = { type: string; start: number; size: number; end: number };

/** WebP: RIFF chunks; lossy (VP8), lossless (VP8L), or extended (VP8X) around one of them. @see https://developers.google.com/speed/webp/docs/riff_container */
export const webp: Format = {
  mime: 'image/webp',
  name: 'WebP',
  matches: (bytes) => bytes.toString('latin1', 0, 4) === 'RIFF' && bytes.toString('latin1', 8, HEAD) === 'WEBP',

  readSize(bytes) {
    let canvas: Size | undefined;
    for (const chunk of chunks(bytes, bytes.length)) {
      if (chunk.type === 'ANIM' || chunk.type === 'ANMF') throw animated('WebP');
      const size = sizeIn(bytes, chunk);
      if (size === 'cut') return undefined;
      if (isPixels(chunk.type) && size) return sameSize(size, canvas);
      const isFirst = chunk.start === HEAD + 8;
      if (isFirst !== (chunk.type === 'VP8X')) throw malformed('WebP');
      canvas ??= size;
    }
    return undefined;
  },

  isWhole(bytes) {
    const end = bytes.length < HEAD ? Infinity : 8 + bytes.readUInt32LE(4);
    if (end > bytes.length) return false;
    for (const chunk of chunks(bytes, end)) {
      if (isPixels(chunk.type)) return chunk.end <= end;
    }
    return false;
  },
};

function* chunks(bytes: Buffer, limit: number): Generator<Chunk, undefined> {
  let seen = 0;
  for (let at = HEAD; at + 8 <= limit; ) {
    if (++seen > CHUNKS_MAX) throw malformed('WebP');
    const size = bytes.readUInt32LE(at + 4);
    const start = at + 8;
    yield { type: bytes.toString('latin1', at, at + 4), start, size, end: start + size };
    // Chunks begin on even places.
    at = start + size + (size % 2);
  }
}

function isPixels(type: string): boolean {
  return type === 'VP8 ' || type === 'VP8L';
}

/** The size a chunk tells: `undefined` when its kind tells none, `cut` when the bytes end before it. */
function sizeIn(bytes: Buffer, { type, start, size }: Chunk): Size | 'cut' | undefined {
  const read = READERS.get(type);
  if (!read) return undefined;
  if (size < read.bytes) throw malformed('WebP');
  return start + read.bytes > bytes.length ? 'cut' : read.size(bytes.subarray(start));
}

const READERS = new Map([
  ['VP8 ', { bytes: 10, size: lossySize }],
  ['VP8L', { bytes: 5, size: losslessSize }],
  ['VP8X', { bytes: 10, size: canvasSize }],
]);

function lossySize(data: Buffer): Size {
  const isKeyFrame = (data.readUInt8(0) & 1) === 0;
  if (!isKeyFrame || data.readUIntBE(3, 3) !== 0x9d012a) throw malformed('WebP');
  // The upper two bits of each are a scaling hint for display.
  return { width: data.readUInt16LE(6) & 0x3fff, height: data.readUInt16LE(8) & 0x3fff };
}

function losslessSize(data: Buffer): Size {
  const bits = data.readUInt32LE(1);
  if (data.readUInt8(0) !== 0x2f || bits >>> 29 !== 0) throw malformed('WebP');
  return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
}

function canvasSize(data: Buffer): Size {
  if (data.readUInt8(0) & ANIMATION_FLAG) throw animated('WebP');
  return { width: data.readUIntLE(4, 3) + 1, height: data.readUIntLE(7, 3) + 1 };
}

/** The pixels fill the canvas of a still image; a small canvas must not hide large pixels. */
function sameSize(size: Size, canvas: Size = size): Size {
  if (size.width !== canvas.width || size.height !== canvas.height) throw malformed('WebP');
  return size;
}
