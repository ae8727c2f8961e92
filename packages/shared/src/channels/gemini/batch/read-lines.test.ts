import { Readable } from 'node:stream';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SpooledBlob } from '../../../domain/answer.ts';
import { objectOf } from '../../../domain/lenient.ts';
import type { ResultLine } from '../../../ports/batch-channel.ts';
import type { BlobSink } from '../../../ports/spool.ts';
import { type ReadOptions, readLines } from './read-lines.ts';
import { toKeyedAnswer } from './result-line.ts';

/** The others are left out. */
const LIFTED = 'data';
const LEFT_OUT = 'thoughtSignature';
const BIG = 1 << 20;

/** Sinks that remember what they were given, and whether they were closed. */
function memorySinks() {
  const kept = new Map<string, { chunks: Buffer[]; closed: boolean }>();
  return {
    open: (line: number, index: number): BlobSink => {
      const sink = { chunks: [] as Buffer[], closed: false };
      kept.set(`${line}.${index}`, sink);
      return {
        write: (chunk) => void sink.chunks.push(Buffer.from(chunk)),
        close: async () => {
          if (sink.closed) throw new Error('closed twice');
          sink.closed = true;
          return aBlob(`${line}.${index}`, Buffer.concat(sink.chunks).length);
        },
      };
    },
    bytesOf: (path: string) => Buffer.concat(kept.get(path)?.chunks ?? []),
    closed: () => [...kept.values()].map(({ closed }) => closed),
  };
}

function aBlob(path: string, bytes: number): SpooledBlob {
  return { path, bytes, sha256: '', crc32c: 0 };
}

type Read = { lines: ResultLine[]; bytesOf: (path: string) => Buffer; closed: () => boolean[] };

async function read(file: string | Buffer, options: { cuts?: number[]; bytesMax?: number } = {}): Promise<Read> {
  const { cuts = [], bytesMax = BIG } = options;
  const sinks = memorySinks();
  const bytes = Buffer.from(file);
  const places = [0, ...cuts.map((at) => at % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  const chunks = places.slice(1).map((end, n) => bytes.subarray(places[n], end));
  const lines = await Array.fromAsync(linesOf(Readable.from(chunks), sinks.open, bytesMax));
  return { lines, bytesOf: sinks.bytesOf, closed: sinks.closed };
}

/** The slow and obvious way: parse the line, walk it, decode. */
function reference(text: string, line: number): { value: unknown; blobs: [string, Buffer][] } | undefined {
  const blobs: [string, Buffer][] = [];
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => {
        if (key === LEFT_OUT && typeof inner === 'string') return [key, ''];
        if (key !== LIFTED || typeof inner !== 'string') return [key, walk(inner)];
        return [key, `@blob:${blobs.push([`${line}.${blobs.length}`, Buffer.from(inner, 'base64')]) - 1}`];
      }),
    );
  };
  try {
    return { value: walk(JSON.parse(text)), blobs };
  } catch {
    return undefined;
  }
}

/** What a line should be read as, and what should lie in its sinks. */
function expectedOf({ text, last }: { text: string; last: boolean }, n: number) {
  const parsed = reference(text, n);
  const { key, response } = objectOf(parsed?.value);
  if (typeof key !== 'string' || key === '') {
    const cut = parsed === undefined && last;
    return { line: { type: 'unreadable', bytes: Buffer.byteLength(text), cut }, blobs: [] };
  }
  const { blobs = [] } = parsed ?? {};
  const described = blobs.map(([path, bytes]) => aBlob(path, bytes.length));
  const answer = { httpStatus: 200, headers: {}, body: response, ms: 0, blobs: described };
  return { line: { type: 'line', key, answer }, blobs };
}

const words = fc.string({ unit: 'binary', maxLength: 20 });
const base64 = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('base64'));
const part = fc.record(
  { text: words, inlineData: fc.record({ data: base64, mimeType: words }), thoughtSignature: base64 },
  { requiredKeys: [] },
);
const response = fc.record({ parts: fc.array(part, { maxLength: 3 }), more: fc.jsonValue({ maxDepth: 2 }) });
const space = fc.constantFrom('', ' ', '\t', '\r');

/** The members of a line in any order, and anything else that a file may hold in its place. */
const keyed = fc
  .tuple(fc.constantFrom('key', 'nokey'), words, response, fc.boolean(), space, fc.jsonValue({ maxDepth: 1 }))
  .map(([name, key, body, first, gap, more]) => {
    const members = [
      `${JSON.stringify(name)}${gap}:${gap}${JSON.stringify(key)}`,
      `"response":${gap}${JSON.stringify(body)}`,
      `"metadata":${JSON.stringify(more)}`,
    ];
    return `${gap}{${(first ? members : members.toReversed()).join(`,${gap}`)}}${gap}`;
  });
const broken = fc.tuple(keyed, fc.nat()).map(([text, at]) => text.slice(0, at % text.length));
const line = fc.oneof(
  { weight: 5, arbitrary: keyed },
  { weight: 1, arbitrary: broken },
  { weight: 1, arbitrary: fc.constantFrom('', '  ', '\r', 'null', '[]', '"key"', '{}', '}{', '"', '\\"', '{"key":') },
);

