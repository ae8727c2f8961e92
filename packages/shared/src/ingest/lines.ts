/** Splits NDJSON into lines, whatever the chunks it comes in. */

export type Line = { line: number; text: string } | { line: number; tooLong: true };

export type Splitter<T> = {
  /** What the chunk completes. */
  push(chunk: Buffer): T[];
  /** What is left when nothing more comes. */
  end(): T[];
};

const LINE_FEED = 10;

/** Lines by LF or CRLF, counted from 1; empty ones are left out. One that is longer than `maxBytes` is named, not kept. */
export function createLineSplitter(maxBytes: number): Splitter<Line> {
  let parts: Buffer[] = [];
  let held = 0;
  let number = 0;
  const keep = (part: Buffer) => {
    held += part.length;
    if (held <= maxBytes) parts.push(part);
    else parts = [];
  };
  const take = (): Line | undefined => {
    number++;
    const tooLong = held > maxBytes;
    const text = tooLong ? '' : trimmed(parts, number);
    parts = [];
    held = 0;
    if (tooLong) return { line: number, tooLong };
    return text ? { line: number, text } : undefined;
  };
  return {
    push: (chunk) => {
      const lines: Line[] = [];
      let from = 0;
      for (let to = chunk.indexOf(LINE_FEED); to !== -1; to = chunk.indexOf(LINE_FEED, from)) {
        keep(chunk.subarray(from, to));
        const line = take();
        if (line) lines.push(line);
        from = to + 1;
      }
      // A copy, so that a few bytes do not hold on to the whole chunk.
      if (from < chunk.length) keep(Buffer.from(chunk.subarray(from)));
      return lines;
    },
    end: () => {
      const line = held ? take() : undefined;
      return line ? [line] : [];
    },
  };
}

function trimmed(parts: Buffer[], number: number): string {
  const [first] = parts;
  const text = (parts.length === 1 && first ? first : Buffer.concat(parts)).toString('utf8');
  return (number === 1 && text.startsWith('\ufeff') ? text.slice(1) : text).trim();
}
