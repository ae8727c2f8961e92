/**
 * Lifts the base64 fields out of a JSON body while it streams by.
 *
 * Every string that is the value of a key named in `FIELDS` as `base64` is decoded into a blob and replaced by
 * `"@blob:N"`, unless it is a data URL after all. Of the others named there only what follows `data:image/…;base64,` is, and the words before it stay:
 * `"data:image/png;base64,@blob:N"`, once in a `url`, any number of times in a `text`. All other bytes are kept as they
 * are and make up the skeleton, a small JSON text. A 20 MB image thus never exists as a string. The scan jumps from
 * quote to quote with native searches; chunks may end anywhere.
 */

import type { SpooledBlob } from '../../domain/answer.ts';
import type { BlobSink } from '../../ports/spool.ts';
import { type Base64Decoder, BodyLimitError, createBase64Decoder } from './base64.ts';
import { afterDataUrlHead, base64End, HEAD_MAX } from './data-url.ts';

type Field = 'base64' | 'url' | 'text';

/** What strings under these keys hold. */
const FIELDS: ReadonlyMap<string, Field> = new Map<string, Field>([
  ['data', 'base64'],
  ['thoughtSignature', 'base64'],
  ['thought_signature', 'base64'],
  ['b64_json', 'base64'],
  ['url', 'url'],
  ['image_url', 'url'],
  ['content', 'text'],
]);
/** Longer than any lifted key, even with each of its letters written as `\u0064`. */
const KEY_MAX = 128;

/** Some relays write a whole data URL where base64 alone belongs. */
const DATA_LEAD = 'data:';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;

export type Limits = { skeletonBytes: number; blobs: number; blobBytes: number };

const LIMITS: Limits = { skeletonBytes: 4 << 20, blobs: 32, blobBytes: 64 << 20 };

export type Extractor = {
  /**
   * Takes the next bytes; a promise when a sink asked to wait.
   *
   * @throws BodyLimitError when the body passes a limit
   */
  push(chunk: Buffer): void | Promise<void>;
  /** Closes every blob and gives the skeleton. Whether that is whole JSON is for the caller to see. */
  end(): Promise<{ skeleton: Buffer; blobs: SpooledBlob[] }>;
  /** Closes every blob of a body that is not wanted any more, unless `end` did. Never throws; safe to call twice. */
  drop(): Promise<void>;
};

/** Stands for the decoder of a field that is left out. */
const NO_DECODER: Base64Decoder = { write: () => {}, end: () => {} };

/**
 * Lifts into the sinks that `open` makes, one per lifted field in the order of their appearance. A field that it makes none
 * for is left out: an empty string takes its place, and it counts as no blob.
 */
