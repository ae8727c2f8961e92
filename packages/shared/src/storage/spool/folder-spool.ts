/**
 * The spool in a folder: flat files, one folder per running process, so that what a dead process left behind can be
 * taken over whole.
 *
 *     root/<owner>~<random>/owner.json         who the owner is; touched every few seconds
 *                           intents            of which paid calls are about to leave, or have left
 *                           <attempt>.<n>.blob the decoded bytes of field n
 *                           <attempt>.answer   the call's end, durable with all its blobs
 *                           <other owner>/…    taken over from a dead process
 */

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { AttemptRef } from '../../domain/job.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Spool } from '../../ports/spool.ts';
import { isMissing } from './durable.ts';
import { attemptOf, createEntry, unavailable } from './entry.ts';
import { createHome } from './home.ts';
import { readIntents } from './intents.ts';
import { thisOwner } from './owner.ts';
import { entriesTaken, takeOver } from './recovery.ts';

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
    async intend(ref, place) {
      assertFileName(ref);
      try {
        const { folder, intents } = await home.current();
        const intended = { ref, ...(place && { place }) };
        return createEntry({ ...intended, folder, intent: await intents.write(intended), home: home.current });
      } catch (error) {
        throw unavailable('The spool disk takes no new call.', error);
      }
    },
    async recover() {
      const { folder: own } = await home.current();
      await takeOver(root, own, await thisOwner(), clock.now());
      return (await entriesTaken(own)).map((taken) => createEntry({ ...taken, home: home.current }));
    },
    async usage() {
      // Asked before each call: at rest a look at the folder is all it takes.
      const { folder, intents } = await home.current();
      const { bytes, folders } = contentOf(folder);
      const taken = await Promise.all(folders.map(usageOf));
      return taken.reduce(add, { entries: intents.count(), bytes });
    },
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  };
}

type Usage = { entries: number; bytes: number };

function add(a: Usage, b: Usage): Usage {
  return { entries: a.entries + b.entries, bytes: a.bytes + b.bytes };
}

async function usageOf(folder: string): Promise<Usage> {
  return { entries: (await readIntents(folder)).length, bytes: contentOf(folder).bytes };
}

/** The size of the attempts' files, and the folders that were taken over. */
function contentOf(folder: string): { bytes: number; folders: string[] } {
  const found = readdirSync(folder, { withFileTypes: true });
  const files = found.filter((item) => item.isFile() && attemptOf(item.name) !== undefined);
  const sizes = files.map(({ name }) => sizeOf(join(folder, name)));
  const folders = found.filter((item) => item.isDirectory()).map(({ name }) => join(folder, name));
  return { bytes: sizes.reduce((sum, size) => sum + size, 0), folders };
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch (error) {
    if (isMissing(error)) return 0; // removed since the folder was read
    throw error;
  }
}

/** Attempt ids become file names. */
function assertFileName({ attempt }: AttemptRef): void {
  if (!/^[\w-]{1,128}$/.test(attempt)) throw new Error(`attempt id ${attempt} cannot name a file`);
}
