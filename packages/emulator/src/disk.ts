/** A directory of the emulator's own, made when it is first needed and gone when the emulator closes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type Disk = {
  /** A path that nobody else was given. */
  newPath(): string;
  /** Removes one file; one that is not there is as well removed. */
  remove(path: string): void;
  /** Removes everything. */
  close(): void;
};

export function createDisk(): Disk {
  let directory: string | undefined;
  let given = 0;
  return {
    newPath() {
      directory ??= mkdtempSync(join(tmpdir(), 'darkroom-emulator-'));
      given += 1;
      return join(directory, String(given));
    },
    remove: (path) => rmSync(path, { force: true }),
    close() {
      if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
      directory = undefined;
    },
  };
}
