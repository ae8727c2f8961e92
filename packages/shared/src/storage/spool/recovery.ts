/**
 * What dead owners left behind.
 *
 * A folder is abandoned when its owner, a process of this host, is gone; or when its owner, elsewhere or unknown, has
 * given no heartbeat for a minute. It is taken over by renaming it into the own folder: a rename has one winner.
 */

import { readdir, readFile, rename, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { EpochMs } from '../../domain/job.ts';
import { isMissing, namesIn } from './durable.ts';
import { attemptOf, intendedBy, removeFiles } from './entry.ts';
import { removeIfEmpty } from './home.ts';
import { type Intended, type Intent, readIntents } from './intents.ts';
import { isRunning, OWNER_FILE, type Owner, parseOwner } from './owner.ts';

const SILENCE_MS = 60_000;

/** Moves every abandoned folder of `root` into `home`. */
export async function takeOver(root: string, home: string, me: Owner, now: EpochMs): Promise<void> {
  for (const name of await foldersIn(root)) {
    const path = join(root, name);
    if (path === home || !(await isAbandoned(path, me, now))) continue;
    const taken = join(home, name);
    if (await moved(path, taken)) await flatten(taken, home);
  }
}

type EntryTaken = Intended & { folder: string; intent: Intent };

const NO_INTENT: Intent = { clear: async () => undefined, moveTo: async () => undefined };

/**
 * The entries of the folders in `home` that were taken over: what is intended, and what is answered, for a paid answer
 * must not hang on another file. All else is removed.
 */
export async function entriesTaken(home: string): Promise<EntryTaken[]> {
  const entries: EntryTaken[] = [];
  for (const name of await foldersIn(home)) {
    const folder = join(home, name);
    const intents = await readIntents(folder);
    entries.push(...intents.map((intent) => ({ ...intendedIn(intent), folder, intent })));
    const others = new Set((await namesIn(folder)).map(attemptOf));
    for (const { ref } of intents) others.delete(ref.attempt);
    for (const attempt of others) {
      if (attempt === undefined) continue;
      const intended = await intendedBy(folder, attempt);
      if (intended) entries.push({ ...intended, folder, intent: NO_INTENT });
      else await removeFiles(folder, attempt);
    }
    await removeIfEmpty(folder);
  }
  return entries;
}

function intendedIn({ ref, place }: Intended): Intended {
  return { ref, ...(place && { place }) };
}

/** Names of the folders in `path`. */
async function foldersIn(path: string): Promise<string[]> {
  const found = await readdir(path, { withFileTypes: true });
  return found.filter((item) => item.isDirectory()).map(({ name }) => name);
}

async function isAbandoned(folder: string, me: Owner, now: EpochMs): Promise<boolean> {
  try {
    const owner = await ownerOf(folder);
    if (owner?.host === me.host) return !(await isRunning(owner));
    return now - (await lastSign(folder)) > SILENCE_MS;
  } catch (error) {
    if (isMissing(error)) return false; // taken over by another, this very moment
    throw error;
  }
}

async function ownerOf(folder: string): Promise<Owner | undefined> {
  try {
    return parseOwner(await readFile(join(folder, OWNER_FILE), 'utf8'));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** When the owner was last heard of: its heartbeat, or the folder's last change where none was ever given. */
async function lastSign(folder: string): Promise<EpochMs> {
  try {
    return (await stat(join(folder, OWNER_FILE))).mtimeMs;
  } catch (error) {
    if (isMissing(error)) return (await stat(folder)).mtimeMs;
    throw error;
  }
}

/** What the dead owner had itself taken over moves up, so folders never nest deeper with each death. */
async function flatten(folder: string, home: string): Promise<void> {
  for (const name of await foldersIn(folder)) {
    const inner = join(folder, name);
    await flatten(inner, home);
    await moved(inner, join(home, basename(inner)));
  }
}

async function moved(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
