import type { z } from 'zod';
import { AppError } from '../domain/index.ts';
import { check, pathOf } from './faults.ts';

/** Deeper or wider than any body the wire knows: refused before anything walks it. */
const DEPTH_MAX = 16;
const KEYS_MAX = 2_000;

/** `value` as `schema` says it is. @throws AppError `invalid_request` naming every field at fault */
export function parse<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const { data, faults } = check(schema, value);
  if (!faults) return data;
  const [first] = faults;
  throw new AppError('invalid_request', {
    message: first ? sentence(`${first.path || 'The body'} ${first.message}`) : 'The request is not valid.',
    ...(first?.path && { param: first.path }),
    fix: 'Correct the fields named in errors; see /openapi.json for every field.',
    errors: faults,
  });
}

function sentence(text: string): string {
  return /[.?]$/.test(text) ? text : `${text}.`;
}

type Node = { path: PropertyKey[]; value: unknown };

/**
 * Refuses a body that must not be walked: too deep or too wide for it, with `__proto__` as a name (which most code
 * drops without a word), or with half a surrogate pair (which has no canonical form, so no hash). Iterative, so depth
 * cannot overflow the stack.
 */
export function assertBounded(body: unknown): void {
  let level: Node[] = [{ path: [], value: body }];
  for (let depth = 0; level.length; depth++) {
    if (depth > DEPTH_MAX) throw tooMuch(`nested more than ${DEPTH_MAX} levels deep`);
    const next: Node[] = [];
    for (const node of level) {
      // Counted before it is copied: a body may hold millions.
      if (next.length + widthOf(node.value) > KEYS_MAX) throw tooMuch(`wider than ${KEYS_MAX} values`);
      next.push(...childrenOf(node));
    }
    level = next;
  }
}

function widthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return Array.isArray(value) ? value.length : Object.keys(value).length;
}

function childrenOf({ path, value }: Node): Node[] {
  if (typeof value === 'string' && !value.isWellFormed()) throw refused(path, 'holds half of a surrogate pair');
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.map((child: unknown, n) => ({ path: [...path, n], value: child }));
  return Object.entries(value).map(([name, child]) => {
    if (name === '__proto__') throw refused([...path, name], 'is not a field of this request');
    if (!name.isWellFormed()) throw refused([...path, name.toWellFormed()], 'holds half of a surrogate pair');
    return { path: [...path, name], value: child };
  });
}

function refused(path: PropertyKey[], message: string): AppError {
  const param = pathOf(path);
  return new AppError('invalid_request', {
    message: `${param} ${message}.`,
    param,
    errors: [{ path: param, message }],
  });
}

function tooMuch(what: string): AppError {
  return new AppError('invalid_request', {
    message: `The body is ${what}.`,
    fix: 'Send a flat job body; see /openapi.json.',
  });
}
