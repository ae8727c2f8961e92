/** From the one setting `STORAGE_URL` to a store. */

import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../ports/clock.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import { createFolderStore, type FolderStore } from './folder/index.ts';
import { isObjectKey } from './object-key.ts';

export type StorageLocation = { type: 'folder'; root: string } | { type: 'gcs'; bucket: string; prefix: string };

export type OpenStoreOptions = {
  /** Where the API is reached from outside; a folder store's signed URLs begin with it. */
  publicUrl: string;
  /** Signs a folder store's URLs: at least 32 bytes, the same in every process. */
  signingKey: Buffer;
  clock: Clock;
  /** `GCS_API_ENDPOINT`: another endpoint than Google's. */
  gcsApiEndpoint?: string;
  /** `GCS_READ_BUCKETS`: other buckets that callers may read. */
  gcsReadBuckets?: readonly string[];
};

/** `openSigned` is there when the API itself serves the files. */
export type OpenedStore = ObjectStore & Partial<Pick<FolderStore, 'openSigned'>>;

/**
 * Where `STORAGE_URL` points: `file:./folder` (below the working directory), `file:///folder`, `gs://bucket` or
 * `gs://bucket/prefix`.
 *
 * @throws TypeError naming the setting, what is wrong and what it may be
 */
export function parseStorageUrl(storageUrl: string): StorageLocation {
  if (storageUrl.startsWith('file:')) return parseFolder(storageUrl);
  if (storageUrl.startsWith('gs://')) return parseBucket(storageUrl);
  throw wrong(storageUrl, 'its scheme is neither file: nor gs:');
}

/** Opens the store `storageUrl` names. The GCS client is loaded only when it is needed: it costs a third of a second. */
export async function openStore(storageUrl: string, options: OpenStoreOptions): Promise<OpenedStore> {
  const location = parseStorageUrl(storageUrl);
  if (location.type === 'folder') return createFolderStore({ root: location.root, ...options });
  const { createGcsStore } = await import('./gcs/index.ts');
  const { gcsApiEndpoint: apiEndpoint, gcsReadBuckets: readBuckets = [], clock } = options;
  return createGcsStore({ ...location, readBuckets, clock, ...(apiEndpoint !== undefined && { apiEndpoint }) });
}

function parseFolder(storageUrl: string): StorageLocation {
  const path = storageUrl.slice('file:'.length);
  if (/[?#]/.test(path)) throw wrong(storageUrl, 'a folder has no ? or #');
  if (!path.startsWith('//')) {
    if (path === '') throw wrong(storageUrl, 'it names no folder');
    return { type: 'folder', root: resolve(decode(storageUrl, path)) };
  }
  if (!path.startsWith('///') || path === '///') throw wrong(storageUrl, 'an absolute folder begins with file:///');
  return { type: 'folder', root: fileURLToPath(storageUrl) };
}

function parseBucket(storageUrl: string): StorageLocation {
  const [bucket = '', ...rest] = storageUrl.slice('gs://'.length).replace(/\/+$/, '').split('/');
  if (!/^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/.test(bucket)) throw wrong(storageUrl, 'it names no bucket');
  const prefix = rest.join('/');
  if (prefix !== '' && !isObjectKey(prefix))
    throw wrong(storageUrl, 'its prefix has characters that object names may not have');
  return { type: 'gcs', bucket, prefix };
}

function decode(storageUrl: string, path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw wrong(storageUrl, 'it has a % that begins no escape');
  }
}

function wrong(storageUrl: string, why: string): TypeError {
  const shown = JSON.stringify(storageUrl.slice(0, 200));
  return new TypeError(`STORAGE_URL is ${shown}: ${why}. Use file:./folder, file:///folder or gs://bucket/prefix.`);
}
