/**
 * One blob's file: written into the page cache slice by slice, hashed on the way, made durable by `settle`.
 *
 * The writes are synchronous: a slice takes some 50 µs, less than handing it to another thread and back. The file
 * stays open until the entry is done, so its bytes can be read whatever becomes of its name. When the disk refuses a
 * write, what follows is kept in memory, up to one image, and `settle` tries the disk again.
 */

import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { crc32c } from '@node-rs/crc32';
import type { SpooledBlob } from '../../domain/answer.ts';
import type { BlobSink } from '../../ports/spool.ts';
import { inodeOf } from './durable.ts';

/** One image of the largest size; more than that is not kept without a disk. */
const MEMORY_MAX = 32 << 20;
const COPY_SLICE = 1 << 20;

export type Blob = BlobSink & {
  /** Makes the bytes durable under `path`, wherever they lie now. The folder's names are the caller's to sync. */
  settle(path: string): Promise<void>;
  /** Closes the file. Safe to call twice. */
  release(): void;
};

/** A blob that is written to `path`, which is taken over when it exists. */
export function createBlob(path: string): Blob {
  const sha256 = createHash('sha256');
  let crc = 0;
  let bytes = 0;
  let fd: number | undefined;
  let inFile = 0;
  let inMemory: Buffer[] = [];
  let described: SpooledBlob | undefined;
  try {
    fd = openSync(path, 'w+');
  } catch {
    // What cannot be opened now may be written by `settle`, which reports it if not.
  }

  function keep(chunk: Buffer): void {
    if (bytes - inFile + chunk.length > MEMORY_MAX) throw new Error('the spool takes no more bytes');
    inMemory.push(Buffer.from(chunk));
  }

  /** Appends to the file as much as the disk takes; `false` when that is not all. */
  function append(chunk: Buffer): boolean {
    if (fd === undefined) return false;
    try {
      for (let done = 0; done < chunk.length; ) {
        const written = writeSync(fd, chunk, done, chunk.length - done, inFile);
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

  /** Writes everything to a new file that then takes the name. */
  async function rewrite(target: string): Promise<void> {
    const handle = await open(`${target}.tmp`, 'w');
    try {
      for (const slice of slices()) await handle.write(slice);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(`${target}.tmp`, target);
  }

  function* slices(): Generator<Buffer> {
    const slice = Buffer.allocUnsafe(Math.min(COPY_SLICE, inFile));
    const from = fd ?? -1; // nothing is in a file that could not be opened
    for (let at = 0; at < inFile; ) {
      const read = readSync(from, slice, 0, Math.min(slice.length, inFile - at), at);
      if (read === 0) throw new Error('a file of the spool was cut');
      at += read;
      yield slice.subarray(0, read);
    }
    yield* inMemory;
  }

  return {
    write(chunk) {
      sha256.update(chunk);
      crc = crc32c(chunk, crc);
      const before = inFile;
      if (inMemory.length > 0) keep(chunk);
      else if (!append(chunk)) keep(chunk.subarray(inFile - before));
      bytes += chunk.length;
    },
    async close() {
      described ??= { path, bytes, sha256: sha256.digest('hex'), crc32c: crc };
      return described;
    },
    async settle(target) {
      const inPlace =
        fd !== undefined && drainMemory() && (await inodeOf(target)) === fstatSync(fd, { bigint: true }).ino;
      if (inPlace) await syncFile(target);
      else await rewrite(target);
    },
    release() {
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
      inMemory = [];
    },
  };
}

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
