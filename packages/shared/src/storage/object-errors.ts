/** The failures every object store reports in the same words. */

import { AppError } from '../domain/errors.ts';
import type { ObjectInfo, PutResult } from '../ports/object-store.ts';

/** The store cannot serve now; the same call may succeed later. */
export function storageUnavailable(message: string, cause: unknown, fix?: string): AppError {
  return new AppError('storage_unavailable', { message, retryable: true, cause, ...(fix !== undefined && { fix }) });
}

/** The bytes are not those the caller counted: a broken disk or a bug, which a second try does not mend. */
export function damagedBytes(key: string, cause?: unknown): AppError {
  return new AppError('internal', { message: `The bytes of ${key} do not match their size or checksum.`, cause });
}

/**
 * What a put means that found its name taken.
 *
 * @throws AppError `object_conflict` when the name holds other bytes
 */
export function judgeTaken(
  found: Pick<ObjectInfo, 'key' | 'bytes' | 'crc32c'>,
  bytes: number,
  crc32c: number,
): PutResult {
  if (found.bytes === bytes && found.crc32c === crc32c) return 'exists';
  throw new AppError('object_conflict', {
    message: `The name ${found.key} holds other bytes. Nothing was overwritten.`,
  });
}
