/** A bucket of somebody's own, by the names of its objects: for files that a provider reads and writes there. */

import type { Readable } from 'node:stream';
import type { LocalFile } from '../../ports/object-store.ts';
import { checksumOf, decodeChecksum } from '../checksum.ts';
import { judgeTaken, storageUnavailable } from '../object-errors.ts';
import { createClients } from './client.ts';
import { createDownload } from './download.ts';
import { statusOf, translate } from './gcs-errors.ts';
import { withSilenceLimit } from './silence.ts';
import { LARGEST_SINGLE_REQUEST, upload } from './upload.ts';

export type GcsBucketOptions = {
  bucket: string;
  /** Another endpoint that speaks the JSON API, such as an emulator. No credentials are sent there. */
  apiEndpoint?: string;
  /** A token that is good now; absent = the credentials of the environment. */
  token?: () => Promise<string>;
  /** How long the other side may be silent in the middle of a request (default 30 s). */
  silenceMs?: number;
};

export type GcsBucket = {
  /** Writes an object that is not there yet, or holds the same bytes already. @throws AppError `object_conflict`, `storage_unavailable` */
  put(name: string, file: LocalFile): Promise<void>;
  /** `undefined` = it is not there. */
  open(name: string): Promise<Readable | undefined>;
  /** Names that begin so, in order; at most a thousand. */
  list(prefix: string): Promise<string[]>;
  /** Done also when it is not there. */
  remove(name: string): Promise<void>;
};

const LISTED_MAX = 1_000;
const JSONL = { contentType: 'application/jsonl' };

/** Building it sends nothing. */
export function createGcsBucket({ bucket, silenceMs = 30_000, ...options }: GcsBucketOptions): GcsBucket {
  const { once, patient } = createClients(options);
  const download = createDownload(once, { authenticate: options.apiEndpoint === undefined, silenceMs });
  const limited = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await withSilenceLimit(silenceMs, work);
    } catch (error) {
      throw translate(error, name);
    }
  };

  async function put(name: string, file: LocalFile): Promise<void> {
    const resumable = file.bytes > LARGEST_SINGLE_REQUEST;
    const object = (resumable ? patient : once).bucket(bucket).file(name);
    try {
      await withSilenceLimit(silenceMs, () => upload(object, file, JSONL, resumable));
    } catch (error) {
      const status = statusOf(error);
      // Any other answer says that it was not made; without one it may have been.
      if (status !== undefined && status !== 412) throw translate(error, name);
      const [known] = await limited(name, () => object.getMetadata());
      if (known.size === undefined) throw storageUnavailable('The object was removed meanwhile.', error);
      const found = {
        key: name,
        bytes: Number(known.size),
        contentType: JSONL.contentType,
        crc32c: decodeChecksum(known.crc32c ?? ''),
        custom: {},
      };
      judgeTaken(found, file.bytes, await checksumOf(file));
    }
  }

  return {
    put,
    open: async (name) => (await download(bucket, name))?.body,
    list: (prefix) =>
      limited(prefix, async () => {
        const [files] = await once.bucket(bucket).getFiles({ prefix, maxResults: LISTED_MAX, autoPaginate: false });
        return files.map(({ name }) => name);
      }),
    remove: (name) =>
      limited(name, async () => void (await once.bucket(bucket).file(name).delete({ ignoreNotFound: true }))),
  };
}
