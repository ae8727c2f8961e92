/** Which Redis this machine can run, in the order that asks least of its owner. */

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { redisFromApt } from './redis-apt.mjs';

const run = promisify(execFile);
const IMAGE = 'valkey/valkey:9.1-alpine';
const NAMES = ['redis-server', 'valkey-server'];
const VERSION_MIN = [6, 2];

/**
 * @typedef {{ how: string, command: string, args: (server: { dir: string, port: number, name: string }) => string[],
 *   env: Record<string, string>, inContainer: boolean }} RedisProgram
 */

/**
 * @param {{ cacheDir: string, say: (line: string) => void }} options
 * @returns {Promise<RedisProgram>}
 * @throws one message that names every way, when none works
 */
export async function findRedis({ cacheDir, say }) {
  const refusals = [];
  const attempt = async (find) => {
    try {
      return await find();
    } catch (error) {
      refusals.push(firstLine(error));
      return undefined;
    }
  };
  const found =
    (await attempt(onPath)) ??
    (await attempt(() => fromPackages({ cacheDir, say }))) ??
    (await attempt(() => installed({ say }))) ??
    (await attempt(inDocker));
  if (found) return found;
  throw new Error(noRedis(refusals));
}

async function onPath() {
  for (const name of NAMES) {
    const version = await versionOf(name);
    if (version && isNewEnough(version)) return native(`${name} ${version}`, name);
  }
  return undefined;
}

async function fromPackages(options) {
  const program = await redisFromApt(options);
  if (!program) return undefined;
  const version = await versionOf(program.command, program.env);
  if (!version || !isNewEnough(version)) throw new Error(`this system's packages offer Redis ${version}: too old`);
  return native(`Redis ${version} from this system's packages`, program.command, program.env);
}

/** The last resort of a root user, such as a CI job in a container whose cache folders refuse programs. */
async function installed({ say }) {
  if (process.getuid?.() !== 0 || !(await answers('apt-get', ['--version']))) return undefined;
  say('installing the package redis-server');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await run('apt-get', ['-qq', 'update'], { env, timeout: 180_000 });
  await run('apt-get', ['-qq', 'install', '-y', '--no-install-recommends', 'redis-server'], { env, timeout: 300_000 });
  return onPath();
}

async function inDocker() {
  // A docker client without an engine is common: only the engine's own answer counts.
  if (!(await answers('docker', ['info']))) return undefined;
  const user = `${process.getuid?.() ?? 1000}:${process.getgid?.() ?? 1000}`;
  const args = ({ dir, port, name }) =>
    `run --rm --name ${name} --user ${user} -p 127.0.0.1:${port}:${port} -v`
      .split(' ')
      .concat(`${dir}:/data`, IMAGE, 'valkey-server', '/data/redis.conf');
  return { how: `${IMAGE} in Docker`, command: 'docker', args, env: {}, inContainer: true };
}

function native(how, command, env = {}) {
  return { how, command, args: ({ dir }) => [`${dir}/redis.conf`], env, inContainer: false };
}

async function versionOf(command, env = {}) {
  const options = { env: { ...process.env, ...env }, timeout: 10_000 };
  const { stdout } = await run(command, ['--version'], options).catch(() => ({ stdout: '' }));
  return /v=([\d.]+)/.exec(stdout)?.[1];
}

/** @param {string} version as `7.0.15` */
export function isNewEnough(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > VERSION_MIN[0] || (major === VERSION_MIN[0] && minor >= VERSION_MIN[1]);
}

function answers(command, args) {
  return run(command, args, { timeout: 10_000 }).then(
    () => true,
    () => false,
  );
}

function noRedis(refusals) {
  return [
    'Darkroom needs Redis or Valkey 6.2 or newer, and found no way to run one. Any of these will do:',
    '  1. set REDIS_URL to a server of yours (AOF on, maxmemory-policy noeviction)',
    '  2. put redis-server or valkey-server on the PATH (macOS: brew install redis)',
    '  3. on Debian or Ubuntu, give this machine access to its package mirror',
    '  4. start Docker',
    ...refusals.map((refusal) => `What went wrong: ${refusal}`),
  ].join('\n');
}

function firstLine(error) {
  const text = String(error.stderr || error.message).trim();
  return text.split('\n', 1)[0];
}
