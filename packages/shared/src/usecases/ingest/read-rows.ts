/** From chunks of a body to rows as their caller wrote them. */

import { AppError, type Template } from '../../domain/index.ts';
import { type CsvRecord, createCsvSplitter, createLineSplitter, type Line } from '../../ingest/index.ts';
import { assertBounded, type BatchOptions } from '../../schemas/index.ts';
import { type Columns, planColumns } from './columns.ts';
import { LINE_BYTES_MAX, NUMBERED } from './limits.ts';
import { type RowError, rowErrorsOf } from './row-errors.ts';

/** A row that can be looked into, or what is wrong with it. `columnOf` names the column behind a field. */
export type IncomingRow =
  | { line: number; item: Record<string, unknown>; columnOf?: (path: string) => string }
  | { line: number; errors: RowError[] };

export type RowReader = { push(chunk: Buffer): IncomingRow[]; end(): IncomingRow[] };

/** @param template of the batch, when it names one: its variables are columns */
export function createCsvReader(options: BatchOptions, template?: Template): RowReader {
  const splitter = createCsvSplitter(LINE_BYTES_MAX);
  let columns: Columns | undefined;
  let count = 0;
  const read = (all: CsvRecord[]): IncomingRow[] => {
    // Spreadsheets write the empty rows below a table as commas.
    const records = all.filter(({ cells }) => cells.some((cell) => cell.trim() !== ''));
    const body = columns ? records : records.slice(1);
    if (!columns && records[0]) columns = planColumns(records[0].cells, options, template);
    const plan = columns;
    return plan ? body.map((record) => fromRecord(plan, record, numbered(options, ++count))) : [];
  };
  return {
    push: (chunk) => read(splitter.push(chunk)),
    end: () => {
      const rows = read(splitter.end());
      if (!columns) throw new AppError('invalid_request', { message: 'The body is empty: it has no header row.' });
      return rows;
    },
  };
}

function fromRecord(plan: Columns, record: CsvRecord, key: string | undefined): IncomingRow {
  const { line } = record;
  try {
    const item = plan.toItem(record);
    if (key !== undefined) item['key'] = key;
    return { line, item, columnOf: (path) => plan.columnOf(path, record) };
  } catch (error) {
    return { line, errors: rowErrorsOf(error, { line }) };
  }
}

export function createNdjsonReader(options: BatchOptions): RowReader {
  const splitter = createLineSplitter(LINE_BYTES_MAX);
  let count = 0;
  const read = (lines: Line[]) => lines.map((line) => fromLine(line, options, numbered(options, ++count)));
  return { push: (chunk) => read(splitter.push(chunk)), end: () => read(splitter.end()) };
}

function fromLine(line: Line, options: BatchOptions, key: string | undefined): IncomingRow {
  try {
    if ('tooLong' in line) {
      throw new AppError('payload_too_large', { message: `The line is longer than ${LINE_BYTES_MAX / 1_048_576} MB.` });
    }
    return fromValue(line.line, parseLine(line.text), options, key);
  } catch (error) {
    return { line: line.line, errors: rowErrorsOf(error, line) };
  }
}

/** One of `items`; its line is its number. */
export function fromItem(value: unknown, index: number, options: BatchOptions): IncomingRow {
  const line = index + 1;
  try {
    return fromValue(line, value, options, numbered(options, line));
  } catch (error) {
    return { line, errors: rowErrorsOf(error, { line }) };
  }
}

function fromValue(line: number, value: unknown, options: BatchOptions, key: string | undefined): IncomingRow {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new AppError('invalid_request', { message: 'The row must be a JSON object.' });
  }
  assertBounded(value);
  const item = value as Record<string, unknown>;
  const { key_column = 'key' } = options;
  if (key !== undefined) return { line, item: { ...item, key } };
  if (key_column === 'key') return { line, item };
  const { [key_column]: own, ...rest } = item;
  return { line, item: { ...rest, key: own }, columnOf: (path) => (path === 'key' ? key_column : path) };
}

function parseLine(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new AppError('invalid_request', { message: 'The line is not valid JSON.', cause });
  }
}

function numbered({ key_column }: BatchOptions, n: number): string | undefined {
  return key_column === NUMBERED ? String(n) : undefined;
}
