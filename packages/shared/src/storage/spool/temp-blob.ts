import { createHash } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { crc32c } from '@node-rs/crc32';
import type { BlobSink } from '../../ports/spool.ts';

/**
 * A blob in a file that need not outlive this process: what it was decoded from is at rest already.
 *
 * @throws what the disk refuses, from `write`
 */
export function createTempBlob(path: string): BlobSink {
  const file = openSync(path, 'w');
  const sha256 = createHash('sha256');
  let crc = 0;
  let bytes = 0;
  return {
    write: (chunk) => {
      for (let done = 0; done < chunk.length; ) done += writeSync(file, chunk, done);
      sha256.update(chunk);
      crc = crc32c(chunk, crc);
      bytes += chunk.length;
    },
    close: async () => {
      closeSync(file);
      return { path, bytes, sha256: sha256.digest('hex'), crc32c: crc };
    },
  };
}
