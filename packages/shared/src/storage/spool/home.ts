/**
 * This process's own folder under the spool's root.
 *
 * Its name is never used twice, so a folder that was judged abandoned can never turn out to be a living one of the
 * same name. It appears with its owner file and a place for intents inside. If it vanishes, because another host took a
 * long silence for death, the next call of `current` makes a new one.
 */

import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rmdir, unlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../ports/clock.ts';
import { createFolderWhole, inodeOf, isMissing, writeDurably } from './durable.ts';
import { INTENTS_FILE, type Intents, layOutIntents, openIntents, readIntents } from './intents.ts';
import { OWNER_FILE, thisOwner } from './owner.ts';

const HEARTBEAT_MS = 5_000;

/** A folder that is ours, and what lies in it. */
export type Place = { folder: string; intents: Intents };

export type Home = AsyncDisposable & {
  /** The folder; it exists and is ours. */
  current: () => Promise<Place>;
};

/** Nothing is touched before the first `current()`. Disposing stops the heartbeat and removes the folder if it is empty. */
export function createHome(options: { root: string; owner: string; clock: Clock }): Home {
  const { root, owner, clock } = options;
  let place: Place | undefined;
  let opening: Promise<Place> | undefined;
  let heartbeat: NodeJS.Timeout | undefined;
  const opened: Intents[] = [];

  async function open(): Promise<Place> {
    await mkdir(root, { recursive: true });
    const path = join(root, `${owner}~${randomBytes(6).toString('hex')}`);
    const content = JSON.stringify(await thisOwner());
    await createFolderWhole(path, async (unfinished) => {
      await layOutIntents(unfinished);
      await writeDurably(join(unfinished, OWNER_FILE), content);
    });
    // The one before stays open for the intents of attempts still under way: its file is there, whatever its name.
    place = { folder: path, intents: await openIntents(path) };
    opened.push(place.intents);
    heartbeat ??= setInterval(() => void beat(), HEARTBEAT_MS).unref();
    await beat();
    return place;
  }

  async function beat(): Promise<void> {
    const at = clock.now() / 1_000;
    // A folder that is gone is made anew by whoever needs it next.
    if (place) await utimes(join(place.folder, OWNER_FILE), at, at).catch(() => undefined);
  }

  async function current(): Promise<Place> {
    const seen = place;
    if (seen && inodeOf(join(seen.folder, OWNER_FILE)) !== undefined) return seen;
    if (seen !== place) return current();
    opening ??= open().finally(() => {
      opening = undefined;
    });
    return opening;
  }

  return {
    current,
    async [Symbol.asyncDispose]() {
      clearInterval(heartbeat);
      for (const intents of opened) await intents.close();
      if (place) await removeIfEmpty(place.folder);
    },
  };
}

/** Removes an owner's folder that holds no attempt's file and no intent. */
export async function removeIfEmpty(folder: string): Promise<void> {
  try {
    const names = await readdir(folder);
    if (names.some((name) => name !== OWNER_FILE && name !== INTENTS_FILE)) return;
    if ((await readIntents(folder)).length > 0) return;
    for (const name of names) await unlink(join(folder, name));
    await rmdir(folder);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}
