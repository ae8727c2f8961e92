/** Small work on files and folders. */

import { copyFile, lstat, mkdir, mkdtemp, open, rmdir, truncate } from 'node:fs/promises';
import { homedir, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

const TAIL_BYTES = 16_384;

/** @returns {Promise<string>} the last `lines` lines of a file, or '' when there is none */
export async function tail(path, lines, from = 0) {
  const file = await open(path, 'r').catch(() => undefined);
  if (!file) return '';
  try {
    const { size } = await file.stat();
    const start = Math.max(from, size - TAIL_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.max(0, size - start)), { position: start });
    return buffer.toString('utf8', 0, bytesRead).trimEnd().split('\n').slice(-lines).join('\n');
  } finally {
    await file.close();
  }
}

/**
 * Keeps a log from growing without end: above `bytesMax` its content moves to `NAME.1`, which is replaced. The file
 * itself stays, because a running program has it open; a line written during the move may be lost.
 */
export async function boundLog(path, bytesMax) {
  const { size } = await lstat(path).catch(() => ({ size: 0 }));
  if (size <= bytesMax) return;
  await copyFile(path, `${path}.1`);
  await truncate(path);
}

/**
 * A folder that outlives an installation: `~/.cache/darkroom`, or one in the temporary folder where the home cannot be
 * written. Programs are run from it, so a folder that somebody else made is never used.
 */
export async function cacheFolder(env) {
  const wanted = [];
  if (env.XDG_CACHE_HOME) wanted.push(join(env.XDG_CACHE_HOME, 'darkroom'));
  wanted.push(join(homedir(), '.cache', 'darkroom'), join(tmpdir(), `darkroom-${userInfo().uid}`));
  for (const folder of wanted) {
    if (await isOurs(folder)) return folder;
  }
  return mkdtemp(join(tmpdir(), 'darkroom-'));
}

/** @returns {Promise<boolean>} whether the folder is there, or could be made, as one that only we write */
async function isOurs(folder) {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const { uid, mode } = await lstat(folder);
    if ((process.getuid && uid !== process.getuid()) || mode & 0o022) return false;
    await rmdir(await mkdtemp(join(folder, 'probe-')));
    return true;
  } catch {
    return false;
  }
}
