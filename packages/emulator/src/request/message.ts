/**
 * Reads JSON as Google's front end reads a protocol buffer: both spellings of a name are one field, an unknown name or a
 * wrong type is refused with a path in snake_case, and all mistakes are reported together.
 */
import { detail, GoogleError, invalidArgument } from '../http/google-error.ts';

export type Field = Scalar | { type: 'any' } | { type: 'message'; fields: Fields } | { type: 'repeated'; of: Field };
type Scalar =
  | { type: 'string' | 'bytes' | 'number' | 'integer' | 'boolean' }
  | { type: 'enum'; name: string; values: readonly string[] };
export type Fields = Readonly<Record<string, Field>>;

type Mistake = { field: string; description: string };

const MISTAKES_MAX = 20;

/** `value` with every name in camelCase and every type as `fields` says. @throws GoogleError 400 naming each mistake. */
export function readMessage(value: unknown, fields: Fields): Record<string, unknown> {
  const mistakes: Mistake[] = [];
  const message = readFields(value, fields, '', mistakes);
  if (mistakes.length === 0) return message;
  const shown = mistakes.slice(0, MISTAKES_MAX);
  throw new GoogleError(
    invalidArgument(shown.map(({ description }) => description).join('\n'), [
      detail('BadRequest', { fieldViolations: shown }),
    ]),
  );
}

function readFields(value: unknown, fields: Fields, path: string, mistakes: Mistake[]): Record<string, unknown> {
  if (!isObject(value)) {
    mistakes.push(wrongType(path, 'message', value));
    return {};
  }
  const message: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(value)) {
    const known = camelCase(name);
    const expected = Object.hasOwn(fields, known) ? fields[known] : undefined;
    if (!expected) mistakes.push(unknownName(name, path));
    else if (field !== null) message[known] = readField(field, expected, join(path, known), mistakes);
  }
  return message;
}

function readField(value: unknown, field: Field, path: string, mistakes: Mistake[]): unknown {
  if (field.type === 'message') return readFields(value, field.fields, path, mistakes);
  if (field.type === 'repeated') {
    // A single value stands for a list of one, as in Google's own parser.
    const items: unknown[] = Array.isArray(value) ? value : [value];
    return items.map((item, i) => readField(item, field.of, `${path}[${i}]`, mistakes));
  }
  if (field.type !== 'any' && !isScalar(value, field)) mistakes.push(wrongType(path, typeName(field), value));
  return value;
}

function isScalar(value: unknown, field: Scalar): boolean {
  if (field.type === 'enum') return typeof value === 'string' && field.values.includes(value.toUpperCase());
  if (field.type === 'integer') return Number.isInteger(value);
  if (field.type === 'bytes') return typeof value === 'string' && /^[\w+/-]*={0,2}$/.test(value);
  return typeof value === field.type;
}

const TYPE_NAMES = {
  string: 'TYPE_STRING',
  bytes: 'TYPE_BYTES',
  number: 'TYPE_DOUBLE',
  integer: 'TYPE_INT32',
  boolean: 'TYPE_BOOL',
} as const;

function typeName(field: Scalar): string {
  if (field.type === 'enum') return `type.googleapis.com/${field.name}`;
  return TYPE_NAMES[field.type];
}

function unknownName(name: string, path: string): Mistake {
  const where = path ? ` at '${path}'` : '';
  return {
    field: path,
    description: `Invalid JSON payload received. Unknown name "${name}"${where}: Cannot find field.`,
  };
}

function wrongType(path: string, expected: string, value: unknown): Mistake {
  const shown = typeof value === 'string' ? `"${value.slice(0, 100)}"` : JSON.stringify(value)?.slice(0, 100);
  const reason = expected === 'TYPE_BYTES' && typeof value === 'string' ? `Base64 decoding failed for ${shown}` : shown;
  return { field: path, description: `Invalid value at '${path || 'request'}' (${expected}), ${reason}` };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function join(path: string, name: string): string {
  const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return path ? `${path}.${snake}` : snake;
}

function camelCase(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
