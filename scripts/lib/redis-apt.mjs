/**
 * Redis out of Debian's or Ubuntu's own packages, without root and without installing anything: apt downloads what
 * this machine lacks into state folders of our own, and the packages are unpacked into a cache folder. The system's
 * package database is only read, and no system service is started on port 6379.
 */

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const NAMES = ['redis-server', 'valkey-server'];
/** Slow mirrors exist; a hung one should not hold the start for ever. */
const APT_TIMEOUT_MS = 180_000;

/**
 * @param {{ cacheDir: string, say: (line: string) => void }} options
 * @returns {Promise<{ command: string, env: Record<string, string> } | undefined>} undefined where there is no apt
 * @throws when apt is here but did not deliver
 */
export async function redisFromApt({ cacheDir, say }) {
  if (!(await runs('apt-get')) || !(await runs('dpkg-deb'))) return undefined;
  const home = join(cacheDir, `redis-${await distribution()}-${process.arch}`);
  const kept = await programIn(home);
  if (kept) return kept;
  say('fetching Redis from the packages of this system, without installing it (a few seconds, once)');
  await mkdir(cacheDir, { recursive: true });
  await dropAbandoned(cacheDir);
  const work = await mkdtemp(join(cacheDir, 'fetching-'));
  try {
    await unpack(await download(work), join(work, 'root'));
    await keep(join(work, 'root'), home);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  const program = await programIn(home);
  if (!program) throw new Error('the downloaded Redis does not run on this machine');
  return program;
}

/** What a fetch that was interrupted left behind; another start may be fetching at this moment. */
async function dropAbandoned(cacheDir) {
  for (const name of await readdir(cacheDir)) {
    const folder = join(cacheDir, name);
    const { mtimeMs } = await stat(folder).catch(() => ({ mtimeMs: Date.now() }));
    const isAbandoned = name.startsWith('fetching-') && mtimeMs < Date.now() - 2 * APT_TIMEOUT_MS;
    if (isAbandoned) await rm(folder, { recursive: true, force: true });
  }
}

/** Renamed into place whole; of two starts at the same moment one wins, and both use what the winner unpacked. */
async function keep(root, home) {
  if (await programIn(root)) await rename(root, home).catch(() => undefined);
  if (await programIn(home)) return;
  await rm(home, { recursive: true, force: true });
  await rename(root, home).catch(() => undefined);
}

async function download(work) {
  await mkdir(join(work, 'lists', 'partial'), { recursive: true });
  await mkdir(join(work, 'cache', 'archives', 'partial'), { recursive: true });
  const config = join(work, 'apt.conf');
  await writeFile(config, aptConfig(work));
  const apt = (...args) => run('apt-get', ['-c', config, '-qq', ...args], { timeout: APT_TIMEOUT_MS });
  await apt('update');
  let refused;
  for (const name of NAMES) {
    try {
      await apt('install', '--download-only', '-y', '--no-install-recommends', name);
      refused = undefined;
      break;
    } catch (error) {
      refused = error;
    }
  }
  if (refused) throw refused;
  const archives = join(work, 'cache', 'archives');
  return (await readdir(archives)).filter((file) => file.endsWith('.deb')).map((file) => join(archives, file));
}

function aptConfig(work) {
  return [
    `Dir::State::lists "${join(work, 'lists')}";`,
    '#clear Dir::Cache::archives;',
    `Dir::Cache "${join(work, 'cache')}";`,
    'Dir::Cache::archives "archives/";',
    `Dir::Log "${work}";`,
    'Debug::NoLocking "1";', // else apt wants root for the locks of the system's own folders
    'APT::Sandbox::User "root";', // the cache folder of root is closed to apt's own download user
    '#clear APT::Update::Pre-Invoke;', // hooks belong to the system's package lists, which stay as they are
    '#clear APT::Update::Post-Invoke;',
    '#clear APT::Update::Post-Invoke-Success;',
    '',
  ].join('\n');
}

async function unpack(packages, root) {
  if (packages.length === 0) throw new Error('apt had nothing to download');
  await mkdir(root, { recursive: true });
  for (const file of packages) await run('dpkg-deb', ['-x', file, root]);
}

async function programIn(root) {
  for (const name of NAMES) {
    const command = join(root, 'usr', 'bin', name);
    const env = { LD_LIBRARY_PATH: (await libraryFolders(root)).join(':') };
    if (await runs(command, env)) return { command, env };
  }
  return undefined;
}

async function libraryFolders(root) {
  const lib = join(root, 'usr', 'lib');
  const entries = await readdir(lib, { withFileTypes: true }).catch(() => []);
  return [lib, ...entries.filter((entry) => entry.isDirectory()).map((entry) => join(lib, entry.name))];
}

async function distribution() {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const field = (name) => new RegExp(`^${name}="?([\\w.-]+)"?$`, 'm').exec(release)?.[1];
  return `${field('ID') ?? 'linux'}-${field('VERSION_ID') ?? 'any'}`;
}

async function runs(command, env = {}) {
  const options = { env: { ...process.env, ...env }, timeout: 10_000 };
  return run(command, ['--version'], options).then(
    () => true,
    () => false,
  );
}
