/**
 * This process's own folder under the spool's root.
 *
 * Its name is never used twice, so a folder that was judged abandoned can never turn out to be a living one of the
 * same name. It appears with its owner file inside. If it vanishes, because another host took a long silence for
 * death, the next call of `folder` makes a new one.
 */

import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rmdir, unlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../ports/clock.ts';
import { createFolderWhole, inodeOf, isMissing, writeDurably } from './durable.ts';
import { OWNER_FILE, thisOwner } from './owner.ts';

const HEARTBEAT_MS = 5_000;

export type Home = AsyncDisposable & {
  /** The folder's path; it exists and is ours. */
  folder: () => Promise<string>;
};

/** Nothing is touched before the first `folder()`. Disposing stops the heartbeat and removes the folder if it is empty. */
export function createHome(options: { root: string; owner: string; clock: Clock }): Home {
  const { root, owner, clock } = options;
  let current: string | undefined;
  let opening: Promise<string> | undefined;
  let heartbeat: NodeJS.Timeout | undefined;

  async function open(): Promise<string> {
    await mkdir(root, { recursive: true });
    const path = join(root, `${owner}~${randomBytes(6).toString('hex')}`);
    const content = JSON.stringify(await thisOwner());
    await createFolderWhole(path, (unfinished) => writeDurably(join(unfinished, OWNER_FILE), content));
    current = path;
    heartbeat ??= setInterval(() => void beat(), HEARTBEAT_MS).unref();
    await beat();
    return path;
  }

  async function beat(): Promise<void> {
    const at = clock.now() / 1_000;
    // A folder that is gone is made anew by whoever needs it next.
    if (current) await utimes(join(current, OWNER_FILE), at, at).catch(() => undefined);
  }

  async function folder(): Promise<string> {
    const seen = current;
    if (seen && (await inodeOf(join(seen, OWNER_FILE))) !== undefined) return seen;
    if (seen !== current) return folder();
    opening ??= open().finally(() => {
      opening = undefined;
    });
    return opening;
  }

  return {
    folder,
    async [Symbol.asyncDispose]() {
      clearInterval(heartbeat);
      if (current) await removeIfEmpty(current);
    },
  };
}

/** Removes an owner's folder that holds nothing but the owner file. */
export async function removeIfEmpty(folder: string): Promise<void> {
  try {
    if ((await readdir(folder)).some((name) => name !== OWNER_FILE)) return;
    await unlink(join(folder, OWNER_FILE));
    await rmdir(folder);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}
