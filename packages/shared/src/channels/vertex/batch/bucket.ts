/** The user's own bucket, as far as batches need it. */

import type { Readable } from 'node:stream';
import type { LocalFile } from '../../../ports/object-store.ts';

/** Names are those of whole objects, without the bucket. What fails throws, an AppError where the bucket has answered. */
export type Bucket = {
  /** Writes an object that is not there yet, or holds the same bytes already. @throws AppError `object_conflict` */
  put(name: string, file: LocalFile): Promise<void>;
  /** `undefined` = it is not there. A body that breaks off errors. */
  open(name: string): Promise<Readable | undefined>;
  /** Names that begin so, in order; bounded. */
  list(prefix: string): Promise<string[]>;
  /** Done also when it is not there. */
  remove(name: string): Promise<void>;
};

/** Opens a bucket by its name. @param token of whoever may use it; absent = the credentials of this machine */
export type OpenBucket = (bucket: string, token?: () => Promise<string>) => Bucket;

export type Place = { bucket: string; prefix: string };

/** What `gs://bucket/prefix` names, without slashes at its end. @throws TypeError for anything else */
export function placeOf(uri: string): Place {
  const [, bucket, prefix = ''] = /^gs:\/\/([^/]+)(?:\/(.*))?$/s.exec(uri) ?? [];
  if (bucket === undefined)
    throw new TypeError(`${uri} names no place in a bucket: it must look like gs://bucket/prefix`);
  return { bucket, prefix: prefix.replace(/\/+$/, '') };
}

/** The name of an object below a place. @throws RangeError when it lies elsewhere: nothing there is ours to touch */
export function nameBelow({ bucket, prefix }: Place, uri: string): string {
  const named = placeOf(uri);
  const below = prefix === '' || named.prefix.startsWith(`${prefix}/`);
  if (named.bucket === bucket && below && named.prefix !== '') return named.prefix;
  throw new RangeError(`${uri} does not lie below gs://${bucket}/${prefix}`);
}
