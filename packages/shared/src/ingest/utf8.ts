import { isUtf8 } from 'node:buffer';

const STRETCH = 1_024;

/** Watches a stream for bytes that are not UTF-8. A character may be cut by the end of a chunk. */
export type Utf8Check = {
  /** @returns the offset in the whole stream of the first byte that is wrong */
  push(chunk: Buffer): number | undefined;
  end(): number | undefined;
};

export function createUtf8Check(): Utf8Check {
  let tail: Buffer = Buffer.alloc(0);
  let checked = 0;
  const fault = (bytes: Buffer) => (isUtf8(bytes) ? undefined : checked + firstFault(bytes));
  return {
    push: (chunk) => {
      const bytes = tail.length ? Buffer.concat([tail, chunk]) : chunk;
      const whole = bytes.subarray(0, bytes.length - cutLength(bytes));
      const found = fault(whole);
      tail = bytes.subarray(whole.length);
      checked += whole.length;
      return found;
    },
    end: () => fault(tail),
  };
}

/** How many bytes at the end may be the beginning of a character. */
function cutLength(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) > back ? back : 0;
  }
  return 0;
}

/** A stretch at a time while all is well, then one character after the other. */
function firstFault(bytes: Buffer): number {
  let good = 0;
  for (let whole = STRETCH; whole > 0; good += whole) {
    const part = bytes.subarray(good, good + STRETCH);
    whole = part.length - cutLength(part);
    if (!isUtf8(part.subarray(0, whole))) break;
  }
  const isCharacter = (length: number) => good + length <= bytes.length && isUtf8(bytes.subarray(good, good + length));
  for (let length: number | undefined = 0; length !== undefined; length = [1, 2, 3, 4].find(isCharacter))
    good += length;
  return good;
}
