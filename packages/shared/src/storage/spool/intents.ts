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
import type { Place } from '../../domain/channel.ts';
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
  /** Names another place, without a sync: a dead process is outlived by that, and a power cut ends what was held there. */
  moveTo(place: Place): Promise<void>;
};

/** What an intent says: which attempt, and where its call is to be made. Those written before places were named have none. */
export type Intended = { ref: AttemptRef; place?: Place };

export type Intents = {
  /** Records durably that the attempt is about to call. */
  write(intended: Intended): Promise<Intent>;
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
    async write(intended) {
      const content = toPlace(intended);
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
      const moveTo = async (to: Place) => {
        if (taken && !closed) put(file, place, toPlace({ ref: intended.ref, place: to }));
      };
      return { clear, moveTo };
    },
    count: () => places - free.length,
    async close() {
      closed = true;
      await file.close();
    },
  };
}

/** The intents in a folder; what was never written whole is none: its call never left. */
export async function readIntents(folder: string): Promise<(Intent & Intended)[]> {
  const path = join(folder, INTENTS_FILE);
  const content = await readFile(path).catch((error: unknown) => {
    if (isMissing(error)) return Buffer.alloc(0);
    throw error;
  });
  const places = Array.from({ length: Math.ceil(content.length / PLACE_BYTES) }, (_, place) => place);
  return places.flatMap((place) => {
    const intended = fromPlace(content.subarray(place * PLACE_BYTES, (place + 1) * PLACE_BYTES));
    if (!intended) return [];
    const clear = () => overwrite(path, place, BLANK);
    const moveTo = (to: Place) => overwrite(path, place, toPlace({ ref: intended.ref, place: to }));
    return [{ ...intended, clear, moveTo }];
  });
}

async function overwrite(path: string, place: number, content: Buffer): Promise<void> {
  try {
    await using file = await open(path, 'r+');
    put(file, place, content);
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

function toPlace({ ref, place }: Intended): Buffer {
  const { tenant, job, attempt } = ref;
  const whole = Buffer.from(JSON.stringify({ tenant, job, attempt, ...(place && bare(place)) }));
  // The ids alone must fit; where the call goes is worth less than the call.
  const content = whole.length > PLACE_BYTES ? Buffer.from(JSON.stringify({ tenant, job, attempt })) : whole;
  if (content.length > PLACE_BYTES) throw new Error(`the ids of attempt ${attempt} are too long for an intent`);
  return Buffer.concat([content, BLANK.subarray(content.length)]);
}

function fromPlace(content: Buffer): Intended | undefined {
  try {
    const value: unknown = JSON.parse(content.toString('utf8'));
    if (!isRef(value)) return undefined;
    const { tenant, job, attempt } = value;
    return { ref: { tenant, job, attempt }, ...(isCallPlace(value) && { place: bare(value) }) };
  } catch {
    return undefined;
  }
}

function bare({ channel, model }: Place): Place {
  return { channel, model };
}

/** Whether it says where a call is made. */
export function isCallPlace(value: unknown): value is Place {
  if (typeof value !== 'object' || value === null) return false;
  const { channel, model } = value as Partial<Record<keyof Place, unknown>>;
  return typeof channel === 'string' && typeof model === 'string';
}

/** Whether it names an attempt. */
export function isRef(value: unknown): value is AttemptRef {
  if (typeof value !== 'object' || value === null) return false;
  const { tenant, job, attempt } = value as Partial<Record<keyof AttemptRef, unknown>>;
  return [tenant, job, attempt].every((part) => typeof part === 'string');
}
