import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createFileSums, type FileSums } from '@darkroom/shared/storage/spool';

/** What a dead process left behind is removed after this; no chunk is worked on for as long. */
const STALE_MS = 86_400_000;

export type Workspace = AsyncDisposable & {
  path: (name: string) => string;
  /** Of files in it. */
  sums: FileSums;
};

/** A folder for one chunk's files while it is worked on; disposing removes it with all that is in it. */
export async function openWorkspace(root: string): Promise<Workspace> {
  await mkdir(root, { recursive: true });
  const folder = await mkdtemp(join(root, 'chunk-'));
  const sums = createFileSums();
  return {
    path: (name) => join(folder, name),
    sums,
    [Symbol.asyncDispose]: async () => {
      await sums[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Removes what dead processes left. @param now in epoch milliseconds of the file system's clock */
export async function clearWorkspaces(root: string, now: number): Promise<void> {
  const names = await readdir(root).catch(() => []);
  for (const name of names) {
    const found = await stat(join(root, name)).catch(() => undefined);
    if (found && now - found.mtimeMs > STALE_MS) await rm(join(root, name), { recursive: true, force: true });
  }
}
