import { closeSync, openSync, writeSync } from 'node:fs';
import { crc32c } from '@node-rs/crc32';
import type { BlobSink } from '../../ports/spool.ts';
import type { FileSums } from './file-sums.ts';

/**
 * A blob in a file that need not outlive this process: what it was decoded from is at rest already.
 *
 * @throws what the disk refuses, from `write`
 */
export function createTempBlob(path: string, sums: FileSums): BlobSink {
  const file = openSync(path, 'w');
  const sha256 = sums.begin(path);
  let crc = 0;
  let bytes = 0;
  return {
    write: (chunk) => {
      for (let done = 0; done < chunk.length; ) done += writeSync(file, chunk, done);
      crc = crc32c(chunk, crc);
      bytes += chunk.length;
      sha256.written(bytes);
    },
    close: async () => {
      closeSync(file);
      return { path, bytes, sha256: await sha256.end(bytes), crc32c: crc };
    },
  };
}
