/** The Node that Darkroom runs on: pinned in package.json and installed by npm beside everything else. */

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';

const OLDEST_FOR_SCRIPTS = 20;
/** As `engines` in package.json says. */
const OLDEST = [24, 15];

/** @throws when this Node cannot even run the scripts */
export function checkScriptNode(version = process.versions.node) {
  if (major(version) >= OLDEST_FOR_SCRIPTS) return;
  throw new Error(`Darkroom's scripts need Node ${OLDEST_FOR_SCRIPTS} or newer; this is ${version}.`);
}

/**
 * @returns {string} the Node to run Darkroom with: the pinned one, else this one when it is new enough
 * @throws with the fix when there is neither
 */
export function projectNode(root, version = process.versions.node) {
  const pinned = join(root, 'node_modules', 'node', 'bin', 'node');
  if (existsSync(pinned)) return pinned;
  if (isNewEnough(version)) return process.execPath;
  throw new Error(
    `Node ${OLDEST.join('.')} or newer is missing: npm was told to skip install scripts. Run: npm rebuild node`,
  );
}

/** The environment in which `node` and the tools of this repository come first. */
export function toolEnv(root, env) {
  const folders = [join(root, 'node_modules', '.bin'), env.PATH ?? ''];
  const pinned = join(root, 'node_modules', 'node', 'bin');
  if (existsSync(pinned)) folders.unshift(pinned);
  return { ...env, PATH: folders.filter(Boolean).join(delimiter), TURBO_TELEMETRY_DISABLED: '1' };
}

/**
 * Runs a program in this one's place: its signals, output and exit code become ours.
 *
 * @returns {Promise<number>} the exit code
 */
export function runInPlace(command, args, { env, isolated = false }) {
  // In a session of its own the program hears Ctrl-C once, from here, and not a second time from the terminal.
  const stdio = isolated ? ['inherit', 'inherit', 'inherit', 'ipc'] : 'inherit';
  const child = spawn(command, args, { env, stdio, detached: isolated });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      if (isolated || signal !== 'SIGINT') child.kill(signal);
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
}

export function isNewEnough(version) {
  const [majorPart = 0, minorPart = 0] = version.split('.').map(Number);
  return majorPart > OLDEST[0] || (majorPart === OLDEST[0] && minorPart >= OLDEST[1]);
}

function major(version) {
  return Number(version.split('.', 1)[0]);
}
