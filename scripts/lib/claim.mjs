/**
 * One launcher per data folder. The claim is a file that names a loopback port on which the launcher says who it is:
 * a launcher that died, however it died, no longer answers, and its claim is void. A process number alone would not
 * tell, because the system gives numbers out again.
 */

import { randomBytes } from 'node:crypto';
import { link, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { listen } from './ports.mjs';

const ANSWER_MS = 2_000;
const TRIES = 5;

/**
 * @param {string} dataDir
 * @returns {Promise<() => Promise<void>>} gives the folder free again
 * @throws when another launcher, alive, has the folder
 */
export async function claimFolder(dataDir) {
  const path = join(dataDir, 'launcher.json');
  const token = randomBytes(12).toString('hex');
  const server = await listen(0, '127.0.0.1');
  server.on('connection', (socket) => socket.on('error', () => undefined).end(token));
  server.unref();
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, JSON.stringify({ pid: process.pid, port: server.address().port, token }), { mode: 0o600 });
  try {
    await take(path, draft);
  } catch (error) {
    server.close();
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
  return async () => {
    server.close();
    await rm(path, { force: true });
  };
}

async function take(path, draft) {
  for (let tries = 1; tries <= TRIES; tries++) {
    const taken = await link(draft, path).then(
      () => true,
      (error) => {
        if (error.code === 'EEXIST') return false;
        throw error;
      },
    );
    if (taken) return;
    const holder = await readHolder(path);
    if (holder && (await greeting(holder.port)) === holder.token) {
      throw new Error(
        `Darkroom already runs on this data folder (process ${holder.pid}). Stop it, or start a second one on another ` +
          'folder and port: DARKROOM_DATA=.darkroom-2 PORT=8081 npm start',
      );
    }
    await rm(path, { force: true });
  }
  throw new Error(`${path} cannot be claimed: other starts keep taking it`);
}

async function readHolder(path) {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** @returns {Promise<string>} what the program at that port says first, or '' */
function greeting(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let heard = '';
    socket.setTimeout(ANSWER_MS, () => socket.destroy());
    socket.on('data', (chunk) => (heard += chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(heard));
  });
}
