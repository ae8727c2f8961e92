import { closeSync, fsync, openSync } from 'node:fs';
import { promisify } from 'node:util';

const flush = promisify(fsync);

/**
 * Makes what is written in a file of a local disk durable, or the names in a folder.
 *
 * Only the flush waits for the disk: to open what is there and to close it takes a twentieth of handing it to another
 * thread and back. Not for a disk behind a network, which may keep even that waiting.
 */
export async function syncPath(path: string): Promise<void> {
  const file = openSync(path, 'r');
  try {
    await flush(file);
  } finally {
    closeSync(file);
  }
}
