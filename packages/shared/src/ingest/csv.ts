/** Splits CSV (RFC 4180) into records, whatever the chunks it comes in. */

import { CsvError, Parser } from 'csv-parse';
import { AppError } from '../domain/index.ts';
import { createDelimiterFinder, namedDelimiter } from './delimiter.ts';
import type { Splitter } from './lines.ts';

/** `line` is where the record begins, counted from 1: a quoted cell may hold several. */
export type CsvRecord = { line: number; cells: string[] };

/**
 * Records by quote and by what the header line mostly has between its cells: a comma, a semicolon or a tab; or by what a
 * line `sep=;` before it names. A byte order mark is dropped, empty lines are left out, and records need not be of one length.
 *
 * @throws AppError `invalid_request` naming the line, from which on nothing can be told apart: a stray quote, or a record of more than `maxBytes`
 */
export function createCsvSplitter(maxBytes: number): Splitter<CsvRecord> {
  const finder = createDelimiterFinder();
  let header: Buffer[] = [];
  let held = 0;
  let parser: Parser | undefined;
  let line = 1;
  let records: CsvRecord[] = [];
  let fault: unknown;
  const onRecord = (cells: string[]) => {
    if (cells.length > 1 || cells[0]) records.push({ line, cells });
    line += 1 + linesWithin(cells);
  };
  const write = (to: Parser, chunk: Buffer) => {
    to._transform(chunk, 'buffer' as BufferEncoding, (error?: Error | null) => {
      fault = error;
    });
  };
  const open = (): Parser => {
    const start = Buffer.concat(header);
    const named = namedDelimiter(start);
    const opened = createParser(maxBytes, named?.delimiter ?? finder.best(), onRecord);
    // Its end is left to the parser: an empty line, that is none of the records and counts as a line.
    write(opened, start.subarray(named?.bytes ?? 0));
    header = [];
    return opened;
  };
  const take = (): CsvRecord[] => {
    if (fault) throw refusal(fault, line, maxBytes);
    const taken = records;
    records = [];
    return taken;
  };
  return {
    push: (chunk) => {
      if (parser) {
        write(parser, chunk);
        return take();
      }
      header.push(chunk);
      held += chunk.length;
      // A header that never ends is the parser's to refuse.
      if (finder.push(chunk) || held > maxBytes) parser = open();
      return take();
    },
    end: () => {
      parser ??= open();
      if (fault) return take();
      parser._flush((error?: Error | null) => {
        fault = error;
      });
      return take();
    },
  };
}

function createParser(maxBytes: number, delimiter: string, onRecord: (cells: string[]) => void): Parser {
  const parser = new Parser({
    bom: true,
    delimiter,
    max_record_size: maxBytes,
    record_delimiter: ['\r\n', '\n', '\r'],
    relax_column_count: true,
  });
  // As the parser is told how to hand on what it found; a stream would cost a wait for each chunk, and lose the lines.
  parser.push = (cells: string[] | null) => {
    if (!cells) return false;
    onRecord(cells);
    return true;
  };
  return parser;
}

function linesWithin(cells: string[]): number {
  let lines = 0;
  for (const cell of cells) {
    if (cell.includes('\n') || cell.includes('\r')) lines += cell.match(/\r\n|\n|\r/g)?.length ?? 0;
  }
  return lines;
}

function refusal(fault: unknown, line: number, maxBytes: number): AppError {
  const code = fault instanceof CsvError ? fault.code : undefined;
  const [what, fix] =
    code === 'CSV_MAX_RECORD_SIZE'
      ? [`is longer than ${maxBytes / 1_048_576} MB`, 'Give images by address, or close the quote that is open.']
      : code === 'CSV_QUOTE_NOT_CLOSED'
        ? ['opens a quote that is never closed', 'Close it, or double it: "" stands for a quote within a quoted cell.']
        : ['has a quote in the wrong place', 'Put the cell in quotes, and double each quote within it: "".'];
  return new AppError('invalid_request', {
    message: `The record that begins in line ${line} ${what}.`,
    param: `line ${line}`,
    fix,
    cause: fault,
  });
}
