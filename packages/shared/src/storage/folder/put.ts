/** Storing an object in a folder, once. */

import { constants } from 'node:fs';
import { copyFile, lstat, open, unlink } from 'node:fs/promises';
import type { LocalFile, ObjectInfo, ObjectStore, PutOptions, PutResult } from '../../ports/object-store.ts';
import { checksumOf, sizeOf } from '../checksum.ts';
import { damagedBytes, judgeTaken } from '../object-errors.ts';
import { assertObjectKey } from '../object-key.ts';
import { syncPath } from '../sync-path.ts';
import { errorCode, translated } from './disk-errors.ts';
import { formatInfo, readInfo } from './info-file.ts';
import { ignore, type Layout, syncFile } from './layout.ts';

// Another disk, a file system without links, a file with as many names as it may have: copy instead.
const UNLINKABLE = new Set(['EXDEV', 'EPERM', 'ENOTSUP', 'EMLINK']);
const MOST_TRIES = 3;

/** The `put` of a folder store. With `links`, a local file on the same disk costs no copy: its bytes get a second name. */
export function createPut(layout: Layout, { links }: { links: boolean }): ObjectStore['put'] {
  const store = async (info: ObjectInfo, body: Buffer | LocalFile): Promise<PutResult> => {
    const created = await claimBytes(layout, layout.objectPath(info.key), body, links);
    if (!created) {
      const taken = await describe(layout, info.key);
      judgeTaken(taken, info.bytes, info.crc32c);
    }
    await withTemporary(layout, Buffer.from(formatInfo(info)), (path) => layout.claim(path, layout.infoPath(info.key)));
    return created ? 'created' : 'exists';
  };

  return (key, body, options) => {
    assertObjectKey(key);
    return translated(async () => {
      const info = await measure(key, body, options);
      for (let tries = 1; ; tries++) {
        try {
          await layout.prepare();
          return await store(info, body);
        } catch (error) {
          // A delete may remove an emptied folder between our making and using it.
          if (errorCode(error) !== 'ENOENT' || tries === MOST_TRIES) throw error;
          layout.forget();
        }
      }
    });
  };
}

/** Writes `bytes` to a new file and makes them durable. */
export async function writeTemporary(path: string, bytes: Buffer): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function measure(key: string, body: Buffer | LocalFile, options: PutOptions): Promise<ObjectInfo> {
  const bytes = sizeOf(key, body);
  // The sum of a local file that the caller knows is believed: reading it again is what the caller saves.
  const crc32c = Buffer.isBuffer(body) ? await checksumOf(body) : (options.crc32c ?? (await checksumOf(body)));
  if (options.crc32c !== undefined && options.crc32c !== crc32c) throw damagedBytes(key);
  return { key, bytes, contentType: options.contentType, crc32c, custom: options.custom ?? {} };
}

async function claimBytes(layout: Layout, to: string, body: Buffer | LocalFile, links: boolean): Promise<boolean> {
  if (Buffer.isBuffer(body)) return withTemporary(layout, body, (path) => layout.claim(path, to));
  if (links) {
    try {
      await syncPath(body.path);
      return await layout.claim(body.path, to);
    } catch (error) {
      if (!UNLINKABLE.has(errorCode(error) ?? '')) throw error;
    }
  }
  return withTemporary(layout, body, (path) => layout.claim(path, to));
}

async function withTemporary<T>(
  layout: Layout,
  body: Buffer | LocalFile,
  use: (path: string) => Promise<T>,
): Promise<T> {
  const path = layout.temporaryPath();
  try {
    if (Buffer.isBuffer(body)) await writeTemporary(path, body);
    else {
      await copyFile(body.path, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      await syncFile(path);
    }
    return await use(path);
  } finally {
    await unlink(path).catch(ignore('ENOENT'));
  }
}

/** What holds a taken name: its sidecar, or the bytes themselves when a crash came before the sidecar. */
async function describe(layout: Layout, key: string): Promise<Pick<ObjectInfo, 'key' | 'bytes' | 'crc32c'>> {
  const info = await readInfo(layout.infoPath(key), key);
  if (info) return info;
  const path = layout.objectPath(key);
  const { size } = await lstat(path);
  return { key, bytes: size, crc32c: await checksumOf({ path, bytes: size }) };
}
