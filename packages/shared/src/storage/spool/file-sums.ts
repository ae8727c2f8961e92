/**
 * SHA-256 of files while they are written, by a thread of its own.
 *
 * Of all that happens to a large file on its way, this sum takes the most time, as much as everything else together. The
 * thread reads what is written already, from the page cache: so nothing is handed over but names and lengths, and a thread
 * that is behind costs no memory.
 */

import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Answered, Asked } from './file-sums-program.ts';

/** Telling the thread takes longer than summing so little. */
const SMALL_BYTES = 256 << 10;
/** What is told of at once. */
const STEP_BYTES = 4 << 20;
// Compiled, it lies beside this file under another ending.
const PROGRAM = new URL(`./file-sums-program${extname(import.meta.url)}`, import.meta.url);

export type FileSums = AsyncDisposable & {
  /** Begins the sum of a file that is about to be written. */
  begin(path: string): FileSum;
};

type FileSum = {
  /** So many bytes are in the file by now, counted from its beginning. */
  written(bytes: number): void;
  /** The sum of the first `bytes`, all written, in lower-case hex. To be called once, or never. */
  end(bytes: number): Promise<string>;
};

/** Starts the thread with the first large file. Once it has ended, by disposal or by itself, the sums of such files fail. */
export function createFileSums(): FileSums {
  const waiting: PromiseWithResolvers<string>[] = [];
  let thread: Worker | undefined;
  let ended: Error | undefined;
  let files = 0;

  function start(): Worker {
    const worker = new Worker(PROGRAM);
    worker.on('message', ({ sum, error }: Answered) => {
      // Answers come in the order of the questions.
      const waiter = waiting.shift();
      if (error) waiter?.reject(error);
      else waiter?.resolve(sum);
    });
    worker.on('error', fail);
    worker.on('exit', () => fail(new Error('the thread that takes sums has ended')));
    return worker;
  }

  function fail(error: Error): void {
    ended ??= error;
    for (const waiter of waiting.splice(0)) waiter.reject(ended);
  }

  function tell(asked: Asked): void {
    thread ??= start();
    thread.postMessage(asked, []);
  }

  return {
    begin: (path) => {
      const file = files++;
      let told = 0;
      return {
        written(bytes) {
          if (ended || bytes < told + STEP_BYTES) return;
          told = bytes;
          tell({ file, path, bytes, last: false });
        },
        async end(bytes) {
          if (bytes <= SMALL_BYTES) return hash('sha256', await readFile(path));
          if (ended) throw ended;
          const waiter = Promise.withResolvers<string>();
          waiting.push(waiter);
          tell({ file, path, bytes, last: true });
          return waiter.promise;
        },
      };
    },
    [Symbol.asyncDispose]: async () => {
      await thread?.terminate();
    },
  };
}
