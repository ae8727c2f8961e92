/**
 * What is wrong with a value, in words to be read after its name: `priority` `must be a whole number from 1 to 9`.
 *
 * A schema's own words win. For what it leaves unsaid, its JSON Schema is asked, which knows both ends of a range and
 * every name that there is; it is made once per schema, and only when something is wrong.
 */

import { z } from 'zod';
import { closest } from './closest.ts';

/** One thing that is wrong, and where: `references[2].url`. */
export type Fault = { path: string; message: string };

type Node = z.core.JSONSchema.JSONSchema;
type Issue = z.core.$ZodIssue;
type Place = { issue: Issue; path: PropertyKey[]; node: Node; value: unknown };

/** The same, with the place by its parts, for who has to find it in a text. */
export type PlacedFault = { at: PropertyKey[]; message: string };

const FAULTS_MAX = 100;

type Checked<T, F> = { data: T; faults?: never } | { data?: never; faults: F[] };

/** `value` as `schema` says it is, or what is wrong with it: at least one fault, at most 100. */
export function check<S extends z.ZodType>(schema: S, value: unknown): Checked<z.output<S>, Fault> {
  const { data, faults } = checkPlaces(schema, value, unknownField);
  return faults ? { faults: faults.map(({ at, message }) => ({ path: pathOf(at), message })) } : { data };
}

function unknownField(name: string, known: string[]): string {
  return `is not a field of this request${didYouMean(name, known)}`;
}

/** @param unknown what is said of a name that the schema does not have, by those that it has */
export function checkPlaces<S extends z.ZodType>(
  schema: S,
  value: unknown,
  unknown: Whole['unknown'],
): Checked<z.output<S>, PlacedFault> {
  // An empty message marks what the schema has no words for.
  const result = schema.safeParse(value, { error: () => '' });
  if (result.success) return { data: result.data };
  const whole = { root: jsonSchemaOf(schema), value, unknown };
  // By what they say: a number may break two rules that are said in one sentence.
  const faults = new Map<string, PlacedFault>();
  for (const issue of result.error.issues) {
    if (faults.size >= FAULTS_MAX) break;
    for (const fault of faultsOf(whole, issue)) faults.set(`${pathOf(fault.at)}\n${fault.message}`, fault);
  }
  return { faults: [...faults.values()].slice(0, FAULTS_MAX) };
}

const jsonSchemas = new WeakMap<z.ZodType, Node>();

function jsonSchemaOf(schema: z.ZodType): Node {
  const known = jsonSchemas.get(schema) ?? z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  jsonSchemas.set(schema, known);
  return known;
}

type Whole = { root: Node; value: unknown; unknown: (name: string, known: string[]) => string };

function faultsOf(whole: Whole, issue: Issue, base: PropertyKey[] = []): PlacedFault[] {
  const path = [...base, ...issue.path];
  if (issue.code === 'invalid_union') {
    const meant = issue.errors.find((branch) => branch.every(isInside));
    if (meant) return meant.flatMap((inner) => faultsOf(whole, inner, path));
  }
  const place = { issue, path, node: nodeAt(whole.root, path), value: valueAt(whole.value, path) };
  if (issue.code !== 'unrecognized_keys') return [{ at: path, message: messageOf(place) }];
  return issue.keys.slice(0, FAULTS_MAX).map((key) => ({
    at: [...path, key],
    message: whole.unknown(key, Object.keys(place.node.properties ?? {})),
  }));
}

/** About a part of the value: a branch of a union with such faults alone is the one that was meant. */
function isInside(fault: Issue): boolean {
  return fault.path.length > 0 || fault.code === 'unrecognized_keys';
}

function messageOf({ issue, path, node, value }: Place): string {
  if (issue.message) return issue.message;
  switch (issue.code) {
    case 'invalid_type':
      if (value === undefined) return 'is required';
      return `must be ${kindOf(node)}${isOtherKind(issue) ? `, not ${typeOf(value)}` : ''}`;
    case 'invalid_value':
      if (value === undefined) return `is required: ${kindOf(node)}`;
      return `must be ${kindOf(node)}${didYouMean(value, issue.values.map(String))}`;
    case 'too_small':
    case 'too_big':
      return `must ${boundOf(node, issue)}`;
    case 'invalid_union':
      return `must be ${kindOf(node)}`;
    case 'invalid_key': {
      const [inner] = issue.issues;
      const names = typeof node === 'object' ? node.propertyNames : undefined;
      if (!inner) return 'is not a valid name';
      return `is not a valid name: it ${messageOf({ issue: inner, path, node: asNode(names), value: path.at(-1) })}`;
    }
    case 'invalid_format':
      return issue.format === 'regex' ? `must match ${issue.pattern}` : `must be a valid ${issue.format}`;
    default:
      return 'is not valid';
  }
}

