/**
 * Resumable uploads, from their start to the file they become.
 *
 * A chunk is written as it arrives, and what arrived counts even when its connection breaks: the next chunk goes on from
 * there, at the offset that a query tells. Only the final chunk makes a file.
 */
import { createHash, type Hash } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { Disk } from '../disk.ts';
import { letters } from '../ids.ts';

type Declared = {
  project: string;
  /** The chosen id, if any. */
  id: string | undefined;
  displayName: string | undefined;
  mimeType: string;
  sizeBytes: number | undefined;
};

export type Upload = Declared & {
  uploadId: string;
  path: string;
  received: number;
  status: 'active' | 'final' | 'cancelled';
  /** A chunk is being written. */
  busy: boolean;
  hash: Hash;
};

export type Uploads = {
  start(declared: Declared): Upload;
  find(uploadId: string): Upload | undefined;
  /**
   * Writes one chunk behind what was received.
   *
   * @returns false when it would be more than `bytesMax` in all; what fitted was written
   * @throws what the source throws; what came before was written
   */
  append(upload: Upload, chunk: AsyncIterable<Buffer>, bytesMax: number): Promise<boolean>;
  /** Forgets what was received. */
  cancel(upload: Upload): void;
};

/** Beyond this many the oldest are given up. */
const UPLOADS_MAX = 1_000;
const ID_LENGTH = 40;

export function createUploads(seed: string, disk: Disk): Uploads {
  const uploads = new Map<string, Upload>();
  let started = 0;

  function cancel(upload: Upload): void {
    upload.status = 'cancelled';
    disk.remove(upload.path);
  }

  function dropOldest(): void {
    const [oldest] = uploads.values();
    if (!oldest) return;
    uploads.delete(oldest.uploadId);
    if (oldest.status === 'active') cancel(oldest);
  }

  return {
    start(declared) {
      started += 1;
      const uploadId = letters(ID_LENGTH, seed, 'upload', started);
      const fresh = { path: disk.newPath(), received: 0, status: 'active', busy: false } as const;
      const upload: Upload = { ...declared, uploadId, ...fresh, hash: createHash('sha256') };
      uploads.set(uploadId, upload);
      if (uploads.size > UPLOADS_MAX) dropOldest();
      return upload;
    },
    find: (uploadId) => uploads.get(uploadId),
    append,
    cancel,
  };
}

async function append(upload: Upload, chunk: AsyncIterable<Buffer>, bytesMax: number): Promise<boolean> {
  upload.busy = true;
  const file = await open(upload.path, 'a');
  try {
    for await (const bytes of chunk) {
      if (upload.received + bytes.length > bytesMax) return false;
      await file.appendFile(bytes);
      upload.hash.update(bytes);
      upload.received += bytes.length;
    }
    return true;
  } finally {
    upload.busy = false;
    await file.close();
  }
}
