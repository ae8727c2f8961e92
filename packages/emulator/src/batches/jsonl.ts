/** Splits a file of any length into its lines. */

export type FoundLine = { offset: number; bytes: Buffer };

const NEWLINE = 0x0a;

/**
 * The lines that are not blank, each with the offset of its first byte.
 *
 * @throws RangeError for a line of more than `bytesMax`
 */
export async function* linesOf(source: AsyncIterable<Buffer>, bytesMax: number): AsyncGenerator<FoundLine> {
  let offset = 0;
  let begun: Buffer[] = [];
  let length = 0;

  function* take(piece: Buffer, ends: boolean): Generator<FoundLine> {
    begun.push(piece);
    length += piece.length;
    if (length > bytesMax) throw new RangeError(`a line has more than ${bytesMax} bytes`);
    if (!ends) return;
    const bytes = begun.length === 1 ? piece : Buffer.concat(begun);
    if (!isBlank(bytes)) yield { offset, bytes };
    offset += length + 1;
    begun = [];
    length = 0;
  }

  for await (const chunk of source) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      yield* take(chunk.subarray(start, end), true);
      start = end + 1;
    }
    yield* take(chunk.subarray(start), false);
  }
  yield* take(Buffer.alloc(0), true);
}

function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x0d || byte === 0x09);
}