/** Of the right kind and still not what it should be: a fraction, or text that is no number where text is what comes. */
function isOtherKind(issue: z.core.$ZodIssueInvalidType): boolean {
  return issue.expected !== 'int' && !('received' in issue);
}

function boundOf(node: Node, issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string {
  const { origin } = issue;
  if (origin === 'number' || origin === 'int') return `be ${kindOf(node)}`;
  const most = issue.code === 'too_big';
  const bound = Number(most ? issue.maximum : issue.minimum);
  if (!most && bound === 1) return 'not be empty';
  const unit = origin === 'string' ? 'character' : 'item';
  return `have at ${most ? 'most' : 'least'} ${bound} ${unit}${bound === 1 ? '' : 's'}`;
}

/** What would have been right: `a whole number from 1 to 9`. */
function kindOf(node: Node): string {
  const { type, enum: values, const: only } = node;
  if (values) return values.length === 1 ? String(values[0]) : `one of ${values.join(', ')}`;
  if (only !== undefined) return JSON.stringify(only);
  const branches = node.anyOf ?? node.oneOf;
  if (branches) return branches.map((branch) => kindOf(asNode(branch))).join(' or ');
  if (type === 'integer') return `a whole number${rangeOf(node)}`;
  if (type === 'number') return `a number${rangeOf(node)}`;
  if (type === 'boolean') return 'true or false';
  if (type === 'null') return type;
  return typeof type === 'string' ? withArticle(type) : 'of another kind';
}

function rangeOf({ minimum, maximum }: Node): string {
  const least = isBound(minimum) ? minimum : undefined;
  const most = isBound(maximum) ? maximum : undefined;
  if (least !== undefined && most !== undefined) return ` from ${least} to ${most}`;
  if (least !== undefined) return `, ${least} or more`;
  return most === undefined ? '' : `, ${most} or less`;
}

/** Every whole number has these ends, and nobody chose them. */
function isBound(end: number | undefined): boolean {
  return end !== undefined && Math.abs(end) < Number.MAX_SAFE_INTEGER;
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  return withArticle(Array.isArray(value) ? 'array' : typeof value);
}

function withArticle(noun: string): string {
  return /^[aeiou]/.test(noun) ? `an ${noun}` : `a ${noun}`;
}

/** `; did you mean aspect_ratio?`, or nothing. */
export function didYouMean(asked: unknown, candidates: readonly string[]): string {
  const meant = typeof asked === 'string' ? closest(asked, candidates) : undefined;
  return meant === undefined ? '' : `; did you mean ${meant}?`;
}

/** The part of a JSON Schema that describes the value at `path`; an empty one where it says nothing. */
function nodeAt(root: Node, path: PropertyKey[]): Node {
  return path.reduce<Node>((node, part) => resolve(root, childOf(node, part)), resolve(root, root));
}

function childOf(node: Node, part: PropertyKey): Node {
  const { properties = {} } = node;
  if (typeof part === 'number') return asNode(Array.isArray(node.items) ? node.items[part] : node.items);
  return asNode(Object.hasOwn(properties, part) ? properties[String(part)] : node.additionalProperties);
}

/** Follows a reference; of alternatives with names inside, the first that has any is the one faults are found in. */
function resolve(root: Node, node: Node): Node {
  const name = node.$ref?.split('/').at(-1);
  if (name !== undefined) return resolve(root, asNode(root.$defs?.[name]));
  const inside = node.anyOf?.map((branch) => resolve(root, asNode(branch))).find(hasNames);
  return inside ? { ...inside, ...node } : node;
}

/** Those of an object, or whatever names a record is given. */
function hasNames({ properties, additionalProperties }: Node): boolean {
  return properties !== undefined || typeof additionalProperties === 'object';
}

function asNode(node: unknown): Node {
  return typeof node === 'object' && node !== null && !Array.isArray(node) ? (node as Node) : {};
}

function valueAt(value: unknown, path: PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inside, part) => (typeof inside === 'object' && inside !== null ? Reflect.get(inside, part) : undefined),
    value,
  );
}

/** `['references', 2, 'url']` → `references[2].url`. */
export function pathOf(path: PropertyKey[]): string {
  return path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text ? `${text}.${String(part)}` : String(part)),
    '',
  );
}
