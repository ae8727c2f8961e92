import { closeSync, openSync, writeSync } from 'node:fs';
import { crc32c } from '@node-rs/crc32';

export type RawFile = { path: string; bytes: number; crc32c: number };

/**
 * Writes a body as it comes. CRC32C is what an object store checks it by; it costs a thirtieth of a SHA-256, which would
 * take as long as all else that is done with results.
 *
 * The writes are synchronous: from the socket to the page cache a slice takes less than handing it to another thread.
 *
 * @throws what the body or the disk throws
 */
export async function writeRawFile(path: string, body: AsyncIterable<Buffer>): Promise<RawFile> {
  const file = openSync(path, 'w');
  let crc = 0;
  let bytes = 0;
  try {
    for await (const chunk of body) {
      for (let done = 0; done < chunk.length; ) done += writeSync(file, chunk, done);
      crc = crc32c(chunk, crc);
      bytes += chunk.length;
    }
  } finally {
    closeSync(file);
  }
  return { path, bytes, crc32c: crc };
}
