/** Where the bytes of a file come from: never whole from memory. */
import { createReadStream } from 'node:fs';
import type { Disk } from '../disk.ts';

export type Content = {
  /** The same bytes each time it is gone through. */
  bytes: AsyncIterable<Buffer>;
  /** Where they lie, when they lie on disk. */
  path?: string;
  /** They are not needed any more. */
  remove(): void;
};

const READ_BYTES = 1024 * 1024;

/** A file on the emulator's disk. */
export function onDisk(disk: Disk, path: string): Content {
  const read = () => createReadStream(path, { highWaterMark: READ_BYTES });
  return {
    path,
    bytes: { [Symbol.asyncIterator]: () => read()[Symbol.asyncIterator]() },
    remove: () => disk.remove(path),
  };
}
