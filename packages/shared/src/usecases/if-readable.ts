import { AppError } from '../domain/index.ts';

/**
 * What `work` on one of many comes to; `undefined` when its record cannot be read, which must not stop the others.
 *
 * The ledger has told of it by then.
 */
export async function ifReadable<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof AppError && error.code === 'record_unreadable') return undefined;
    throw error;
  }
}
