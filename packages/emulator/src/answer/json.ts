/** JSON with large base64 fields, written as bytes so that megabytes are never held as a string. */
import { randomUUID } from 'node:crypto';

const BASE64 = Symbol('base64');

/** Stands in a JSON value for a string of base64 that exists as bytes. */
export type Base64 = { [BASE64]: readonly Buffer[] };

/** A base64 field made of `pieces`, each of them base64 text. */
export function base64Field(...pieces: readonly Buffer[]): Base64 {
  return { [BASE64]: pieces };
}

/** A string of text and base64, one after the other, that never becomes one. */
export function textField(...pieces: readonly (string | Base64)[]): Base64 {
  return base64Field(
    ...pieces.flatMap((piece) =>
      typeof piece === 'string' ? Buffer.from(JSON.stringify(piece).slice(1, -1)) : piece[BASE64],
    ),
  );
}

// Nobody can have written it into a prompt before this process began.
const MARK = randomUUID();
const MARKED = new RegExp(`"${MARK}:(\\d+)"`);

/** `value` as JSON, in pieces to be written one after another. */
export function encodeJson(value: unknown): Buffer[] {
  const fields: Base64[] = [];
  const json = JSON.stringify(value, (_, field: unknown) => {
    if (!isBase64(field)) return field;
    fields.push(field);
    return `${MARK}:${fields.length - 1}`;
  });
  return json.split(MARKED).flatMap((piece, i) => (i % 2 === 0 ? Buffer.from(piece) : quoted(fields[Number(piece)])));
}

const QUOTE = Buffer.from('"');

function quoted(field: Base64 | undefined): Buffer[] {
  return [QUOTE, ...(field?.[BASE64] ?? []), QUOTE];
}

function isBase64(value: unknown): value is Base64 {
  return typeof value === 'object' && value !== null && BASE64 in value;
}