export function createExtractor(
  open: (index: number, field: string) => BlobSink | undefined,
  limits: Limits = LIMITS,
): Extractor {
  const skeleton = createSkeleton(limits.skeletonBytes);
  const sinks: BlobSink[] = [];
  let waiting: Promise<void>[] = [];
  let inString = false;
  let decoder: Base64Decoder | undefined;
  /** The last byte outside strings that is no white space: a colon says that a string is a value. */
  let last = 0;
  /** The raw text of the last string that may have been a key. */
  let key = '';
  let inValue = false;
  let name = '';
  /** What the string that is being read holds; `undefined` = nothing to lift. */
  let field: Field | undefined;
  /** Where the string began in the skeleton. */
  let start = 0;
  /** The end of the chunk before, when only the next tells what it is. */
  let held: Buffer | undefined;
  /** The chunk before ended, inside a string, with a backslash that escapes the next byte. */
  let escaping = false;

  function outside(chunk: Buffer, from: number): number {
    const quote = chunk.indexOf(QUOTE, from);
    const end = quote < 0 ? chunk.length : quote;
    last = lastSignificant(chunk, from, end) ?? last;
    skeleton.keep(chunk, from, end);
    if (quote < 0) return end;
    inValue = last === COLON;
    if (inValue) name = unquoted(key);
    else key = '';
    field = inValue ? FIELDS.get(name) : undefined;
    skeleton.keep(chunk, quote, quote + 1);
    start = skeleton.length();
    inString = true;
    return quote + 1;
  }

  function startBlob(): void {
    const index = sinks.length;
    if (index >= limits.blobs) throw new BodyLimitError(`the answer holds more than ${limits.blobs} binary fields`);
    const sink = open(index, name);
    if (sink) sinks.push(sink);
    decoder = sink ? createBase64Decoder(sink, limits.blobBytes, defer) : NO_DECODER;
    const placeholder = Buffer.from(sink ? `@blob:${index}` : '');
    skeleton.keep(placeholder, 0, placeholder.length);
  }

  function defer(write: Promise<void>): void {
    waiting.push(write);
    write.catch(() => undefined); // whoever awaits `push` hears of it; a body refused meanwhile is awaited by nobody
  }

  function inside(chunk: Buffer, from: number): number {
    const closing = findClosing(chunk, from);
    const end = closing < 0 ? chunk.length : closing;
    if (field === 'base64' && !decoder) {
      const lead = chunk.toString('latin1', from, Math.min(end, from + DATA_LEAD.length));
      if (closing < 0 && lead.length < DATA_LEAD.length && DATA_LEAD.startsWith(lead)) return hold(chunk, from);
      if (lead === DATA_LEAD) field = 'url';
      else startBlob();
    }
    if (field) lift(field, chunk, from, end);
    else keepString(chunk, from, end);
    if (closing < 0) return chunk.length;
    endBlob();
    skeleton.keep(chunk, end, end + 1);
    inString = false;
    last = QUOTE;
    return end + 1;
  }

  function lift(holds: Field, chunk: Buffer, from: number, end: number): void {
    for (let at = from; at < end; ) {
      if (!decoder) at = keepWords(chunk, at, end);
      else if (holds === 'text') at = decodeRun(chunk, at, end);
      else {
        decoder.write(chunk, at, end);
        at = end;
      }
    }
  }

  /** Keeps words up to where base64 begins, or all of them. */
  function keepWords(chunk: Buffer, from: number, end: number): number {
    const at = afterDataUrlHead(skeleton.tail(start), chunk.subarray(from, end));
    const to = at === undefined ? end : from + at;
    skeleton.keep(chunk, from, to);
    if (at !== undefined) startBlob();
    return to;
  }

  /** Decodes base64 up to where other words begin, or all of it. */
  function decodeRun(chunk: Buffer, from: number, end: number): number {
    const run = base64End(chunk, from, end);
    decoder?.write(chunk, from, run.end);
    if (run.type === 'open') return run.end;
    if (run.type === 'over' || end < chunk.length) {
      endBlob();
      return run.end;
    }
    return hold(chunk, run.end);
  }

  /** Keeps the end of a chunk for the next one, which begins with it. */
  function hold(chunk: Buffer, from: number): number {
    held = Buffer.from(chunk.subarray(from));
    escaping = false;
    return chunk.length;
  }

  function endBlob(): void {
    decoder?.end();
    decoder = undefined;
  }

  function keepString(chunk: Buffer, from: number, end: number): void {
    skeleton.keep(chunk, from, end);
    if (!inValue && key.length <= KEY_MAX) key += chunk.toString('latin1', from, Math.min(end, from + KEY_MAX + 1));
  }

  /** The index of the quote that ends the string, or -1 when it is not in this chunk. */
  function findClosing(chunk: Buffer, from: number): number {
    for (let at = from; ; ) {
      const quote = chunk.indexOf(QUOTE, at);
      const end = quote < 0 ? chunk.length : quote;
      const run = backslashesBefore(chunk, at, end);
      const escaped = (run + (escaping && run === end - at ? 1 : 0)) % 2 === 1;
      escaping = quote < 0 && escaped;
      if (quote < 0) return -1;
      if (!escaped) return quote;
      at = quote + 1;
    }
  }

  /** Each sink for the one who closes it: a file's number may be another file's by the second time. */
  function takeSinks(): BlobSink[] {
    return sinks.splice(0);
  }

  return {
    push(arrived) {
      const chunk = held ? Buffer.concat([held, arrived]) : arrived;
      held = undefined;
      for (let at = 0; at < chunk.length; ) at = inString ? inside(chunk, at) : outside(chunk, at);
      if (waiting.length === 0) return undefined;
      const writes = waiting;
      waiting = [];
      return Promise.all(writes).then(() => undefined);
    },
    async end() {
      if (held) skeleton.keep(held, 0, held.length);
      endBlob();
      await Promise.all(waiting);
      const blobs = await Promise.all(takeSinks().map((sink) => sink.close()));
      return { skeleton: skeleton.bytes(), blobs };
    },
    async drop() {
      await Promise.allSettled(waiting);
      await Promise.allSettled(takeSinks().map((sink) => sink.close()));
    },
  };
}

/** Bytes gathered up to a limit. */
function createSkeleton(limit: number) {
  let buffer = Buffer.allocUnsafeSlow(4096);
  let length = 0;
  return {
    keep(chunk: Buffer, from: number, to: number): void {
      const needed = length + to - from;
      if (needed > limit)
        throw new BodyLimitError(`the answer holds more than ${limit} bytes beside its binary fields`);
      if (needed > buffer.length) {
        const grown = Buffer.allocUnsafeSlow(Math.max(needed, buffer.length * 2));
        buffer.copy(grown, 0, 0, length);
        buffer = grown;
      }
      chunk.copy(buffer, length, from, to);
      length = needed;
    },
    length: () => length,
    /** The last bytes, as far as a data URL's beginning may reach back, and not from before `start`. */
    tail: (start: number) => buffer.subarray(Math.max(start, length - HEAD_MAX), length),
    bytes: () => buffer.subarray(0, length),
  };
}

function lastSignificant(chunk: Buffer, from: number, end: number): number | undefined {
  for (let at = end - 1; at >= from; at--) {
    const byte = chunk[at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte;
  }
  return undefined;
}

function backslashesBefore(chunk: Buffer, from: number, end: number): number {
  let at = end;
  while (at > from && chunk[at - 1] === BACKSLASH) at--;
  return end - at;
}

/** The key as its reader sees it; keys too long to be lifted stay as they are. */
function unquoted(raw: string): string {
  if (!raw.includes('\\')) return raw;
  try {
    return String(JSON.parse(`"${raw}"`));
  } catch {
    return raw;
  }
}
