/**
 * Where a folder store keeps things, and how they become durable.
 *
 *   ROOT/objects/KEY       the bytes, under a name a person can read
 *   ROOT/info/KEY@.json    content type, checksum, custom fields (`@` is in no key, so no two names meet)
 *   ROOT/tmp/…             files being written
 *
 * A file is written under `tmp`, fsynced, and only then given its name by `link()`, which fails when the name is taken.
 * So a name appears once, whole, and for one writer only. A folder is fsynced after each new name in it.
 */

import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { link, mkdir, open, readdir, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { errorCode } from './disk-errors.ts';

const MOST_KNOWN_FOLDERS = 10_000;
const ABANDONED_MS = 24 * 60 * 60 * 1000;

export type Layout = {
  objectPath(key: string): string;
  infoPath(key: string): string;
  temporaryPath(): string;
  /** Makes the folders; the root on first use only. A root that vanishes later is an outage: never made again, it may be an unmounted disk. */
  prepare(): Promise<void>;
  /** Whether the root is there. */
  present(): Promise<boolean>;
  /** Gives `from` a second name, durably. @returns false when the name is taken */
  claim(from: string, to: string): Promise<boolean>;
  /** Takes a name away, and the folder it leaves empty. */
  release(path: string): Promise<void>;
  /** Looks at folders anew: somebody may have removed one we knew. */
  forget(): void;
};

/** The layout under `root` (absolute). Building it touches no disk. */
export function createLayout(root: string): Layout {
  const objects = join(root, 'objects');
  const info = join(root, 'info');
  const temporary = join(root, 'tmp');
  const durable = new Set<string>();
  let rooted: Promise<void> | undefined;

  /** Makes one folder below the root, its parents first, each durable before anything is named in it. */
  const makeFolder = async (folder: string): Promise<void> => {
    if (durable.has(folder)) return;
    if (dirname(folder) !== root) await makeFolder(dirname(folder));
    await mkdir(folder).catch(ignore('EEXIST'));
    await syncFolder(dirname(folder));
    if (durable.size >= MOST_KNOWN_FOLDERS) durable.clear();
    durable.add(folder);
  };

  const claim = async (from: string, to: string): Promise<boolean> => {
    await makeFolder(dirname(to));
    try {
      await link(from, to);
    } catch (error) {
      if (errorCode(error) === 'EEXIST') return false;
      throw error;
    }
    await syncFolder(dirname(to));
    return true;
  };

  const prepare = async (): Promise<void> => {
    rooted ??= makeRoot(root, temporary).catch((error: unknown) => {
      rooted = undefined;
      throw error;
    });
    await rooted;
    for (const folder of [objects, info, temporary]) await makeFolder(folder);
  };

  const release = async (path: string): Promise<void> => {
    await unlink(path).catch(ignore('ENOENT'));
    const folder = dirname(path);
    // A job has a folder of its own: without this, retention would leave a million empty ones.
    if (folder !== objects && folder !== info) await rmdir(folder).catch(() => undefined);
  };

  return {
    objectPath: (key) => inside(objects, key),
    infoPath: (key) => inside(info, `${key}@.json`),
    temporaryPath: () => join(temporary, randomUUID()),
    prepare,
    claim,
    release,
    forget: () => durable.clear(),
    present: async () => (await stat(objects).catch(() => undefined))?.isDirectory() ?? false,
  };
}

async function makeRoot(root: string, temporary: string): Promise<void> {
  await mkdir(root, { recursive: true });
  await removeAbandoned(temporary).catch(ignore('ENOENT'));
}

function inside(base: string, name: string): string {
  const path = resolve(base, name);
  if (!path.startsWith(base + sep)) throw new TypeError(`${name} leaves the folder of the store`);
  return path;
}

/** Makes what is written in a file durable. */
export async function syncFile(path: string): Promise<void> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Swallows the one error that is an answer. */
export function ignore(code: string): (error: unknown) => undefined {
  return (error) => {
    if (errorCode(error) !== code) throw error;
  };
}

// A process that was killed leaves its unnamed files behind. A day is far beyond any write still under way.
async function removeAbandoned(temporary: string): Promise<void> {
  for (const name of await readdir(temporary)) {
    const path = join(temporary, name);
    const { mtimeMs } = await stat(path);
    if (mtimeMs < Date.now() - ABANDONED_MS) await unlink(path);
  }
}
