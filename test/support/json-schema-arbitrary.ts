/** Values that a JSON Schema allows, and near misses: for tests that throw everything at an interface. */

import * as fc from 'fast-check';

/** The parts of JSON Schema that the API's document uses. */
export type Schema = {
  $ref?: string;
  type?: string;
  const?: unknown;
  enum?: unknown[];
  examples?: unknown[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  pattern?: string;
  format?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  items?: Schema;
  minItems?: number;
  maxItems?: number;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  propertyNames?: Schema;
};

/** @param schemas what `#/components/schemas/…` refers to */
export function arbitraryOf(schema: Schema, schemas: Record<string, Schema>): fc.Arbitrary<unknown> {
  const plain = fromKind(schema, schemas);
  if (!schema.examples) return plain;
  return fc.oneof({ arbitrary: fc.constantFrom(...schema.examples), weight: 4 }, plain);
}

function fromKind(schema: Schema, schemas: Record<string, Schema>): fc.Arbitrary<unknown> {
  const inner = (child: Schema) => arbitraryOf(child, schemas);
  const choices = schema.anyOf ?? schema.oneOf;
  if (schema.$ref) return inner(schemas[schema.$ref.split('/').at(-1) ?? ''] ?? {});
  if (choices) return fc.oneof(...choices.map(inner));
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  switch (schema.type) {
    case 'string':
      return stringOf(schema);
    case 'integer':
      return fc.integer({ min: schema.minimum ?? -1_000, max: Math.min(schema.maximum ?? 1_000, 2 ** 31 - 1) });
    case 'number':
      return fc.double({ min: schema.minimum ?? -1_000, max: schema.maximum ?? 1_000, noNaN: true });
    case 'boolean':
      return fc.boolean();
    case 'array': {
      const maxLength = Math.min(schema.maxItems ?? 3, 3);
      return fc.array(inner(schema.items ?? {}), { minLength: schema.minItems ?? 0, maxLength });
    }
    case 'object':
      return objectOf(schema, schemas);
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

function stringOf({ pattern, format, minLength = 0, maxLength = 40 }: Schema): fc.Arbitrary<unknown> {
  if (format === 'date-time') {
    return fc.integer({ min: -1_000, max: 40 * 86_400 }).map((s) => new Date(Date.now() + s * 1_000).toISOString());
  }
  if (pattern) return fc.stringMatching(new RegExp(pattern));
  return fc.string({ unit: 'grapheme', minLength, maxLength: Math.min(maxLength, 40) });
}

function objectOf(schema: Schema, schemas: Record<string, Schema>): fc.Arbitrary<unknown> {
  const { properties, required = [], additionalProperties, propertyNames } = schema;
  if (properties) {
    const optional = Object.keys(properties).filter((name) => !required.includes(name));
    // A few at a time: with all of them at once, hardly any value would suit the rules that no schema tells.
    return fc.subarray(optional, { maxLength: Math.min(4, optional.length) }).chain((names) => {
      const fields = [...required, ...names].map(
        (name) => [name, arbitraryOf(properties[name] ?? {}, schemas)] as const,
      );
      return fc.record(Object.fromEntries(fields), { noNullPrototype: true });
    });
  }
  const values = typeof additionalProperties === 'object' ? arbitraryOf(additionalProperties, schemas) : fc.jsonValue();
  const names = propertyNames ? arbitraryOf(propertyNames, schemas) : fc.string();
  return fc.dictionary(names.map(String), values, { maxKeys: 3, noNullPrototype: true });
}

const JUNK = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom<unknown[]>(
    null,
    '',
    0,
    -1,
    1e308,
    2 ** 53,
    [],
    {},
    [[]],
    '\0',
    '\ud800',
    'a'.repeat(5_000),
    '__proto__',
  ),
  fc.string({ unit: 'binary', maxLength: 30 }),
);

/** `values` with one place changed: dropped, doubled, or something else put there. */
export function mutated(values: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.tuple(values, fc.nat(), JUNK, fc.constantFrom('replace', 'drop', 'add')).map(([value, at, junk, how]) => {
    const copy: unknown = structuredClone(value);
    const places = placesOf(copy);
    const place = places[at % Math.max(1, places.length)];
    if (!place) return junk;
    if (how === 'drop') delete place.holder[place.name];
    else Object.defineProperty(place.holder, how === 'add' ? String(junk) : place.name, { value: junk, ...OPEN });
    return copy;
  });
}
const OPEN = { enumerable: true, configurable: true, writable: true };

type Place = { holder: Record<string, unknown>; name: string };

function placesOf(value: unknown): Place[] {
  if (typeof value !== 'object' || value === null) return [];
  const holder = value as Record<string, unknown>;
  return Object.keys(holder).flatMap((name) => [{ holder, name }, ...placesOf(holder[name])]);
}
