/**
 * The object store in a GCS bucket.
 *
 * Every put carries `ifGenerationMatch: 0`, so a name is written once. When the name is taken, or when nobody knows how the
 * put ended, the object itself is asked: the same size and checksum mean that it is stored. The client retries nothing but
 * the pieces of a resumable upload: the spool owns retries.
 */

import type { File, FileMetadata } from '@google-cloud/storage';
import { type Clock, systemClock } from '../../ports/clock.ts';
import type { LocalFile, ObjectInfo, ObjectStore, PutOptions, PutResult } from '../../ports/object-store.ts';
import { checksumOf, decodeChecksum, sizeOf } from '../checksum.ts';
import { judgeTaken, storageUnavailable } from '../object-errors.ts';
import { assertByteRange, assertObjectKey } from '../object-key.ts';
import { assertExpiry, dispositionOf } from '../signed-life.ts';
import { createClients, type GcsCredentials } from './client.ts';
import { createDownload } from './download.ts';
import { parseForeignUri } from './foreign-uri.ts';
import { statusOf, translate } from './gcs-errors.ts';
import { withSilenceLimit } from './silence.ts';
import { LARGEST_SINGLE_REQUEST, upload } from './upload.ts';

export type GcsStoreOptions = {
  bucket: string;
  /** Put before every key, without a slash at either end; empty for none. */
  prefix: string;
  /** Another endpoint that speaks the JSON API, such as an emulator. No credentials are sent there. */
  apiEndpoint?: string;
  /** Signs URLs of `apiEndpoint`; a key made at start when left out. Google gets the credentials of the environment. */
  credentials?: GcsCredentials;
  /** Other buckets that callers may read with our credentials; `*` = any. Default: none. */
  readBuckets?: readonly string[];
  clock?: Clock;
  /** How long the other side may be silent in the middle of a request (default 30 s). */
  silenceMs?: number;
};

/** A store in a bucket that exists. Building it sends nothing. */
export function createGcsStore(options: GcsStoreOptions): Required<ObjectStore> {
  const { bucket, readBuckets = [], clock = systemClock, silenceMs = 30_000 } = options;
  const { once, patient } = createClients(options);
  const download = createDownload(once, { authenticate: options.apiEndpoint === undefined, silenceMs });
  const prefix = options.prefix === '' ? '' : `${options.prefix}/`;
  const limited = <T>(work: () => T): T => withSilenceLimit(silenceMs, work);
  const nameOf = (key: string): string => {
    assertObjectKey(key);
    return prefix + key;
  };
  const fileOf = (key: string): File => once.bucket(bucket).file(nameOf(key));

  const head = async (key: string): Promise<ObjectInfo | undefined> => {
    const file = fileOf(key);
    const metadata = await limited(() => describe(file, key));
    return metadata && infoOf(key, metadata);
  };

  const put = async (key: string, body: Buffer | LocalFile, putOptions: PutOptions): Promise<PutResult> => {
    const name = nameOf(key);
    const bytes = sizeOf(key, body);
    const resumable = bytes > LARGEST_SINGLE_REQUEST;
    const file = (resumable ? patient : once).bucket(bucket).file(name);
    try {
      await limited(() => upload(file, body, putOptions, resumable));
      return 'created';
    } catch (error) {
      const status = statusOf(error);
      // A status other than 412 is an answer: the object was not made. No status, and it may have been.
      const found = status === undefined || status === 412 ? await head(key) : undefined;
      if (!found)
        throw status === 412 ? storageUnavailable('The object was removed meanwhile.', error) : translate(error, key);
      return judgeTaken(found, bytes, putOptions.crc32c ?? (await checksumOf(body)));
    }
  };

  return {
    put,
    head,
    get: async (key, range) => {
      const name = nameOf(key);
      if (range) assertByteRange(range);
      return (await download(bucket, name, range))?.body;
    },
    delete: async (key) => {
      const file = fileOf(key);
      await limited(() => file.delete({ ignoreNotFound: true })).catch((error: unknown) => {
        throw translate(error, key);
      });
    },
    signedUrl: async (key, { expiresAt, downloadName }) => {
      const file = fileOf(key);
      assertExpiry(expiresAt, clock.now());
      return limited(() => sign(file, expiresAt, clock.now(), downloadName));
    },
    uri: (key) => `gs://${bucket}/${nameOf(key)}`,
    openUri: async (uri) => {
      const object = parseForeignUri(uri, { own: bucket, allowed: readBuckets });
      return object && download(object.bucket, object.name).catch(ignoreUnreadable);
    },
    healthy: () => limited(() => canWrite(once.bucket(bucket).file(`${prefix}health`))),
  };
}

async function describe(file: File, key: string): Promise<FileMetadata | undefined> {
  try {
    const [metadata] = await file.getMetadata();
    return metadata;
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw translate(error, key);
  }
}

function infoOf(key: string, metadata: FileMetadata): ObjectInfo {
  const custom = Object.entries(metadata.metadata ?? {}).map(([name, value]) => [name, String(value)]);
  return {
    key,
    bytes: Number(metadata.size),
    contentType: metadata.contentType ?? 'application/octet-stream',
    crc32c: decodeChecksum(metadata.crc32c ?? ''),
    custom: Object.fromEntries(custom),
  };
}

async function sign(file: File, expiresAt: number, now: number, downloadName: string | undefined): Promise<string> {
  try {
    const [url] = await file.getSignedUrl({
      version: 'v4',
      action: 'read',
      accessibleAt: now,
      expires: expiresAt,
      ...(downloadName !== undefined && {
        queryParams: { 'response-content-disposition': dispositionOf('', downloadName) },
      }),
    });
    return url;
  } catch (error) {
    const fix = 'Use a service account that may sign (Service Account Token Creator on itself).';
    throw storageUnavailable('The Google credentials of Darkroom cannot sign URLs.', error, fix);
  }
}

// What Darkroom may not see in a foreign bucket is to it as if it were not there; nor are there buckets of illegal names.
function ignoreUnreadable(error: unknown): undefined {
  const cause = error instanceof Error ? error.cause : undefined;
  if (![400, 403].includes(statusOf(cause) ?? 0)) throw error;
}

/** Tries a real write, since neither a bucket that answers nor a right that is listed proves that one succeeds. */
async function canWrite(file: File): Promise<boolean> {
  try {
    await upload(file, Buffer.from('ok\n'), { contentType: 'text/plain' }, false);
    return true;
  } catch (error) {
    // Written by an earlier check; or checked by many programs within the same second.
    return statusOf(error) === 412 || statusOf(error) === 429;
  }
}
