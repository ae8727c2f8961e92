/** What is wrong with the rows of a batch: the first hundred for the answer, all of them as CSV. */

import { AppError } from '../../domain/index.ts';
import { ROW_ERRORS_MAX } from '../../schemas/index.ts';
import { csvLine } from './csv-cell.ts';

/** `path` is the column or field at fault, empty when it is the row as a whole. `code` is one of `ERROR_CODES`. */
export type RowError = { line: number; key?: string; path: string; code: string; message: string };

/** Of all errors, as text; a file with more goes on as a count. */
const TEXT_MAX = 16 * 1024 * 1024;

export type RowErrors = {
  add(errors: RowError[]): void;
  /** Rows with at least one error. */
  rows(): number;
  /** The first ones. */
  first(): RowError[];
  /** `line,key,column,code,message`, in the order of the rows. */
  csv(): Buffer;
};

export function createRowErrors(): RowErrors {
  const first: RowError[] = [];
  const lines: string[] = [csvLine(['line', 'key', 'column', 'code', 'message'])];
  let bytes = 0;
  let rows = 0;
  let unlisted = 0;
  return {
    add: (errors) => {
      rows++;
      for (const error of errors) {
        if (first.length < ROW_ERRORS_MAX) first.push(error);
        const { line, key = '', path, code, message } = error;
        const text = csvLine([String(line), key, path, code, message]);
        bytes += text.length;
        if (bytes <= TEXT_MAX) lines.push(text);
        else unlisted++;
      }
    },
    rows: () => rows,
    first: () => first,
    csv: () => {
      const more = unlisted ? [csvLine(['', '', '', '', `${unlisted} more errors are not listed`])] : [];
      return Buffer.from([...lines, ...more].join(''));
    },
  };
}

/** The errors of one row, from whatever was thrown while it was checked. @throws anything that is not about the row */
export function rowErrorsOf(
  error: unknown,
  row: { line: number; key?: string; columnOf?: (path: string) => string },
): RowError[] {
  if (!(error instanceof AppError) || isOurTrouble(error)) throw error;
  const { line, key, columnOf = (path) => path } = row;
  const faults = error.errors ?? [{ path: error.param ?? '', message: withoutPath(error) }];
  return faults.map(({ path, message }) => ({
    line,
    ...(key !== undefined && { key }),
    path: columnOf(path),
    code: error.code,
    message,
  }));
}

/** A sentence about a field begins with its name; here that stands before it already. */
function withoutPath({ param, message }: AppError): string {
  if (param === undefined || !message.toLowerCase().startsWith(param.toLowerCase())) return message;
  const rest = message.slice(param.length);
  if (rest.startsWith(': ')) return rest.slice(2);
  return rest.startsWith(' ') ? rest.slice(1).replace(/\.$/, '') : message;
}

/** Nothing that the caller wrote: the same row may be fine in a minute. */
function isOurTrouble({ code }: AppError): boolean {
  return code === 'storage_unavailable' || code === 'not_ready' || code === 'internal';
}
