/** Images that are written into text as `data:image/png;base64,…`, found in raw JSON that may be cut anywhere. */

const MARKER = ';base64,';
/** `data:image/png;base64,` and its like, also with an escaped slash or a parameter. */
const HEAD = /data:image\\?\/[\w.+-]{1,60}(?:;[\w.=+-]{1,40})?;base64,$/i;
/** Longer than any such head. */
export const HEAD_MAX = 128;

const BACKSLASH = 0x5c;
const SLASH = 0x2f;
const LETTER_U = 0x75;
/** `\u002b`, `\u002f`, `\u003d`: the three signs of base64 as some writers escape them. */
const ESCAPED_SIGN = /^00(?:2[bf]|3d)$/i;

const BASE64 = new Uint8Array(256);
for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_')
  BASE64[char.charCodeAt(0)] = 1;

/**
 * Where in `words` the base64 of a data URL of an image begins.
 *
 * @param before what came right before `words`, as far back as `HEAD_MAX`
 */
export function afterDataUrlHead(before: Buffer, words: Buffer): number | undefined {
  const early = markerAcross(before, words);
  if (early !== undefined && isHead(before, words, early)) return early;
  for (let from = 0; ; ) {
    const at = words.indexOf(MARKER, from, 'latin1');
    if (at < 0) return undefined;
    from = at + MARKER.length;
    if (isHead(before, words, from)) return from;
  }
}

/** The end in `words` of a marker that began before them. */
function markerAcross(before: Buffer, words: Buffer): number | undefined {
  const reach = MARKER.length - 1;
  const left = before.toString('latin1', Math.max(0, before.length - reach));
  const at = (left + words.toString('latin1', 0, reach)).indexOf(MARKER);
  return at < 0 ? undefined : at + MARKER.length - left.length;
}

function isHead(before: Buffer, words: Buffer, end: number): boolean {
  const near = words.toString('latin1', Math.max(0, end - HEAD_MAX), end);
  const far =
    near.length < HEAD_MAX ? before.toString('latin1', Math.max(0, before.length - HEAD_MAX + near.length)) : '';
  return HEAD.test(far + near);
}

export type Base64Run =
  /** Base64 up to `end`, and as far as can be seen it goes on. */
  | { type: 'open'; end: number }
  /** Something else begins at `end`. */
  | { type: 'over'; end: number }
  /** An escape begins at `end` of which too little has come to know what it stands for. */
  | { type: 'cut'; end: number };

/** How far the base64 in `chunk[from, to)` reaches, JSON's escapes of its signs included. */
export function base64End(chunk: Buffer, from: number, to: number): Base64Run {
  for (let at = from; ; ) {
    at = skipBase64(chunk, at, to);
    if (at === to) return { type: 'open', end: at };
    const length = chunk[at] === BACKSLASH ? escapeLength(chunk, at, to) : 0;
    if (length === undefined) return { type: 'cut', end: at };
    if (length === 0) return { type: 'over', end: at };
    at += length;
  }
}

/** A loop of its own, and as plain as can be: it sees every byte of an image. */
function skipBase64(chunk: Buffer, from: number, to: number): number {
  for (let at = from; at < to; at++) if (BASE64[chunk[at] ?? 0] !== 1) return at;
  return to;
}

/** The length of an escape of one of base64's signs; 0 = of something else, `undefined` = not all of it is here. */
function escapeLength(chunk: Buffer, at: number, to: number): number | undefined {
  if (at + 1 >= to) return undefined;
  if (chunk[at + 1] === SLASH) return 2;
  if (chunk[at + 1] !== LETTER_U) return 0;
  if (at + 6 > to) return undefined;
  return ESCAPED_SIGN.test(chunk.toString('latin1', at + 2, at + 6)) ? 6 : 0;
}
