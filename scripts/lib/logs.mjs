/** The log files of the programs: bounded always, shown on the terminal on request. */

import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { boundLog } from './files.mjs';

const BYTES_MAX = 50 * 1024 ** 2;
const BOUND_EVERY_MS = 60_000;
const LOOK_MS = 200;

/** @param {string[]} paths @returns {Promise<() => void>} keeps the files bounded until it is called */
export async function boundLogs(paths) {
  const bound = () => Promise.all(paths.map((path) => boundLog(path, BYTES_MAX).catch(() => undefined)));
  await bound();
  const timer = setInterval(() => void bound(), BOUND_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** Shows what is added to the files from now on. @returns {() => Promise<void>} shows the rest and stops */
export function followLogs(paths, write = (text) => process.stdout.write(text)) {
  const files = paths.map((path) => ({ path, at: undefined }));
  let looking = Promise.resolve();
  const look = async () => {
    for (const file of files) await showNew(file, write).catch(() => undefined);
  };
  const next = () => (looking = looking.then(look));
  void next();
  const timer = setInterval(() => void next(), LOOK_MS);
  timer.unref();
  return () => {
    clearInterval(timer);
    return next();
  };
}

async function showNew(followed, write) {
  const file = await open(followed.path, 'r').catch(() => undefined);
  if (!file) {
    followed.at = 0; // not there yet: all of it will be new
    return;
  }
  try {
    const { size } = await file.stat();
    followed.at ??= size;
    if (size < followed.at) followed.at = 0; // its content was moved away
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - followed.at), { position: followed.at });
    const whole = buffer.subarray(0, bytesRead).lastIndexOf('\n') + 1;
    followed.at += whole;
    const name = basename(followed.path, '.log');
    const lines = buffer.toString('utf8', 0, whole).split('\n').slice(0, -1);
    if (lines.length > 0) write(`${lines.map((line) => `${name}: ${line}`).join('\n')}\n`);
  } finally {
    await file.close();
  }
}
