/**
 * Base64 out of a JSON string, decoded as it arrives.
 *
 * The common case is a long run of clean base64: it is cut into whole quanta and decoded by native code, slice by
 * slice, without a loop over bytes. A clean slice of n characters yields exactly n * 3 / 4 bytes; whatever yields
 * fewer holds an escape, padding or white space and takes the careful way.
 */

import type { BlobSink } from '../../ports/spool.ts';

/** Characters decoded at once: small enough to stay in the processor's cache, large enough to make calls rare. */
const SLICE = 64 * 1024;
/** Decoded bytes handed over at once; the provider's TLS records of 16 kB are gathered up to this. */
const OUT = 3 * SLICE;

/** A body passed one of the limits set for it: it cannot be an answer to what was asked. */
export class BodyLimitError extends Error {}

export type Base64Decoder = {
  /** Takes `chunk[from, to)`, the raw inside of a JSON string, cut anywhere. */
  write(chunk: Buffer, from: number, to: number): void;
  /** Decodes what is left and hands everything over. */
  end(): void;
};

/**
 * Decodes into `sink`. Reads both alphabets, skips white space, stops at padding, undoes JSON escapes.
 *
 * @param pending takes the promise of a write that the sink has not finished yet
 * @throws BodyLimitError from `write` or `end` once more than `maxBytes` were decoded
 */
export function createBase64Decoder(
  sink: BlobSink,
  maxBytes: number,
  pending: (write: Promise<void>) => void,
): Base64Decoder {
  let out = Buffer.allocUnsafeSlow(OUT);
  let filled = 0;
  let total = 0;
  /** Raw characters that wait for the rest of their quantum or escape. */
  let carry = '';
  let padded = false;

  function flush(): void {
    if (filled === 0) return;
    total += filled;
    if (total > maxBytes) throw new BodyLimitError(`a field of the answer holds more than ${maxBytes} bytes`);
    const written = sink.write(out.subarray(0, filled));
    filled = 0;
    if (!written) return;
    pending(written);
    out = Buffer.allocUnsafeSlow(OUT); // the sink still reads the other one
  }

  /** Decodes `text` of `bytes` expected bytes; `false`, and nothing done, when it is not clean. */
  function decodeClean(text: string, bytes: number): boolean {
    if (out.write(text, filled, 'base64') !== bytes) return false;
    filled += bytes;
    return true;
  }

  function slice(chunk: Buffer, from: number, to: number): void {
    if (padded) return;
    if (OUT - filled < SLICE) flush();
    let start = from;
    if (carry !== '') {
      start += 4 - carry.length;
      if (start > to || start <= from || !decodeClean(carry + chunk.toString('latin1', from, start), 3)) {
        return careful(carry + chunk.toString('latin1', from, to));
      }
      carry = '';
    }
    const end = start + ((to - start) & ~3);
    if (!decodeClean(chunk.toString('latin1', start, end), ((end - start) / 4) * 3)) {
      return careful(chunk.toString('latin1', start, to));
    }
    carry = chunk.toString('latin1', end, to);
  }

  function careful(raw: string): void {
    const open = /\\(?:u[\da-fA-F]{0,3})?$/.exec(raw)?.[0] ?? '';
    let text = clean(unescapeJson(raw.slice(0, raw.length - open.length)));
    const padding = text.indexOf('=');
    if (padding >= 0) {
      padded = true;
      text = text.slice(0, padding);
    }
    const whole = padded ? text.length : text.length & ~3;
    filled += out.write(text.slice(0, whole), filled, 'base64');
    carry = padded ? '' : text.slice(whole) + open;
  }

  return {
    write(chunk, from, to) {
      for (let at = from; at < to; at += SLICE) slice(chunk, at, Math.min(to, at + SLICE));
    },
    end() {
      if (carry !== '') {
        if (OUT - filled < SLICE) flush();
        filled += out.write(clean(unescapeJson(carry)), filled, 'base64');
        carry = '';
      }
      flush();
    },
  };
}

/** JSON escapes undone, as far as they can stand for base64; the others stand for characters that are skipped anyway. */
function unescapeJson(raw: string): string {
  if (!raw.includes('\\')) return raw;
  return raw.replace(/\\(?:u([\da-fA-F]{4})|(.))/gs, (_, code?: string, char?: string) => {
    if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16));
    return char === '/' ? '/' : '';
  });
}

function clean(text: string): string {
  return text.replace(/[^A-Za-z\d+/=_-]/g, '');
}
