/** Secrets that are made once and kept in the data folder, readable by its owner alone. */

import { randomBytes } from 'node:crypto';
import { link, readFile, rm, writeFile } from 'node:fs/promises';

/** A key as the API accepts it: 256 bits of chance. */
export function newApiKey() {
  return `dk_live_${newSecret()}`;
}

/** 32 random bytes in 43 characters that need no quoting anywhere. */
export function newSecret() {
  return randomBytes(32).toString('base64url');
}

/**
 * @param {string} path
 * @param {() => string} make
 * @returns {Promise<string>} what the file holds; made and written when there is no file yet
 */
export async function keptSecret(path, make) {
  const kept = await read(path);
  if (kept) return kept;
  // Written whole under another name and then linked: a crash leaves no half secret, and an earlier one always wins.
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(draft, `${make()}\n`, { mode: 0o600, flush: true });
  try {
    if (kept === '') await rm(path, { force: true });
    await link(draft, path).catch((error) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(draft, { force: true });
  }
  return read(path);
}

async function read(path) {
  const text = await readFile(path, 'utf8').catch((error) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  return text?.trim();
}
