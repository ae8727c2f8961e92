/**
 * One attempt's intent and its files: `<attempt>.<n>.blob`, `<attempt>.answer`.
 *
 * The intent makes the entry: it is written first and removed first, so a crash in between leaves files that belong
 * to nothing and are swept up. An answer is written only after its blobs are durable.
 *
 * Custody of an answer in flight may double but never vanishes: if the folder was taken away meanwhile, `commit`
 * writes intent, blobs and answer anew from the files it still holds open. The ledger tells the two copies apart.
 */

import { readdirSync } from 'node:fs';
import { readFile, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Answer } from '../../domain/answer.ts';
import { AppError } from '../../domain/errors.ts';
import type { SpoolEntry } from '../../ports/spool.ts';
import { type Blob, createBlob } from './blob.ts';
import { isMissing, writeDurably } from './durable.ts';
import type { Place } from './home.ts';
import { type Intended, type Intent, isCallPlace, isRef } from './intents.ts';

const FIRST_PAUSE_MS = 100;
const PAUSE_MS_MAX = 2_000;

export type EntryOptions = Intended & {
  /** Where the files lie now. */
  folder: string;
  /** Written already. */
  intent: Intent;
  /** Where this process's files belong: another folder once this one was taken away. */
  home: () => Promise<Place>;
};

/** An entry whose intent is written already. */
export function createEntry({ ref, home, ...first }: EntryOptions): SpoolEntry {
  let { folder, intent, place } = first;
  const blobs = new Map<number, Blob>();
  const blobPath = (index: number) => join(folder, blobName(ref.attempt, index));
  const answerPath = () => join(folder, `${ref.attempt}.answer`);

  async function writeAll(answer: Answer): Promise<void> {
    for (let moves = 0; ; moves++) {
      const own = await home();
      if (own.folder === folder && moves > 0) return;
      if (moves > 3) throw new Error('the spool folder keeps being taken away');
      if (own.folder !== folder) {
        intent = await own.intents.write({ ref, ...(place && { place }) });
        folder = own.folder;
      }
      for (const [index, blob] of blobs) await blob.settle(blobPath(index));
      answer.blobs.forEach((blob, index) => {
        blob.path = blobPath(index);
      });
      await writeDurably(answerPath(), JSON.stringify({ ref, ...(place && { place }), answer } satisfies Written));
    }
  }

  /** Tries until the disk takes it: what is lost here was paid for. */
  async function insist(answer: Answer, signal: AbortSignal | undefined): Promise<void> {
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, PAUSE_MS_MAX)) {
      try {
        return await writeAll(answer);
      } catch (error) {
        if (error instanceof AppError) throw error; // no disk can mend it
        if (signal?.aborted) throw unavailable('The answer could not be kept on the spool disk.', error);
        await delay(pause, undefined, { ...(signal && { signal }) }).catch(() => undefined);
      }
    }
  }

  async function release(): Promise<void> {
    const open = [...blobs.values()];
    blobs.clear();
    await Promise.all(open.map((blob) => blob.release()));
  }

  return {
    ref,
    place: () => place,
    async moveTo(to) {
      place = to;
      await intent.moveTo(to);
    },
    blob(index) {
      const blob = createBlob(blobPath(index));
      blobs.set(index, blob);
      return blob;
    },
    async commit(answer, signal) {
      await insist(answer, signal);
      await release();
    },
    answer: async () => (await readWritten(answerPath(), blobPath))?.answer,
    async remove() {
      await release();
      await intent.clear();
      await removeFiles(folder, ref.attempt);
    },
  };
}

/** Removes what an attempt left beside its intent. */
export async function removeFiles(folder: string, attempt: string): Promise<void> {
  try {
    const names = readdirSync(folder).filter((name) => attemptOf(name) === attempt);
    // The answer first: without its blobs it is none, and blobs alone are swept up.
    for (const name of names.sort((a, b) => Number(isAnswerName(b)) - Number(isAnswerName(a)))) {
      await unlink(join(folder, name));
    }
  } catch (error) {
    // The folder was taken over, or somebody else removed the same files.
    if (!isMissing(error)) throw error;
  }
}

function blobName(attempt: string, index: number): string {
  return `${attempt}.${index}.blob`;
}

function isAnswerName(name: string): boolean {
  return name.endsWith('.answer');
}

/** The attempt that a file belongs to; `undefined` for files of no attempt. */
export function attemptOf(name: string): string | undefined {
  return /^([\w-]+)\.(?:answer|\d+\.blob)(?:\.tmp)?$/.exec(name)?.[1];
}

export function unavailable(message: string, cause: unknown): AppError {
  return new AppError('storage_unavailable', { message, retryable: true, cause });
}

/** Whose answer lies in `folder` under the attempt's name, whole, and where it came from; needs no intent, for it was paid for. */
export async function intendedBy(folder: string, attempt: string): Promise<Intended | undefined> {
  const written = await readWritten(join(folder, `${attempt}.answer`), (index) =>
    join(folder, blobName(attempt, index)),
  );
  if (written?.ref.attempt !== attempt) return undefined;
  const { ref, place } = written;
  return { ref, ...(isCallPlace(place) && { place }) };
}

/** An answer's file. */
type Written = Intended & { answer: Answer };

/** Reads what `commit` wrote, its blobs where they lie now; `undefined` unless all of it is there. */
async function readWritten(path: string, blobPath: (index: number) => string): Promise<Written | undefined> {
  try {
    const written: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (!isWritten(written)) return undefined;
    for (const [index, blob] of written.answer.blobs.entries()) {
      blob.path = blobPath(index);
      if ((await stat(blob.path)).size !== blob.bytes) return undefined;
    }
    return written;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** As far as it takes to know the file for one that `commit` wrote. */
function isWritten(value: unknown): value is Written {
  if (typeof value !== 'object' || value === null) return false;
  const { ref, answer } = value as Partial<Record<keyof Written, unknown>>;
  return (
    isRef(ref) && typeof answer === 'object' && answer !== null && 'blobs' in answer && Array.isArray(answer.blobs)
  );
}
