/**
 * A result file, line by line, without any line ever being one string.
 *
 * Lines are told apart by their ends alone, since JSON has no line end within; what is in between goes straight into an
 * extractor of its own, which lifts the images and keeps the little that is left. So a line that is broken, or too long,
 * spoils nothing but itself.
 */

import type { Answer, SpooledBlob } from '../../../domain/answer.ts';
import type { ResultLine } from '../../../ports/batch-channel.ts';
import type { BlobSink } from '../../../ports/spool.ts';
import { BodyLimitError } from '../../http/base64.ts';
import { createExtractor } from '../../http/extractor.ts';
import { parseJson } from '../../http/wire-answer.ts';

const LINE_END = 0x0a;
/** Where images are. Signatures, a quarter of all bytes, are of no use for a job that is over; the file itself keeps them. */
const WANTED = 'data';
/** The largest image that was seen, in base64, with its signature and room. Memory does not depend on it; the disk does. */
export const LINE_BYTES = 256 << 20;

export type ReadOptions = {
  /** Opens the sink for the blob `index` of the line that is yielded as number `line`, both counted from 0. */
  blob: (line: number, index: number) => BlobSink;
  /** A longer line is skipped. */
  lineBytes: number;
  /** The key and the answer of a parsed line; `undefined` when it has no key. */
  toKeyedAnswer: (line: unknown, blobs: SpooledBlob[]) => { key: string; answer: Answer } | undefined;
};

/**
 * Yields one result for each line that is not empty, read as it is asked for.
 *
 * @throws what the file or a sink throws: local trouble is never taken for an unreadable line
 */
export async function* readLines(
  file: AsyncIterable<Buffer>,
  { blob, lineBytes, toKeyedAnswer }: ReadOptions,
): AsyncGenerator<ResultLine, void, void> {
  let count = 0;
  const begin = () => createLine((index) => blob(count, index), { lineBytes, toKeyedAnswer });
  let line: Line | undefined;
  try {
    for await (const chunk of file) {
      for (let at = 0; at < chunk.length; ) {
        line ??= begin();
        const found = chunk.indexOf(LINE_END, at);
        const end = found < 0 ? chunk.length : found;
        const waiting = line.take(chunk.subarray(at, end));
        if (waiting) await waiting;
        at = end + 1;
        if (found < 0) continue;
        const result = await line.end({ cut: false });
        line = undefined;
        if (!result) continue;
        yield result;
        count += 1;
      }
    }
    const last = await line?.end({ cut: true });
    line = undefined;
    if (last) yield last;
  } finally {
    await line?.drop();
  }
}

type Line = {
  /** Takes the next bytes; a promise when a sink asked to wait. */
  take(part: Buffer): void | Promise<void>;
  /** What the line was; `undefined` when it was empty. @param cut whether the file ended before the line did */
  end(options: { cut: boolean }): Promise<ResultLine | undefined>;
  /** Closes its blobs. */
  drop(): Promise<void>;
};

function createLine(open: (index: number) => BlobSink, { lineBytes, toKeyedAnswer }: Omit<ReadOptions, 'blob'>): Line {
  const extractor = createExtractor((index, field) => (field === WANTED ? open(index) : undefined));
  let bytes = 0;
  let refused = false;

  function refuse(): Promise<void> {
    refused = true;
    return extractor.drop();
  }

  return {
    take(part) {
      bytes += part.length;
      if (refused) return undefined;
      if (bytes > lineBytes) return refuse();
      try {
        return extractor.push(part);
      } catch (error) {
        if (error instanceof BodyLimitError) return refuse();
        throw error;
      }
    },
    async end({ cut }) {
      const unreadable = { type: 'unreadable', bytes, cut } as const;
      if (refused) return unreadable;
      try {
        const { skeleton, blobs } = await extractor.end();
        const text = skeleton.toString('utf8');
        if (text.trim() === '') return undefined;
        const parsed = parseJson(text);
        if (parsed === undefined) return unreadable;
        const keyed = toKeyedAnswer(parsed, blobs);
        return keyed ? { type: 'line', ...keyed } : { ...unreadable, cut: false };
      } catch (error) {
        if (!(error instanceof BodyLimitError)) throw error;
        await refuse();
        return unreadable;
      }
    },
    drop: () => extractor.drop(),
  };
}
