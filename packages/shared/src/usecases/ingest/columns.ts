/** From a record of a CSV file to the fields of a row: what each column means is settled once, by the header. */

import { AppError, type Template } from '../../domain/index.ts';
import type { CsvRecord } from '../../ingest/index.ts';
import { BatchItemBody, BatchOptions, didYouMean, REFERENCES_MAX } from '../../schemas/index.ts';
import { cellTooLong, NUMBERED } from './limits.ts';

export type Columns = {
  /** @throws AppError `invalid_request` about this record */
  toItem(record: CsvRecord): Record<string, unknown>;
  /** The column behind a field's path, to name it to whoever made the file. */
  columnOf(path: string, record: CsvRecord): string;
};

type Column = { name: string; index: number } & (
  | { kind: 'field' | 'whole' | 'list' | 'life' | 'metadata' | 'variable'; field: string }
  | { kind: 'reference'; at: number }
  | { kind: 'ignored' }
  | { kind: 'unnamed' }
);

const WHOLE = new Set(['seed']);
const LISTS = new Set(['tags', 'tools']);
const LIVES: Record<string, string> = { cache: 'ttl', dedup: 'window' };
const REFERENCE = /^reference_(\d{1,2}|url)$/;
const METADATA = /^metadata\.([A-Za-z0-9_.-]{1,64})$/;
/** Fields that are no cell: lists of objects. */
const NO_CELL = new Set(['references', 'safety', 'metadata', 'template', 'routing']);

