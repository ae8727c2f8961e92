/**
 * One private Redis server on a data folder.
 *
 * What a crash leaves behind: a launcher that is killed leaves its server alive for `orphanMs`, so that programs which
 * still drain can settle their jobs. A start within that time takes the server over; it is proven to be ours by the
 * password, which only the data folder has. A later start finds the append-only file. After that time a guard ends the
 * server, so that none outlives its launcher for ever.
 */

import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { readFile, readlink, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { tail } from './files.mjs';
import { freePort, portProblem } from './ports.mjs';
import { askRedis } from './redis-wire.mjs';
import { isAlive, runProgram, watchProcess } from './running.mjs';

const run = promisify(execFile);
const PORT_TRIES = 5;
const ASK_AGAIN_MS = 20;

/**
 * @typedef {{ dir: string, logFile: string, maxMemory: string, orphanMs: number }} Place
 * @typedef {{ url: string, port: number, password: string, running: import('./running.mjs').Running,
 *   guard: import('./running.mjs').Running }} Server
 */

/** Names the launcher that may end the server; the guard of an earlier one then keeps its hands off. */
export function ownerFile(dir) {
  return join(dir, 'owner');
}

/** @param {Place} place @returns {Promise<Server | undefined>} the living server of an earlier start on this folder */
export async function takeOver(place) {
  const record = await readRecord(place.dir);
  if (!record || record.inContainer || !isAlive(record.pid)) return undefined;
  const url = urlOf(record);
  const info = await askRedis(url, [['INFO', 'server']]).then(String, () => '');
  const running = watchProcess(record.pid);
  if (info.includes(`process_id:${record.pid}\r\n`)) {
    const guard = await watchOver(place, record.pid);
    if (await ready(url, running.exited)) return { ...record, url, running, guard };
    guard.kill('SIGKILL');
  } else if (await worksIn(record.pid, place.dir)) {
    // It hangs, and holds the append-only file that the next server needs.
    running.kill('SIGKILL');
    await running.exited;
  }
  return undefined;
}

/**
 * Starts a server and waits until it answers.
 *
 * @param {import('./redis-program.mjs').RedisProgram} program
 * @param {Place} place
 * @param {Server} [before] the server to replace: same url. Without it the port of the last start is preferred, so that
 *   programs of that start which still drain find their Redis again.
 * @returns {Promise<Server>}
 */
export async function startServer(program, place, before) {
  before?.guard.kill('SIGKILL');
  const record = before ?? (await readRecord(place.dir));
  const password = record?.password ?? randomBytes(24).toString('base64url');
  for (let tries = 1; ; tries++) {
    const port = await choosePort(record?.port, tries);
    if (before && port !== before.port) throw new Error(`port ${before.port} is taken by another program`);
    const server = await launch(program, place, { port, password });
    if (await ready(server.url, server.running.exited)) return server;
    server.guard.kill('SIGKILL');
    if (before || tries === PORT_TRIES) throw new Error(`Redis does not start:\n${await tail(place.logFile, 12)}`);
  }
}

async function choosePort(wanted, tries) {
  const isUsable = wanted && tries === 1 && !(await portProblem(wanted, '127.0.0.1'));
  return isUsable ? wanted : freePort();
}

async function launch(program, place, { port, password }) {
  const { dir, logFile } = place;
  const { inContainer } = program;
  const name = `darkroom-redis-${createHash('sha256').update(dir).digest('hex').slice(0, 12)}`;
  if (inContainer) await run('docker', ['rm', '-f', name]).catch(() => undefined);
  await writePrivate(join(dir, 'redis.conf'), config({ ...place, port, password, inContainer }));
  const log = openSync(logFile, 'a', 0o600);
  const running = await runProgram(program.command, program.args({ dir, port, name }), {
    env: { ...process.env, ...program.env },
    stdio: ['ignore', log, log],
  }).finally(() => closeSync(log));
  await writePrivate(join(dir, 'server.json'), JSON.stringify({ pid: running.pid, port, password, inContainer }));
  return { url: urlOf({ port, password }), port, password, running, guard: await watchOver(place, running.pid) };
}

function config({ dir, maxMemory, port, password, inContainer }) {
  return [
    `bind ${inContainer ? '0.0.0.0' : '127.0.0.1'}`, // in a container, only the published loopback port reaches it
    `port ${port}`,
    `requirepass ${password}`,
    `dir ${JSON.stringify(inContainer ? '/data' : dir)}`,
    'appendonly yes',
    'appendfsync always', // a job is answered 202 once it is on disk, not a second before
    'save ""',
    'maxmemory-policy noeviction',
    'hash-max-listpack-value 4096', // job records as one block of memory: half as big; nothing depends on it
    `maxmemory ${maxMemory}`,
    'daemonize no',
    '',
  ].join('\n');
}

/** @returns {Promise<boolean>} true once the server answers, false when it ended first; loading a long file may take minutes */
async function ready(url, exited) {
  const ended = exited.then(() => 'ended');
  for (;;) {
    const [pong] = await askRedis(url, [['PING']]).catch(() => []);
    if (pong === 'PONG') return true;
    if ((await Promise.race([ended, wait(ASK_AGAIN_MS)])) === 'ended') return false;
  }
}

/**
 * Starts the guard: a shell that reads from this process, and so learns of its end however it comes, and that then
 * ends the server unless another launcher has taken it over by that time.
 */
async function watchOver({ dir, orphanMs }, pid) {
  const owner = randomBytes(12).toString('hex');
  await writePrivate(ownerFile(dir), owner);
  const script = 'cat >/dev/null; sleep "$1"; [ "$(cat "$2" 2>/dev/null)" = "$3" ] && kill "$4"';
  const seconds = String(Math.ceil(orphanMs / 1_000));
  return runProgram('sh', ['-c', script, 'sh', seconds, ownerFile(dir), owner, String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
}

async function worksIn(pid, dir) {
  return (await readlink(`/proc/${pid}/cwd`).catch(() => undefined)) === dir;
}

async function readRecord(dir) {
  try {
    return JSON.parse(await readFile(join(dir, 'server.json'), 'utf8'));
  } catch {
    return undefined; // the first start, or a record cut short by a full disk: a new one is written
  }
}

async function writePrivate(path, text) {
  const written = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(written, text, { mode: 0o600 });
  await rename(written, path);
}

function urlOf({ port, password }) {
  return `redis://:${password}@127.0.0.1:${port}`;
}
