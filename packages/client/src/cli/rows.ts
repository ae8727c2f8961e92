/** A file of rows that is read more than once: for the check, for the submission, and again after a cut. */

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { BatchInput } from '../client.ts';
import { EXIT, Exit } from './exit.ts';

export type Rows = {
  /** @throws Exit when the file cannot be read, or is another than at first */
  read<T>(use: (input: BatchInput) => Promise<T>): Promise<T>;
};

/** @throws Exit when it is no file */
export async function openRows(file: string): Promise<Rows> {
  const first = await look(file);
  const type = /\.(jsonl|ndjson)$/i.test(file) ? 'application/x-ndjson' : 'text/csv';
  return {
    read: async (use) => {
      if ((await look(file)) !== first)
        throw new Exit(EXIT.invalid, `${file} has changed since it was checked. Run the command again.`);
      const source = createReadStream(file);
      let broken: Error | undefined;
      source.once('error', (error) => {
        broken = error;
      });
      try {
        return await use({ type, body: Readable.toWeb(source) as ReadableStream<Uint8Array> });
      } catch (error) {
        // The call fails as if the way there were cut; the fault is at this end.
        if (broken) throw new Exit(EXIT.invalid, `${file} cannot be read: ${broken.message}`);
        throw error;
      } finally {
        source.destroy();
      }
    },
  };
}

async function look(file: string): Promise<string> {
  const { size, mtimeMs, ...kind } = await stat(file).then((found) => ({
    size: found.size,
    mtimeMs: found.mtimeMs,
    isFile: found.isFile(),
  }));
  if (!kind.isFile) throw new Exit(EXIT.invalid, `${file} is no file: give a CSV or JSON lines file.`);
  return `${size} ${mtimeMs}`;
}
