/** Reading bytes from GCS. */

import { once } from 'node:events';
import { Readable } from 'node:stream';
import type { CreateReadStreamOptions, File } from '@google-cloud/storage';
import { statusOf } from './gcs-errors.ts';

/**
 * The bytes of an object, or `undefined` when it does not exist. A whole object is held against its checksum on the way.
 *
 * @throws what the client throws, before the first byte; later failures are errors of the stream
 */
export async function openFile(file: File, range?: { start: number; end?: number }): Promise<Readable | undefined> {
  const options: CreateReadStreamOptions = range ? { ...range, validation: false } : { validation: 'crc32c' };
  const stream = file.createReadStream(options);
  stream.read(0); // The client sends its request when somebody reads.
  try {
    const [response]: { statusCode?: number }[] = await once(stream, 'response');
    if ((response?.statusCode ?? 0) < 400) return stream;
    // The client reads the error's body and then fails the stream with it.
    await once(stream, 'close');
    throw new Error('the client did not fail');
  } catch (error) {
    const status = statusOf(error);
    if (status === 404) return undefined;
    if (status === 416) return Readable.from([]); // Nothing lies beyond the end, and nothing is what a file has there too.
    throw error;
  }
}
