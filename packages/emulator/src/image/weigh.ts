/** Brings an encoded image to an exact weight, by segments which every decoder skips. */
import { crc32 } from 'node:zlib';

const JPEG_COMMENT = 0xfe;
const JPEG_START_BYTES = 2;
const JPEG_SCAN = 0xda;
const JPEG_SEGMENT_MAX = 0xffff + 2;
const JPEG_SEGMENT_MIN = 4;
const PNG_END_BYTES = 12;
const PNG_CHUNK_OVERHEAD = 12;
// Decoders refuse or skip unknown chunks of many megabytes with a warning; 1 MiB passes all of them.
const PNG_CHUNK_MAX = 1024 * 1024;
/** Ancillary, private, safe to copy. */
const PNG_CHUNK_TYPE = Buffer.from('paDd', 'latin1');

/**
 * The same picture at exactly `bytes`, filled up from `filler`.
 *
 * An image that weighs as much already, or lacks fewer bytes than a segment takes (4 in JPEG, 12 in PNG), stays as it is.
 */
export function weigh(image: Buffer, bytes: number, filler: Buffer): Buffer {
  const missing = bytes - image.length;
  return image[0] === 0xff ? weighJpeg(image, missing, filler) : weighPng(image, missing, filler);
}

function weighJpeg(image: Buffer, missing: number, filler: Buffer): Buffer {
  const segments = cut(missing, JPEG_SEGMENT_MIN, Math.min(JPEG_SEGMENT_MAX, filler.length)).map((size, i) => {
    const head = Buffer.from([0xff, JPEG_COMMENT, 0, 0]);
    head.writeUInt16BE(size - 2, 2);
    return Buffer.concat([head, slice(filler, i, size - head.length)]);
  });
  const scan = scanOf(image);
  return Buffer.concat([image.subarray(0, scan), ...segments, image.subarray(scan)]);
}

/** Where the pixels begin. What comes before, such as the size, stays at the front, as in any picture. */
function scanOf(jpeg: Buffer): number {
  let at = JPEG_START_BYTES;
  while (at + JPEG_SEGMENT_MIN <= jpeg.length && jpeg[at + 1] !== JPEG_SCAN) at += 2 + jpeg.readUInt16BE(at + 2);
  return at;
}

function weighPng(image: Buffer, missing: number, filler: Buffer): Buffer {
  const chunks = cut(missing, PNG_CHUNK_OVERHEAD, Math.min(PNG_CHUNK_MAX, filler.length)).map((size, i) => {
    const body = Buffer.concat([PNG_CHUNK_TYPE, slice(filler, i, size - PNG_CHUNK_OVERHEAD)]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(size - PNG_CHUNK_OVERHEAD, 0);
    frame.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
  });
  const end = image.length - PNG_END_BYTES;
  return Buffer.concat([image.subarray(0, end), ...chunks, image.subarray(end)]);
}

/** Sizes of segments that make up `total`, none of them shorter than `min`. */
function cut(total: number, min: number, max: number): number[] {
  const sizes: number[] = [];
  for (let left = total; left >= min; ) {
    // Never leaves a rest too short for a segment of its own.
    const size = left <= max ? left : Math.min(max, left - min);
    sizes.push(size);
    left -= size;
  }
  return sizes;
}

function slice(filler: Buffer, index: number, bytes: number): Buffer {
  const room = Math.max(1, filler.length - bytes);
  const start = (index * 7919) % room;
  return filler.subarray(start, start + bytes);
}
