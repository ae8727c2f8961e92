/**
 * One launcher per data folder. The folder names a loopback port, and whoever listens on it has the folder: the system
 * gives a port to one program only, and takes it back from a launcher that dies, however it dies. A process number
 * would not do, because the system gives numbers out again.
 */

import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { keptSecret } from './keys.mjs';
import { freePort, listen } from './ports.mjs';

const HOST = '127.0.0.1';
const ANSWER_MS = 2_000;
const TRIES = 5;

/**
 * @param {string} dataDir
 * @returns {Promise<() => Promise<void>>} gives the folder free again
 * @throws when another launcher, alive, has the folder
 */
export async function claimFolder(dataDir) {
  const path = join(dataDir, 'launcher');
  for (let tries = 1; tries <= TRIES; tries++) {
    const fresh = `${await freePort(HOST)} ${randomBytes(12).toString('hex')}`;
    const [port, token] = (await keptSecret(path, () => fresh)).split(' ');
    const server = await listen(Number(port), HOST).catch(() => undefined);
    if (server) return hold(server, token);
    const [answer, holder] = (await greeting(Number(port))).split(' ');
    if (answer === token) throw new Error(taken(holder));
    // Another program happens to have the port: the folder gets a new one.
    await rm(path, { force: true });
  }
  throw new Error(`No free port was found to claim ${dataDir} with.`);
}

function hold(server, token) {
  server.on('connection', (socket) => socket.on('error', () => undefined).end(`${token} ${process.pid}`));
  server.unref();
  return () => new Promise((resolve) => server.close(() => resolve()));
}

function taken(pid) {
  return (
    `Darkroom already runs on this data folder (process ${pid}). Stop it, or start a second one on another folder ` +
    'and port: DARKROOM_DATA=.darkroom-2 PORT=8081 npm start'
  );
}

/** @returns {Promise<string>} what the program at that port says first, or '' */
function greeting(port) {
  return new Promise((resolve) => {
    const socket = connect(port, HOST);
    let heard = '';
    socket.setTimeout(ANSWER_MS, () => socket.destroy());
    socket.on('data', (chunk) => {
      heard += chunk;
      if (heard.length > 100) socket.destroy(); // no launcher: those say less
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(heard));
  });
}
