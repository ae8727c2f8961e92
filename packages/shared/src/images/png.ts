import type { Format, Size } from './format.ts';
import { animated, malformed } from './refusal.ts';

const SIGNATURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
/** An IHDR chunk's length and type: the standard wants it first, with 13 bytes. */
const IHDR = Buffer.from('\0\0\0\rIHDR', 'latin1');
const IHDR_END = 33;

const typeOf = (name: string): number => Buffer.from(name, 'latin1').readUInt32BE();
const ACTL = typeOf('acTL');
const IDAT = typeOf('IDAT');
const IEND = typeOf('IEND');

// Metadata comes in a handful of chunks. Empty ones cost 12 bytes each, and a file could hold nothing else.
const CHUNKS_BEFORE_PIXELS_MAX = 1_000;

/** PNG: chunks of length, type, data and checksum. @see https://www.w3.org/TR/png-3/ */
export const png: Format = {
  mime: 'image/png',
  name: 'PNG',
  matches: (bytes) => bytes.subarray(0, SIGNATURE.length).equals(SIGNATURE),

  readSize(bytes) {
    if (bytes.length < IHDR_END) return undefined;
    if (!bytes.subarray(SIGNATURE.length, SIGNATURE.length + IHDR.length).equals(IHDR)) throw malformed('PNG');
    const size: Size = { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
    // An animation announces itself before the first pixels, so all that comes before them must be seen.
    let seen = 0;
    for (let at = IHDR_END; at + 8 <= bytes.length; at = endOfChunk(bytes, at)) {
      const type = bytes.readUInt32BE(at + 4);
      if (type === IDAT) return size;
      if (type === ACTL) throw animated('PNG');
      if (++seen > CHUNKS_BEFORE_PIXELS_MAX) throw malformed('PNG');
    }
    return undefined;
  },

  isWhole(bytes) {
    let at = SIGNATURE.length;
    while (at + 12 <= bytes.length) {
      if (bytes.readUInt32BE(at + 4) === IEND) return true;
      at = endOfChunk(bytes, at);
    }
    return false;
  },
};

function endOfChunk(bytes: Buffer, at: number): number {
  return at + 12 + bytes.readUInt32BE(at);
}