/** @throws AppError `invalid_request` for a header that is not one of this request */
export function planColumns(header: readonly string[], options: BatchOptions, template?: Template): Columns {
  const names = header.map((cell) => cell.trim());
  refuseTwins(names);
  const columns = names.map((name, index) => ({ name, index, ...meaning(name, names, options, template) }) as Column);
  requireColumns(columns, names, options, template);
  const references = columns.filter((column) => column.kind === 'reference').toSorted((a, b) => a.at - b.at);
  return {
    toItem: (record) => {
      if (record.cells.length !== names.length) {
        throw new AppError('invalid_request', {
          message: `The row has ${record.cells.length} cells, the header ${names.length}.`,
          fix: 'Put cells that hold what separates them in quotes.',
        });
      }
      return toItem(columns, references, record.cells);
    },
    columnOf: (path, { cells }) => {
      const at = /^references\[(\d+)\]/.exec(path)?.[1];
      // As they stand in the job: the template's images, then the references beside it.
      const sources = [...imageColumns(columns, template, cells), ...references.filter(({ index }) => cells[index])];
      const reference = at === undefined ? undefined : sources[Number(at)];
      if (reference) return reference.name;
      const [field = ''] = path.split(/[.[]/, 1);
      const same = (column: Column) => 'field' in column && fullName(column) === path;
      const found = columns.find(same) ?? columns.find((column) => 'field' in column && column.field === field);
      return found?.name ?? path.replace(/^variables\./, '');
    },
  };
}

/** The columns behind the images that a template puts into this row's job; `undefined` for one that no cell names. */
function imageColumns(columns: Column[], template: Template | undefined, cells: string[]): (Column | undefined)[] {
  return Object.entries(template?.variables ?? {}).flatMap(([name, { type, default: given }]) => {
    if (type !== 'image') return [];
    const column = columns.find((one) => 'field' in one && fullName(one) === `variables.${name}`);
    const isFilled = column !== undefined && Boolean(cells[column.index]);
    return isFilled || given !== undefined ? [isFilled ? column : undefined] : [];
  });
}

function fullName(column: Column & { field: string }): string {
  if (column.kind === 'metadata') return `metadata.${column.field}`;
  return column.kind === 'variable' ? `variables.${column.field}` : column.field;
}

function toItem(columns: Column[], references: Column[], cells: string[]): Record<string, unknown> {
  const item: Record<string, unknown> = {};
  let metadata: Record<string, string> | undefined;
  let variables: Record<string, string> | undefined;
  for (const column of columns) {
    const cell = cells[column.index] ?? '';
    if (cell === '' || column.kind === 'ignored' || column.kind === 'reference') continue;
    if (column.kind === 'unnamed') throw nameless(column.index);
    if (cellTooLong(cell)) throw tooLong(column.name);
    if (column.kind === 'field') item[column.field] = cell;
    else if (column.kind === 'metadata') (metadata ??= {})[column.field] = cell;
    else if (column.kind === 'variable') (variables ??= {})[column.field] = cell;
    else if (column.kind === 'whole') item[column.field] = /^-?\d{1,15}$/.test(cell) ? Number(cell) : cell;
    else if (column.kind === 'list') item[column.field] = cell.split(';').map((part) => part.trim());
    else item[column.field] = cell === 'false' ? false : { [LIVES[column.field] ?? '']: cell };
  }
  if (metadata) item['metadata'] = metadata;
  if (variables) item['variables'] = variables;
  if (references.length) item['references'] = references.flatMap(({ index }) => sourceOf(cells[index] ?? ''));
  return item;
}

/** A reference in one cell: which of the sources it is shows by its beginning. */
function sourceOf(cell: string): object[] {
  const text = cell.trim();
  if (text === '') return [];
  if (text.startsWith('ast_')) return [{ asset: text }];
  if (text.startsWith('img_')) return [{ image: text }];
  if (text.startsWith('gs://')) return [{ gcs_uri: text }];
  return [text.startsWith('data:') ? { data: text } : { url: text }];
}

function meaning(name: string, names: string[], options: BatchOptions, template: Template | undefined) {
  const { mapping, key_column = 'key' } = options;
  // A separator at the end of the header is common; what matters is that nothing stands below it.
  if (name === '') return { kind: 'unnamed' };
  const mapped = Object.hasOwn(mapping, name) ? mapping[name] : undefined;
  const target = mapped ?? (name === key_column ? 'key' : name);
  if (target === '') return { kind: 'ignored' };
  if (template && Object.hasOwn(template.variables, target)) return { kind: 'variable', field: target };
  const metadata = METADATA.exec(target)?.[1];
  if (metadata) return { kind: 'metadata', field: metadata };
  const reference = REFERENCE.exec(target)?.[1];
  const at = reference === 'url' ? 0 : Number(reference);
  if (reference && at <= REFERENCES_MAX) return { kind: 'reference', at };
  if (WHOLE.has(target)) return { kind: 'whole', field: target };
  if (LISTS.has(target)) return { kind: 'list', field: target };
  if (Object.hasOwn(LIVES, target)) return { kind: 'life', field: target };
  if (cellFields(template).includes(target)) return { kind: 'field', field: target };
  const keyless = !names.includes(key_column) && !Object.values(mapping).includes('key');
  if (Object.hasOwn(BatchOptions.shape, target)) throw optionColumn(name, target);
  throw refusedColumn(
    unknownColumn(name, target, template),
    name,
    keyless ? ` If it holds the keys of the rows, say key_column=${name}.` : '',
  );
}

/** Fields that are a column of their own name; a template writes the prompt. */
function cellFields(template: Template | undefined): string[] {
  const fields = Object.keys(BatchItemBody.shape).filter((name) => !NO_CELL.has(name));
  return template ? [...fields.filter((name) => name !== 'prompt'), 'locale'] : fields;
}

function nameless(index: number): AppError {
  return new AppError('invalid_request', {
    message: `Cell ${index + 1} holds a value, and its column has no name in the header.`,
    fix: 'Name the column in the header, or empty the cell.',
  });
}

function unknownColumn(name: string, target: string, template: Template | undefined): string {
  const what = name === target ? `Column "${name}" is` : `Column "${name}" is mapped to "${target}", which is`;
  const no = template ? `neither a field of a job nor a variable of ${template.name}` : 'not a field of a job';
  const known = [...cellFields(template), ...Object.keys(template?.variables ?? {}), 'reference_1'];
  return `${what} ${no}${didYouMean(target, known) || '.'}`;
}

function refusedColumn(message: string, name: string, more = ''): AppError {
  const fix = `Rename it, name its field by mapping[${name}]=…, or leave it out by mapping[${name}]=.${more}`;
  return new AppError('invalid_request', { message, param: name, fix });
}

function optionColumn(name: string, option: string): AppError {
  return new AppError('invalid_request', {
    message: `Column "${name}" is an option of the whole batch, and no field of a row.`,
    param: name,
    fix: `Say ${option}=… once, beside the file, and leave the column out by mapping[${name}]=.`,
  });
}

function refuseTwins(names: string[]): void {
  const twin = names.find((name, index) => name !== '' && names.indexOf(name) !== index);
  if (twin === undefined) return;
  throw new AppError('invalid_request', {
    message: `Column "${twin}" is in the header twice.`,
    param: twin,
    fix: 'Give each column a name of its own.',
  });
}

function requireColumns(columns: Column[], names: string[], options: BatchOptions, template?: Template): void {
  const has = (kind: Column['kind'], field: string) =>
    columns.some((column) => column.kind === kind && 'field' in column && column.field === field);
  const twice = columns.find(
    (column, index) =>
      'field' in column &&
      columns.some((other, n) => n < index && 'field' in other && fullName(other) === fullName(column)),
  );
  if (twice) throw refusedColumn(`Column "${twice.name}" fills a field that another column fills.`, twice.name);
  if (options.key_column !== NUMBERED && !has('field', 'key')) throw missing(options.key_column ?? 'key', names, 'key');
  if (!template && !has('field', 'prompt')) throw missing('prompt', names);
  const needed = Object.entries(template?.variables ?? {}).find(
    ([name, { optional, default: given }]) =>
      !optional && given === undefined && !template?.locales && !has('variable', name),
  );
  if (needed) throw missing(needed[0], names);
}

function missing(name: string, names: string[], field = name): AppError {
  const keyFix =
    field === 'key' ? ` key_column names another that holds the keys; key_column=${NUMBERED} numbers the rows.` : '';
  return new AppError('invalid_request', {
    message: `Column "${name}" is missing; the header has ${names.map((one) => `"${one}"`).join(', ')}.`.slice(
      0,
      1_000,
    ),
    param: name,
    fix: `Add it, or name the column that holds it by mapping[COLUMN]=${field}.${keyFix}`,
  });
}

function tooLong(name: string): AppError {
  return new AppError('invalid_request', {
    message: 'is longer than 64 kB',
    param: name,
    errors: [{ path: name, message: 'is longer than 64 kB' }],
  });
}
