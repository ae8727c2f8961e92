import { isUtf8 } from 'node:buffer';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../domain/index.ts';
import { createCsvSplitter } from './csv.ts';
import { createLineSplitter, type Splitter } from './lines.ts';
import { createUtf8Check } from './utf8.ts';

/** Everything that comes out, when the bytes come in pieces that are cut at these places. */
function inPieces<T>(splitter: Splitter<T>, bytes: Buffer, cuts: number[]): T[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  const found = places.slice(1).flatMap((to, i) => splitter.push(bytes.subarray(places[i], to)));
  return [...found, ...splitter.end()];
}

const cuts = fc.array(fc.nat(5_000), { maxLength: 12 });
const cell = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.string({ unit: fc.constantFrom('"', ',', '\n', '\r\n', 'a', 'é', '\u{1F3A8}'), maxLength: 8 }),
);
const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;

describe('records of a CSV file', () => {
  it('are what was written, wherever the file is cut', () => {
    const table = fc.array(fc.array(cell, { minLength: 2, maxLength: 5 }), { maxLength: 12 });
    const between = fc.constantFrom(',', ';', '\t');
    fc.assert(
      fc.property(table, cuts, fc.constantFrom('\n', '\r\n'), between, (rows, places, ending, delimiter) => {
        const text = rows.map((row) => row.map(quoted).join(delimiter) + ending).join('');

        const found = inPieces(createCsvSplitter(1_000_000), Buffer.from(text), places);

        expect(found.map(({ cells }) => cells)).toEqual(rows);
        let line = 1;
        for (const [i, row] of rows.entries()) {
          expect(found[i]?.line).toBe(line);
          line += 1 + (row.join('').match(/\r\n|\n|\r/g)?.length ?? 0) + joinedBreaks(row);
        }
      }),
    );
  });

  it.each([
    [
      'semicolons',
      'a;b\n1,5;2\n',
      [
        ['a', 'b'],
        ['1,5', '2'],
      ],
    ],
    [
      'tabs',
      'a\tb\n1;5\t2\n',
      [
        ['a', 'b'],
        ['1;5', '2'],
      ],
    ],
    [
      'commas, where none is ahead',
      'a,b;c\n1,2\n',
      [
        ['a', 'b;c'],
        ['1', '2'],
      ],
    ],
    [
      'semicolons, after a mark and an empty line',
      '\ufeff\r\na;b\r\n1;2',
      [
        ['a', 'b'],
        ['1', '2'],
      ],
    ],
    [
      'semicolons, whatever stands within quotes',
      '"a,""\n,,";b\n1;2\n',
      [
        ['a,"\n,,', 'b'],
        ['1', '2'],
      ],
    ],
    ['nothing at all', 'a\n1;2\n', [['a'], ['1;2']]],
  ])('are told apart by %s', (_name, text, cells) => {
    const found = inPieces(createCsvSplitter(1_000), Buffer.from(text), [1, 2, 5, 9]);

    expect(found.map((record) => record.cells)).toEqual(cells);
  });

  it.each([
    ['a semicolon', 'sep=;\r\n', ';'],
    ['a comma, after a mark', '\ufeffsep=,\n', ','],
    ['a tab, in quotes and capitals', '"SEP=\t"\n', '\t'],
    ['a bar, which is never guessed', 'sep=|\r', '|'],
  ])('are told apart by what a first line names: %s', (_name, first, mark) => {
    const text = `${first}a${mark}"b,,;;\t\t||"\n1${mark}2\n`;

    fc.assert(
      fc.property(cuts, (places) => {
        const found = inPieces(createCsvSplitter(1_000), Buffer.from(text), places);

        expect(found).toEqual([
          { line: 2, cells: ['a', 'b,,;;\t\t||'] },
          { line: 3, cells: ['1', '2'] },
        ]);
      }),
      { numRuns: 30 },
    );
  });

  it.each(['sep=;x\n1,2\n', 'sep=\n1,2\n', 'sep=ab\n1,2\n', 'sep,x\n1,2\n'])(
    'may begin with a column like %j',
    (text) => {
      expect(inPieces(createCsvSplitter(1_000), Buffer.from(text), [3])[0]?.cells[0]).toMatch(/^sep/);
    },
  );

  it.each([
    ['a quote that is never closed', 'a,b\n1,"x\ny\n', 'line 2', 'never closed'],
    ['a quote in the middle', 'a,b\n1,2\n3,x"y\n', 'line 3', 'wrong place'],
    ['text after a quote', 'a,b\n1,"x"y\n', 'line 2', 'wrong place'],
    ['a record that is too long', `a,b\n1,${'x'.repeat(2_000)}\n`, 'line 2', 'longer'],
  ])('end where they cannot be told apart: %s', (_name, text, param, words) => {
    const read = () => inPieces(createCsvSplitter(1_000), Buffer.from(text), [5, 9]);

    expect(read).toThrow(AppError);
    expect(read).toThrow(
      expect.objectContaining({ code: 'invalid_request', param, message: expect.stringContaining(words) }),
    );
  });
});

/** CR at the end of one cell and LF at the beginning of the next are two breaks, not the one that joining makes of them. */
function joinedBreaks(row: string[]): number {
  return row.slice(1).filter((text, i) => text.startsWith('\n') && row[i]?.endsWith('\r')).length;
}

describe('lines', () => {
  it('are what was written, wherever the file is cut', () => {
    const line = fc.string({ unit: 'grapheme', maxLength: 30 }).filter((text) => !/[\n\r\ufeff]/.test(text));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), cuts, (lines, places) => {
        const found = inPieces(createLineSplitter(1_000), Buffer.from(lines.join('\n')), places);

        const wanted = lines.flatMap((text, i) => (text.trim() ? [{ line: i + 1, text: text.trim() }] : []));
        expect(found).toEqual(wanted);
      }),
    );
  });

  it('that are too long are named, and not kept', () => {
    const text = `short\n${'x'.repeat(5_000)}\nlast`;

    expect(inPieces(createLineSplitter(100), Buffer.from(text), [10, 500, 3_000])).toEqual([
      { line: 1, text: 'short' },
      { line: 2, tooLong: true },
      { line: 3, text: 'last' },
    ]);
  });
});

describe('bytes that are not UTF-8', () => {
  it('are found at their place, wherever the stream is cut', () => {
    const text = fc.string({ unit: 'binary', maxLength: 60 }).map((good) => Buffer.from(good.toWellFormed()));
    const noise = fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.tuple(text, noise, text), cuts, (parts, places) => {
        const bytes = Buffer.concat(parts);
        const check = createUtf8Check();
        const edges = [0, ...places.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];

        const told = edges.slice(1).map((to, i) => check.push(bytes.subarray(edges[i], to)));
        const fault = [...told, check.end()].find((offset) => offset !== undefined);

        expect(fault).toBe(firstFault(bytes));
      }),
    );
  });
});

/** One character after the other: the place of the first that is none. */
function firstFault(bytes: Buffer): number | undefined {
  for (let at = 0; at < bytes.length; ) {
    const length = [1, 2, 3, 4].find((count) => at + count <= bytes.length && isUtf8(bytes.subarray(at, at + count)));
    if (!length) return at;
    at += length;
  }
  return undefined;
}
