/** Writes that a power cut cannot take back. */

import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Makes the names in `folder` durable. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A file that is there whole or not at all, also after a power cut. */
export async function writeDurably(path: string, content: string): Promise<void> {
  const unfinished = `${path}.tmp`;
  const handle = await open(unfinished, 'w');
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(unfinished, path);
  await syncFolder(dirname(path));
}

/** A folder that appears under its name only once `fill` is done with it. */
export async function createFolderWhole(path: string, fill: (unfinished: string) => Promise<void>): Promise<void> {
  const unfinished = `${path}.tmp`;
  try {
    await mkdir(unfinished, { recursive: true });
    await fill(unfinished);
    await rename(unfinished, path);
  } catch (error) {
    // A full disk would be asked for one with each call.
    await rm(unfinished, { recursive: true, force: true }).catch(() => undefined);
    throw error;
  }
  await syncFolder(dirname(path));
}

/** The names in a folder; none when it is gone. */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** The file's inode, or `undefined` when there is none. */
export async function inodeOf(path: string): Promise<bigint | undefined> {
  try {
    return (await stat(path, { bigint: true })).ino;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Whether a call failed because a file, or a folder above it, is not there. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
