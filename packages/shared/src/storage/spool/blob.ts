/**
 * One blob's file: written into the page cache slice by slice, hashed on the way, made durable by `settle`.
 *
 * The writes are synchronous: a slice takes some 50 µs, less than handing it to another thread and back. Opening is
 * not, since a new name may have to wait for the file system's journal. The file stays open until the entry is done,
 * so its bytes can be read whatever becomes of its name. When the disk refuses a write, what follows is kept in
 * memory, up to one image, and `settle` tries the disk again.
 */

import { createHash } from 'node:crypto';
import { closeSync, fstatSync, read, writeFileSync, writeSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { promisify } from 'node:util';
import { crc32c } from '@node-rs/crc32';
import type { SpooledBlob } from '../../domain/answer.ts';
import { AppError } from '../../domain/errors.ts';
import type { BlobSink } from '../../ports/spool.ts';
import { inodeOf, openFile, syncFile } from './durable.ts';

/** One image of the largest size; more than that is not kept without a disk. */
const MEMORY_MAX = 32 << 20;
const COPY_SLICE = 1 << 20;

const readFile = promisify(read);

export type Blob = BlobSink & {
  /** Makes the bytes durable under `path`, wherever they lie now. The folder's names are the caller's to sync. */
  settle(path: string): Promise<void>;
  /** Closes the file. Safe to call twice. */
  release(): Promise<void>;
};

/** A blob that is written to `path`, which is taken over when it exists. */
export function createBlob(path: string): Blob {
  const sha256 = createHash('sha256');
  let crc = 0;
  let bytes = 0;
  let inFile = 0;
  let inMemory: Buffer[] = [];
  let file: number | undefined;
  let described: SpooledBlob | undefined;
  let opening: Promise<void> | undefined = begin();

  async function begin(): Promise<void> {
    try {
      file = await openFile(path, 'w+');
    } catch {
      // What cannot be opened now is kept in memory; `settle` tries again and reports.
    } finally {
      opening = undefined;
    }
  }

  function keep(chunk: Buffer): void {
    if (bytes - inFile + chunk.length > MEMORY_MAX) throw new Error('the spool takes no more bytes');
    inMemory.push(Buffer.from(chunk));
  }

  /** Appends to the file as much as the disk takes; `false` when that is not all. */
  function append(chunk: Buffer): boolean {
    if (file === undefined) return false;
    try {
      for (let done = 0; done < chunk.length; ) {
        const written = writeSync(file, chunk, done, chunk.length - done, inFile);
        done += written;
        inFile += written;
      }
      return true;
    } catch {
      return false;
    }
  }

  function drainMemory(): boolean {
    for (let chunk = inMemory[0]; chunk; chunk = inMemory[0]) {
      const before = inFile;
      const whole = append(chunk);
      if (!whole) {
        inMemory[0] = chunk.subarray(inFile - before);
        return false;
      }
      inMemory.shift();
    }
    return true;
  }

  function take(chunk: Buffer): void {
    sha256.update(chunk);
    crc = crc32c(chunk, crc);
    const before = inFile;
    if (inMemory.length > 0) keep(chunk);
    else if (!append(chunk)) keep(chunk.subarray(inFile - before));
    bytes += chunk.length;
  }

  /** The bytes lie whole in the open file, and the file has the name. */
  function isInPlace(open: number, target: string): boolean {
    return drainMemory() && inodeOf(target) === fstatSync(open, { bigint: true }).ino;
  }

  /** Writes everything to a new file that then takes the name. */
  async function rewrite(target: string): Promise<void> {
    const copy = await openFile(`${target}.tmp`, 'w');
    try {
      for await (const slice of slices()) writeFileSync(copy, slice);
      await syncFile(copy);
    } finally {
      closeSync(copy);
    }
    await rename(`${target}.tmp`, target);
  }

  async function* slices(): AsyncGenerator<Buffer> {
    if (file !== undefined) yield* slicesOf(file, inFile);
    yield* inMemory;
  }

  return {
    write: (chunk) => (opening ? opening.then(() => take(chunk)) : take(chunk)),
    async close() {
      await opening;
      described ??= { path, bytes, sha256: sha256.digest('hex'), crc32c: crc };
      return described;
    },
    async settle(target) {
      await opening;
      if (file !== undefined && isInPlace(file, target)) await syncFile(file);
      else await rewrite(target);
    },
    async release() {
      await opening;
      if (file !== undefined) closeSync(file);
      file = undefined;
      inMemory = [];
    },
  };
}

async function* slicesOf(file: number, length: number): AsyncGenerator<Buffer> {
  const slice = Buffer.allocUnsafe(Math.min(COPY_SLICE, length));
  for (let at = 0; at < length; ) {
    const { bytesRead } = await readFile(file, slice, 0, Math.min(slice.length, length - at), at);
    if (bytesRead === 0) throw new AppError('storage_unavailable', { message: 'A file of the spool was cut.' });
    at += bytesRead;
    yield slice.subarray(0, bytesRead);
  }
}
