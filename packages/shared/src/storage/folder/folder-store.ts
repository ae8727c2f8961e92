/**
 * The object store in a folder of this machine: the default, and the peer of the GCS store for everything but reach.
 *
 * Bytes come first: their name under `objects` is the claim, made by one writer. The sidecar under `info` makes the object
 * visible. A crash between the two leaves an invisible object; the next put of the same bytes (the spool sends them again)
 * completes it. A delete goes the other way round, so it is invisible first.
 */

import { constants } from 'node:fs';
import { open, unlink } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import type { Clock } from '../../ports/clock.ts';
import type { ObjectInfo, ObjectStore } from '../../ports/object-store.ts';
import { storageUnavailable } from '../object-errors.ts';
import { assertByteRange, assertObjectKey } from '../object-key.ts';
import { assertExpiry } from '../signed-life.ts';
import { errorCode, translate, translated } from './disk-errors.ts';
import { readInfo } from './info-file.ts';
import { createLayout, type Layout } from './layout.ts';
import { createPut, writeTemporary } from './put.ts';
import { type OpenedFile, presentFile } from './served-file.ts';
import { assertSigningKey, signPath, verifySignedUrl } from './signature.ts';

export type FolderStoreOptions = {
  /** The folder; made on first use. */
  root: string;
  /** Where the API's `/files` route is reached, such as `http://127.0.0.1:8080`. */
  publicUrl: string;
  /** At least 32 bytes, the same in every process that signs or serves. */
  signingKey: Buffer;
  clock: Clock;
  /** Whether a local file is stored as a second name of its bytes where the disk allows it (default), or always copied. */
  uploadsAsLinks?: boolean;
};

export type FolderStore = ObjectStore & {
  /**
   * Opens what a signed URL of this store points to, given the path and query of the request (`/files/…?…`).
   *
   * The caller sends `headers`, then `body`, and destroys `body` when the client goes away.
   */
  openSigned(pathAndQuery: string): Promise<OpenedFile | 'expired' | 'forbidden' | 'not_found'>;
};

/** A store in `root`. Building it touches no disk. */
export function createFolderStore(options: FolderStoreOptions): FolderStore {
  assertSigningKey(options.signingKey);
  const { signingKey, clock } = options;
  const layout = createLayout(resolve(options.root));
  const publicUrl = options.publicUrl.replace(/\/+$/, '');
  const put = createPut(layout, { links: options.uploadsAsLinks ?? true });

  const head = (key: string): Promise<ObjectInfo | undefined> => {
    assertObjectKey(key);
    return translated(async () => (await readInfo(layout.infoPath(key), key)) ?? absent(layout));
  };

  const get = async (key: string, range?: { start: number; end?: number }): Promise<Readable | undefined> => {
    if (range) assertByteRange(range);
    if (!(await head(key))) return undefined;
    return translated(() => openBytes(layout.objectPath(key), range));
  };

  return {
    put,
    head,
    get,
    delete: (key) => {
      assertObjectKey(key);
      return translated(() => remove(layout, key));
    },
    signedUrl: async (key, { expiresAt, downloadName }) => {
      assertObjectKey(key);
      assertExpiry(expiresAt, clock.now());
      return publicUrl + signPath({ key, expiresAt, downloadName }, signingKey);
    },
    uri: (key) => {
      assertObjectKey(key);
      return pathToFileURL(layout.objectPath(key)).href;
    },
    healthy: () => canWrite(layout),
    openSigned: async (pathAndQuery) => {
      const file = verifySignedUrl(pathAndQuery, signingKey, clock.now());
      if (typeof file === 'string') return file;
      const info = await head(file.key);
      const body = info && (await get(file.key));
      return body ? presentFile(info, body, file, clock.now()) : 'not_found';
    },
  };
}

/** `undefined` for an object that is not there, when its store is. */
async function absent(layout: Layout): Promise<undefined> {
  await layout.prepare();
  if (!(await layout.present())) throw storageUnavailable('The folder of the object store is missing.', undefined);
}

async function openBytes(path: string, range?: { start: number; end?: number }): Promise<Readable | undefined> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    return file.createReadStream({ ...range, highWaterMark: 256 * 1024 });
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined; // Deleted since its description was read.
    throw translate(error);
  }
}

async function remove(layout: Layout, key: string): Promise<void> {
  await layout.prepare();
  for (const path of [layout.infoPath(key), layout.objectPath(key)]) await layout.release(path);
  await absent(layout);
}

async function canWrite(layout: Layout): Promise<boolean> {
  try {
    layout.forget();
    await layout.prepare();
    const path = layout.temporaryPath();
    await writeTemporary(path, Buffer.from('health'));
    await unlink(path);
    return await layout.present();
  } catch {
    return false;
  }
}
