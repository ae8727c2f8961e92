/** Reading JSON that nobody promised anything about. */

export type Loose = Record<string, unknown>;

/** The object, or an empty one for everything else. */
export function objectOf(value: unknown): Loose {
  return isLoose(value) ? value : {};
}

/** The objects of an array; none for everything else. */
export function objectsOf(value: unknown): Loose[] {
  return Array.isArray(value) ? value.filter(isLoose) : [];
}

function isLoose(value: unknown): value is Loose {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The text, unless it is empty or something else. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The count, 0 for everything that is none. Takes numbers written as text, as JSON writes 64-bit integers. */
export function countOf(value: unknown): number {
  const number = typeof value === 'string' ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number > 0 ? number : 0;
}
