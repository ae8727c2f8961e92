/** What the file system's errors mean for a caller. */

import { AppError } from '../../domain/errors.ts';
import { storageUnavailable } from '../object-errors.ts';

const MEANING: Record<string, string> = {
  ENOSPC: 'The disk of the object store is full.',
  EDQUOT: 'The disk quota of the object store is used up.',
  EACCES: 'Darkroom may not write to the folder of the object store.',
  EPERM: 'The folder of the object store refuses the write, or its file system has no hard links.',
  EROFS: 'The folder of the object store is read-only.',
  ENOENT: 'The folder of the object store is missing.',
  EMFILE: 'Too many files are open.',
  ENFILE: 'Too many files are open.',
  EIO: 'The disk of the object store fails.',
};

/** The `code` of a system error, or `undefined`. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Turns a system error into the error callers see; anything else is a bug and passes through. */
export function translate(error: unknown): unknown {
  const code = errorCode(error);
  if (error instanceof AppError || code === undefined || code.startsWith('ERR_')) return error;
  if (code === 'ENOTDIR' || code === 'EISDIR') {
    return new AppError('object_conflict', {
      message: 'A folder store cannot hold an object and others below its name.',
      cause: error,
    });
  }
  return storageUnavailable(MEANING[code] ?? 'The folder of the object store cannot be used.', error);
}

/** Runs `work` and translates what it throws. */
export async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw translate(error);
  }
}
