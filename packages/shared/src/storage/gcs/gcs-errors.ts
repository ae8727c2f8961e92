/** What the GCS client's errors mean for a caller. */

import { AppError } from '../../domain/errors.ts';
import { damagedBytes, storageUnavailable } from '../object-errors.ts';

/** The HTTP status an error of the client carries, or `undefined` when no whole answer came. */
export function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const fields = new Map(Object.entries(error));
  for (const value of [fields.get('code'), fields.get('status'), statusIn(fields.get('response'))]) {
    const status = Number(value);
    if (Number.isInteger(status) && status >= 100 && status < 600) return status;
  }
  return undefined;
}

function statusIn(response: unknown): unknown {
  return typeof response === 'object' && response !== null && 'status' in response ? response.status : undefined;
}

/** The error callers see for one the client threw about `key`. */
export function translate(error: unknown, key: string): AppError {
  if (error instanceof AppError) return error;
  const status = statusOf(error);
  if (status === undefined) return storageUnavailable('The object store cannot be reached.', error);
  if (status === 401 || status === 403) {
    return storageUnavailable(
      'The object store refuses the credentials of Darkroom.',
      error,
      'Give its service account the roles Storage Object Creator and Storage Object Viewer on the bucket.',
    );
  }
  if (status === 404)
    return storageUnavailable('The bucket of the object store does not exist.', error, 'Check STORAGE_URL.');
  if (status === 400) return damagedBytes(key, error);
  return storageUnavailable(`The object store answers with ${status}.`, error);
}