function linesOf(file: AsyncIterable<Buffer>, blob: ReadOptions['blob'], lineBytes: number) {
  return readLines(file, { blob, lineBytes, toKeyedAnswer });
}

describe('reading result lines', () => {
  it('yields what parsing each line would, wherever the file is cut into chunks', async () => {
    const places = fc.array(fc.nat(), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 6 }), places, fc.boolean(), async (texts, cuts, ended) => {
        const { lines, bytesOf, closed } = await read(texts.join('\n') + (ended ? '\n' : ''), { cuts });

        const solid = texts.map((text, n) => ({ text, last: !ended && n === texts.length - 1 }));
        const expected = solid.filter(({ text }) => text.trim() !== '').map(expectedOf);
        expect(lines).toEqual(expected.map((one) => one.line));
        for (const [path, bytes] of expected.flatMap(({ blobs }) => blobs)) expect(bytesOf(path)).toEqual(bytes);
        expect(closed()).not.toContain(false);
      }),
      { numRuns: 1_500 },
    );
  });

  it('knows a last line without an end from one that was cut', async () => {
    const whole = '{"key":"a","response":{}}';

    expect((await read(whole)).lines).toMatchObject([{ type: 'line', key: 'a' }]);
    expect((await read(`${whole}\n{"key":"b","response":{"data":"QUJD`)).lines).toEqual([
      expect.objectContaining({ key: 'a' }),
      { type: 'unreadable', bytes: 35, cut: true },
    ]);
    expect((await read('{"response":{}}')).lines).toEqual([{ type: 'unreadable', bytes: 15, cut: false }]);
  });

  it('skips a line that is too long to its end, and goes on after it', async () => {
    const long = `{"key":"long","response":{"data":"${'QUJD'.repeat(100_000)}"}}`;
    const file = `{"key":"a"}\n${long}\n{"response":{"data":"QUJD"},"key":"b"}\n${long}`;

    const { lines, bytesOf, closed } = await read(file, { cuts: [1_000, 100_000, 300_000], bytesMax: 200_000 });

    expect(lines).toMatchObject([
      { key: 'a' },
      { type: 'unreadable', bytes: long.length, cut: false },
      { key: 'b', answer: { blobs: [{ path: '2.0' }] } },
      { type: 'unreadable', bytes: long.length, cut: true },
    ]);
    expect(bytesOf('2.0').toString()).toBe('ABC');
    expect(closed()).not.toContain(false);
  });

  it('skips a line with too much beside its binary fields, or too many of them', async () => {
    const wordy = `{"key":"a","response":{"text":"${'x'.repeat(5 << 20)}"}}`;
    const many = `{"key":"b","response":[${'{"data":"QQ=="},'.repeat(40)}{}]}`;

    const { lines, closed } = await read(`${wordy}\n${many}\n{"key":"c"}\n`, { bytesMax: 8 << 20 });

    expect(lines).toMatchObject([{ type: 'unreadable', bytes: wordy.length }, { type: 'unreadable' }, { key: 'c' }]);
    expect(closed()).toHaveLength(32);
    expect(closed()).not.toContain(false);
  });

  it('throws what the file throws, after closing what was open', async () => {
    const sinks = memorySinks();
    const file = Readable.from(
      (async function* () {
        yield Buffer.from('{"key":"a"}\n{"response":{"data":"QUJD');
        throw new Error('the line broke');
      })(),
    );

    const lines = linesOf(file, sinks.open, BIG);

    expect((await lines.next()).value).toMatchObject({ key: 'a' });
    await expect(lines.next()).rejects.toThrow('the line broke');
    expect(sinks.closed()).toEqual([true]);
  });

  it('closes nothing twice when the file breaks within a line that was given up', async () => {
    let closes = 0;
    const sink: BlobSink = {
      write: () => undefined,
      close: async () => {
        closes += 1;
        return aBlob('', 0);
      },
    };
    const file = Readable.from(
      (async function* () {
        yield Buffer.from(`{"response":{"data":"${'QUJD'.repeat(1_000)}`);
        throw new Error('the line broke');
      })(),
    );

    await expect(Array.fromAsync(linesOf(file, () => sink, 100))).rejects.toThrow('the line broke');

    expect(closes).toBeLessThanOrEqual(1);
  });

  it('throws what a sink throws: a full disk makes no line unreadable', async () => {
    const full: BlobSink = {
      write: async () => {
        throw new Error('ENOSPC');
      },
      close: async () => aBlob('', 0),
    };
    const file = Readable.from([Buffer.from(`{"key":"a","response":{"data":"${'QUJD'.repeat(100_000)}"}}\n`)]);

    await expect(Array.fromAsync(linesOf(file, () => full, BIG))).rejects.toThrow('ENOSPC');
  });

  it('lets go of the file when its reader stops early', async () => {
    const file = Readable.from([Buffer.from('{"key":"a"}\n{"key":"b"}\n{"key":"c"}\n')]);

    for await (const result of linesOf(file, memorySinks().open, BIG)) {
      expect(result).toMatchObject({ key: 'a' });
      break;
    }

    expect(file.destroyed).toBe(true);
  });
});
