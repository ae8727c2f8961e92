/**
 * The intents of one process, each in a place of its own of one file.
 *
 * The file is laid out before it is needed, so an intent changes neither its size nor a name: it is durable with the
 * block it lies in, and never waits for the file system's journal, as a file of its own would twice before each paid
 * call. A place is cleared without a sync: an intent that a power cut brings back is of an attempt that the ledger
 * knows to be over, or never knew.
 */

import { writeSync } from 'node:fs';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AttemptRef } from '../../domain/job.ts';
import { isMissing } from './durable.ts';

/** The file in an owner's folder that holds its intents. */
export const INTENTS_FILE = 'intents';

/** A sector, which a disk writes whole or not at all. */
const PLACE_BYTES = 512;
/** More than attempts are under way in most processes; the file grows by as many when all are taken. */
const PLACES = 64;
const BLANK = Buffer.alloc(PLACE_BYTES, ' ');

export type Intent = {
  /** Takes it back. Safe to call twice. */
  clear(): Promise<void>;
};

export type Intents = {
  /** Records durably that the attempt is about to call. */
  write(ref: AttemptRef): Promise<Intent>;
  /** Those not cleared. */
  count(): number;
  /** What is not cleared by then stays. */
  close(): Promise<void>;
};

/** Makes the file, empty, in a folder that appears only later. */
export async function layOutIntents(folder: string): Promise<void> {
  const file = await open(join(folder, INTENTS_FILE), 'wx');
  try {
    await grow(file, 0);
  } finally {
    await file.close();
  }
}

/** The intents of this process, which lie in `folder`. */
export async function openIntents(folder: string): Promise<Intents> {
  const file = await open(join(folder, INTENTS_FILE), 'r+');
  const free = Array.from({ length: PLACES }, (_, place) => place);
  let places = PLACES;
  let growing: Promise<void> | undefined;
  let closed = false;

  async function more(): Promise<void> {
    await grow(file, places);
    for (let n = 0; n < PLACES; n++) free.push(places++);
  }

  async function take(): Promise<number> {
    for (;;) {
      const place = free.pop();
      if (place !== undefined) return place;
      growing ??= more().finally(() => {
        growing = undefined;
      });
      await growing;
    }
  }

  return {
    async write(ref) {
      const content = toPlace(ref);
      const place = await take();
      let taken = true;
      const clear = async () => {
        if (!taken || closed) return;
        taken = false;
        put(file, place, BLANK);
        free.push(place);
      };
      try {
        put(file, place, content);
        await file.datasync();
      } catch (error) {
        await clear();
        throw error;
      }
      return { clear };
    },
    count: () => places - free.length,
    async close() {
      closed = true;
      await file.close();
    },
  };
}

/** The intents in a folder; what was never written whole is none: its call never left. */
export async function readIntents(folder: string): Promise<(Intent & { ref: AttemptRef })[]> {
  const path = join(folder, INTENTS_FILE);
  const content = await readFile(path).catch((error: unknown) => {
    if (isMissing(error)) return Buffer.alloc(0);
    throw error;
  });
  const places = Array.from({ length: Math.ceil(content.length / PLACE_BYTES) }, (_, place) => place);
  return places.flatMap((place) => {
    const ref = fromPlace(content.subarray(place * PLACE_BYTES, (place + 1) * PLACE_BYTES));
    return ref ? [{ ref, clear: () => clearPlace(path, place) }] : [];
  });
}

async function clearPlace(path: string, place: number): Promise<void> {
  try {
    await using file = await open(path, 'r+');
    put(file, place, BLANK);
  } catch (error) {
    if (!isMissing(error)) throw error; // else the folder is gone, and the intent with it
  }
}

function put(file: FileHandle, place: number, content: Buffer): void {
  const written = writeSync(file.fd, content, 0, PLACE_BYTES, place * PLACE_BYTES);
  if (written !== PLACE_BYTES) throw new Error('the disk took only a part of an intent');
}

async function grow(file: FileHandle, places: number): Promise<void> {
  for (let n = 0; n < PLACES; n++) put(file, places + n, BLANK);
  await file.sync();
}

function toPlace(ref: AttemptRef): Buffer {
  const { tenant, job, attempt } = ref;
  const content = Buffer.from(JSON.stringify({ tenant, job, attempt }));
  if (content.length > PLACE_BYTES) throw new Error(`the ids of attempt ${attempt} are too long for an intent`);
  return Buffer.concat([content, BLANK.subarray(content.length)]);
}

function fromPlace(content: Buffer): AttemptRef | undefined {
  try {
    const value: unknown = JSON.parse(content.toString('utf8'));
    return isRef(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Whether it names an attempt. */
export function isRef(value: unknown): value is AttemptRef {
  if (typeof value !== 'object' || value === null) return false;
  const { tenant, job, attempt } = value as Partial<Record<keyof AttemptRef, unknown>>;
  return [tenant, job, attempt].every((part) => typeof part === 'string');
}
