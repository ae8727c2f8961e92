import type { z } from 'zod';
import { AppError } from '../domain/index.ts';

/** Deeper or wider than any body the wire knows: refused before anything walks it. */
const DEPTH_MAX = 16;
const KEYS_MAX = 2_000;

/** `value` as `schema` says it is. @throws AppError `invalid_request` naming every field at fault */
export function parse<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const errors = result.error.issues.slice(0, 100).flatMap(describe);
  const [first] = errors;
  throw new AppError('invalid_request', {
    message: first ? `${first.path || 'The body'} ${first.message}` : 'The request is not valid.',
    ...(first?.path && { param: first.path }),
    fix: 'Correct the fields named in errors; see /openapi.json for every field.',
    errors,
  });
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

type Issue = { message: string };

function describe(issue: z.core.$ZodIssue): { path: string; message: string }[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: pathOf([...issue.path, key]), message: 'is not a field of this request' }));
  }
  const inside = issue.code === 'invalid_union' ? issue.errors.find((branch) => branch.every(isInside)) : undefined;
  if (inside) return inside.flatMap((fault) => describe({ ...fault, path: [...issue.path, ...fault.path] }));
  return [{ path: pathOf(issue.path), message: issueMessage(issue) }];
}

/** About a part of the value: a branch of a union with such faults alone is the one that was meant. */
function isInside(fault: z.core.$ZodIssue): boolean {
  return fault.path.length > 0 || fault.code === 'unrecognized_keys';
}

/** What is wrong with a value, to be read after its name: `must be a number, not string`. */
export function issueMessage({ message }: Issue): string {
  if (message.startsWith('Invalid input: expected ')) {
    const [expected = '', got] = message.slice('Invalid input: expected '.length).split(', received ');
    return got === 'undefined' ? 'is required' : `must be ${article(expected)}${got ? `, not ${got}` : ''}`;
  }
  if (message.startsWith('Invalid option: expected one of ')) return `must be one of ${message.slice(32)}`;
  if (/^(Too (big|small)|Invalid )/.test(message))
    return `is not valid: ${message[0]?.toLowerCase()}${message.slice(1)}`;
  return message;
}

function article(noun: string): string {
  return /^[aeiou]/.test(noun) ? `an ${noun}` : `a ${noun}`;
}

/** `['references', 2, 'url']` → `references[2].url`. */
function pathOf(path: PropertyKey[]): string {
  return path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text ? `${text}.${String(part)}` : String(part)),
    '',
  );
}
