/** The provider's names, which become parts of paths. */

const BATCH = /^batches\/[A-Za-z0-9][\w.-]{0,199}$/;
const FILE = /^files\/[A-Za-z0-9][\w.-]{0,199}$/;
const CHOSEN = /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/;

export function isBatchName(name: unknown): name is string {
  return typeof name === 'string' && BATCH.test(name);
}

export function isFileName(name: unknown): name is string {
  return typeof name === 'string' && FILE.test(name);
}

/** @throws RangeError when it is no `batches/…` */
export function batchPath(name: string): string {
  if (BATCH.test(name)) return name;
  throw new RangeError(`${name} names no batch: it must look like batches/abc123`);
}

/** @throws RangeError when it is no `files/…` */
export function filePath(name: string): string {
  if (FILE.test(name)) return name;
  throw new RangeError(`${name} names no file: it must look like files/abc123`);
}

/** @throws RangeError when the provider would not take it as a file's name */
export function chosenFile(name: string): string {
  if (CHOSEN.test(name)) return `files/${name}`;
  throw new RangeError(`a file cannot be named ${name}: use 1 to 40 of a-z, 0-9 and -, with no - at the ends`);
}
