/**
 * What stands between the cells of a CSV file: spreadsheets of some countries write semicolons, and copies of cells tabs.
 * Files made for Excel may say so themselves, by a first line such as `sep=;`.
 */

/** Of two that occur as often, the first. */
const DELIMITERS = [',', ';', '\t'] as const;
const CODES = DELIMITERS.map((delimiter) => delimiter.charCodeAt(0));
const QUOTE = 0x22;
const LF = 0x0a;
const CR = 0x0d;
const BOM = [0xef, 0xbb, 0xbf];

/** Between a byte order mark, if any, and the end of the first line; as Latin-1. Any mark will do that is no letter, digit or quote. */
const NAMED = /^(?:\xef\xbb\xbf)?("?)sep=([\t !#-/:-@[-`{-~])\1(?=[\r\n]|$)/i;
const NAMED_BYTES_MAX = 12;

/** The delimiter that a file names, and the bytes up to the end of that line, without it; `undefined` when it names none. */
export function namedDelimiter(file: Buffer): { delimiter: string; bytes: number } | undefined {
  const [text, , delimiter] = NAMED.exec(file.toString('latin1', 0, NAMED_BYTES_MAX)) ?? [];
  return text !== undefined && delimiter !== undefined ? { delimiter, bytes: text.length } : undefined;
}

export type DelimiterFinder = {
  /** Looks on through the header line. @returns whether it has ended */
  push(chunk: Buffer): boolean;
  /** The one that occurred most often outside quotes so far; a comma when none did. */
  best(): string;
};

/** Of the first line that is not empty; a break within quotes ends no line. */
export function createDelimiterFinder(): DelimiterFinder {
  const counts = DELIMITERS.map(() => 0);
  let quoted = false;
  let begun = false;
  let at = 0;
  const ends = (byte: number): boolean => {
    if (byte === BOM[at++]) return false;
    if (!quoted && (byte === LF || byte === CR)) return begun;
    begun = true;
    if (byte === QUOTE) quoted = !quoted;
    const kind = quoted ? -1 : CODES.indexOf(byte);
    if (kind >= 0) counts[kind] = (counts[kind] ?? 0) + 1;
    return false;
  };
  return {
    push: (chunk) => chunk.some(ends),
    best: () => DELIMITERS[counts.indexOf(Math.max(...counts))] ?? ',',
  };
}
