/**
 * The spool in a folder: flat files, one folder per running process, so that what a dead process left behind can be
 * taken over whole.
 *
 *     root/<owner>~<random>/owner.json         who the owner is; touched every few seconds
 *                           <attempt>.intent   a paid call is about to leave, or has left
 *                           <attempt>.<n>.blob the decoded bytes of field n
 *                           <attempt>.answer   the call's end, durable with all its blobs
 *                           <other owner>/…    taken over from a dead process
 */

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { AttemptRef } from '../../domain/job.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Spool } from '../../ports/spool.ts';
import { isMissing, namesIn } from './durable.ts';
import { createEntry, unavailable, writeIntent } from './entry.ts';
import { createHome } from './home.ts';
import { thisOwner } from './owner.ts';
import { entriesTaken, foldersIn, takeOver } from './recovery.ts';

export type FolderSpoolOptions = {
  /** Absolute path; made when missing. All processes that may take over from one another share it. */
  root: string;
  /** Names this process for people: `[A-Za-z0-9_-]`, at most 64. Need not be unique. */
  owner: string;
  clock: Clock;
};

/**
 * A spool on the local disk. The disk is not touched before the first call; disposing stops the heartbeat and removes
 * the own folder when it is empty.
 *
 * `intend` and `commit` throw AppError `storage_unavailable` when the disk refuses. A blob whose write is refused is
 * kept in memory, up to 32 MB, and written by `commit`, which keeps trying until its signal is aborted.
 * `recover` gives every entry taken over and not yet removed, also those it gave before.
 */
export function createFolderSpool(options: FolderSpoolOptions): Spool & AsyncDisposable {
  const { root, owner, clock } = options;
  if (!/^[\w-]{1,64}$/.test(owner)) throw new Error(`spool owner ${owner}: use 1 to 64 of A-Z a-z 0-9 _ -`);
  const home = createHome({ root, owner, clock });

  return {
    async intend(ref) {
      assertFileName(ref);
      try {
        const folder = await home.folder();
        await writeIntent(folder, ref);
        return createEntry({ ref, folder, home: home.folder });
      } catch (error) {
        throw unavailable('The spool disk takes no new call.', error);
      }
    },
    async recover() {
      const own = await home.folder();
      await takeOver(root, own, await thisOwner(), clock.now());
      const taken = await entriesTaken(own);
      return taken.map(({ folder, ref }) => createEntry({ ref, folder, home: async () => folder }));
    },
    async usage() {
      const own = await home.folder();
      const folders = [own, ...(await foldersIn(own)).map((name) => join(own, name))];
      const counts = await Promise.all(folders.map(usageOf));
      return counts.reduce((sum, one) => ({ entries: sum.entries + one.entries, bytes: sum.bytes + one.bytes }));
    },
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  };
}

async function usageOf(folder: string): Promise<{ entries: number; bytes: number }> {
  const names = await namesIn(folder);
  const sizes = await Promise.all(names.map((name) => sizeOf(join(folder, name))));
  return {
    entries: names.filter((name) => name.endsWith('.intent')).length,
    bytes: sizes.reduce((sum, size) => sum + size, 0),
  };
}

async function sizeOf(path: string): Promise<number> {
  try {
    const found = await stat(path);
    return found.isFile() ? found.size : 0;
  } catch (error) {
    if (isMissing(error)) return 0; // removed since the folder was read
    throw error;
  }
}

/** Attempt ids become file names. */
function assertFileName({ attempt }: AttemptRef): void {
  if (!/^[\w-]{1,128}$/.test(attempt)) throw new Error(`attempt id ${attempt} cannot name a file`);
}
