/** The dependencies, as the lockfile wants them. Runs under any Node from 20 on. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { homedir, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

/** Ctrl-C is not among them: the terminal sends that one to npm as well. */
const STOP_SIGNALS = ['SIGTERM', 'SIGHUP'];

/**
 * Installs when something is missing or of another version than the lockfile says.
 *
 * @param {{ root: string, say: (line: string) => void }} options
 * @throws when npm fails; what it said is on the terminal already
 */
export async function ensureInstalled({ root, say }) {
  const reason = staleness(root);
  if (!reason) return;
  say(`${reason}: running npm ci (under a minute)`);
  // A server may set NODE_ENV=production, which would leave out the Node that Darkroom runs on.
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = spawn('npm', args, { cwd: root, env: npmEnv(), stdio: ['ignore', 'inherit', 'inherit'] });
  const end = () => void npm.kill();
  for (const signal of STOP_SIGNALS) process.on(signal, end);
  const [code] = await once(npm, 'exit');
  for (const signal of STOP_SIGNALS) process.off(signal, end);
  if (code !== 0) throw new Error('npm ci failed; its own words are above. Check the network and try again.');
}

/** @returns {string | undefined} why an installation is needed, or undefined when it is as the lockfile says */
export function staleness(root) {
  const hidden = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(hidden)) return 'no dependencies yet';
  const wanted = packagesOf(join(root, 'package-lock.json'));
  const present = packagesOf(hidden);
  const differs = Object.entries(wanted).some(([path, entry]) => {
    if (path === '') return false; // the root itself is not in the list of what is installed
    const found = present[path];
    // Packages for other platforms are in the lockfile and rightly not here.
    if (!found) return !entry.optional;
    return found.version !== entry.version || found.integrity !== entry.integrity;
  });
  return differs ? 'the dependencies have changed' : undefined;
}

function packagesOf(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages ?? {};
  } catch {
    return {}; // an installation that was cut short: everything counts as missing
  }
}

/** npm keeps its cache in the home folder, which a CI job may not be allowed to write. */
function npmEnv() {
  const cache = process.env.npm_config_cache ?? join(homedir(), '.npm');
  if (isWritable(cache)) return process.env;
  return { ...process.env, npm_config_cache: join(tmpdir(), `darkroom-npm-${userInfo().uid}`) };
}

function isWritable(folder) {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
