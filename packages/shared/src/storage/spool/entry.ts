/**
 * One attempt's intent and its files: `<attempt>.<n>.blob`, `<attempt>.answer`.
 *
 * The intent makes the entry: it is written first and removed first, so a crash in between leaves files that belong
 * to nothing and are swept up. An answer is written only after its blobs are durable.
 *
 * Custody of an answer in flight may double but never vanishes: if the folder was taken away meanwhile, `commit`
 * writes intent, blobs and answer anew from the files it still holds open. The ledger tells the two copies apart.
 */

import { readdir, readFile, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Answer } from '../../domain/answer.ts';
import { AppError } from '../../domain/errors.ts';
import type { AttemptRef } from '../../domain/job.ts';
import type { SpoolEntry } from '../../ports/spool.ts';
import { type Blob, createBlob } from './blob.ts';
import { isMissing, writeDurably } from './durable.ts';
import type { Place } from './home.ts';
import type { Intent } from './intents.ts';

const FIRST_PAUSE_MS = 100;
const PAUSE_MS_MAX = 2_000;

export type EntryOptions = {
  ref: AttemptRef;
  /** Where the files lie now. */
  folder: string;
  /** Written already. */
  intent: Intent;
  /** Where this process's files belong: another folder once this one was taken away. */
  home: () => Promise<Place>;
};

/** An entry whose intent is written already. */
export function createEntry({ ref, home, ...first }: EntryOptions): SpoolEntry {
  let { folder, intent } = first;
  const blobs = new Map<number, Blob>();
  const blobPath = (index: number) => join(folder, `${ref.attempt}.${index}.blob`);
  const answerPath = () => join(folder, `${ref.attempt}.answer`);

  async function writeAll(answer: Answer): Promise<void> {
    for (let moves = 0; ; moves++) {
      const own = await home();
      if (own.folder === folder && moves > 0) return;
      if (moves > 3) throw new Error('the spool folder keeps being taken away');
      if (own.folder !== folder) {
        intent = await own.intents.write(ref);
        folder = own.folder;
      }
      for (const [index, blob] of blobs) await blob.settle(blobPath(index));
      answer.blobs.forEach((blob, index) => {
        blob.path = blobPath(index);
      });
      await writeDurably(answerPath(), JSON.stringify(answer));
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
    blob(index) {
      const blob = createBlob(blobPath(index));
      blobs.set(index, blob);
      return blob;
    },
    async commit(answer, signal) {
      await insist(answer, signal);
      await release();
    },
    answer: () => readAnswer(answerPath(), blobPath),
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
    const names = (await readdir(folder)).filter((name) => attemptOf(name) === attempt);
    for (const name of names) await unlink(join(folder, name));
  } catch (error) {
    // The folder was taken over, or somebody else removed the same files.
    if (!isMissing(error)) throw error;
  }
}

/** The attempt that a file belongs to; `undefined` for files of no attempt. */
export function attemptOf(name: string): string | undefined {
  return /^([\w-]+)\.(?:answer|\d+\.blob)(?:\.tmp)?$/.exec(name)?.[1];
}

export function unavailable(message: string, cause: unknown): AppError {
  return new AppError('storage_unavailable', { message, retryable: true, cause });
}

/** Reads what `commit` wrote, its blobs where they lie now; `undefined` unless all of it is there. */
async function readAnswer(path: string, blobPath: (index: number) => string): Promise<Answer | undefined> {
  try {
    const answer: unknown = JSON.parse(await readFile(path, 'utf8'));
    if (!isAnswer(answer)) return undefined;
    for (const [index, blob] of answer.blobs.entries()) {
      blob.path = blobPath(index);
      if ((await stat(blob.path)).size !== blob.bytes) return undefined;
    }
    return answer;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** As far as it takes to know the file for one that `commit` wrote. */
function isAnswer(value: unknown): value is Answer {
  return (
    typeof value === 'object' &&
    value !== null &&
    'httpStatus' in value &&
    'blobs' in value &&
    Array.isArray(value.blobs)
  );
}
