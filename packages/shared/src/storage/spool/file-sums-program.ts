/** What runs in the thread of `createFileSums`: answers the last question about each file, in the order of these questions. */

import { createHash, type Hash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';

/** The first `bytes` of a file are written; with `last`, they are all there is. */
export type Asked = { file: number; path: string; bytes: number; last: boolean };
export type Answered = { sum: string; error?: undefined } | { sum?: undefined; error: Error };

type Open = { fd: number; sum: Hash; done: number };

const files = new Map<number, Open>();
const slice = Buffer.allocUnsafeSlow(1 << 20);

function take({ file, path, bytes }: Asked): Open {
  const open = files.get(file) ?? { fd: openSync(path, 'r'), sum: createHash('sha256'), done: 0 };
  files.set(file, open);
  while (open.done < bytes) {
    const read = readSync(open.fd, slice, 0, Math.min(slice.length, bytes - open.done), open.done);
    if (read === 0) throw new Error(`${path} has fewer than ${bytes} bytes`);
    open.sum.update(slice.subarray(0, read));
    open.done += read;
  }
  return open;
}

function answer(asked: Asked): Answered {
  try {
    const { fd, sum } = take(asked);
    files.delete(asked.file);
    closeSync(fd);
    return { sum: sum.digest('hex') };
  } catch (error) {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }
}

parentPort?.on('message', (asked: Asked) => {
  if (asked.last) parentPort?.postMessage(answer(asked), []);
  // A file that breaks off is nobody's any more; one that goes on is read from where this ended.
  else ignoreFailure(() => take(asked));
});

function ignoreFailure(act: () => unknown): void {
  try {
    act();
  } catch {
    // Whoever asks for the whole sum hears of it.
  }
}
