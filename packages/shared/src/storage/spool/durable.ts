/**
 * Writes that a power cut cannot take back, and looks at what is there.
 *
 * A look is synchronous: it touches nothing but names that the kernel of this host has at hand, and takes a fraction of
 * handing it to another thread and back. Whatever may have to wait for the disk goes to another thread.
 */

import { closeSync, fsync, open, statSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { syncPath } from '../sync-path.ts';

/** Opens a file that may be new; gives its number, which `closeSync` takes. */
export const openFile = promisify(open);
/** Makes an open file durable. */
export const syncFile = promisify(fsync);

/** A file that is there whole or not at all, also after a power cut. */
export async function writeDurably(path: string, content: string): Promise<void> {
  const unfinished = `${path}.tmp`;
  const file = await openFile(unfinished, 'w');
  try {
    writeFileSync(file, content);
    await syncFile(file);
  } finally {
    closeSync(file);
  }
  await rename(unfinished, path);
  await syncPath(dirname(path));
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
  await syncPath(dirname(path));
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
export function inodeOf(path: string): bigint | undefined {
  try {
    return statSync(path, { bigint: true }).ino;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Whether a call failed because a file, or a folder above it, is not there. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
