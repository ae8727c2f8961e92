/** Which names objects may bear, in every store. */

// No segment may start a parent walk, hide a separator or need escaping in a shell, a path or a URL.
const SEGMENT = /^[A-Za-z0-9_.:~=-]{1,200}$/;
const LONGEST_KEY = 700;

/** Whether `key` is a relative path of legal segments: at most 700 characters, 200 each, none of them `.` or `..`. */
export function isObjectKey(key: string): boolean {
  if (key.length > LONGEST_KEY) return false;
  return key.split('/').every((segment) => SEGMENT.test(segment) && segment !== '.' && segment !== '..');
}

/** @throws TypeError when `key` is none: keys are ours, so an illegal one is a bug. */
export function assertObjectKey(key: string): void {
  if (!isObjectKey(key)) throw new TypeError(`not an object key: ${JSON.stringify(key.slice(0, 100))}`);
}

/** @throws RangeError when `start` and `end` name no bytes. */
export function assertByteRange(range: { start: number; end?: number }): void {
  const { start, end = start } = range;
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start) {
    throw new RangeError(`not a byte range: ${start}-${range.end ?? ''}`);
  }
}
