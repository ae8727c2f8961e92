/** Brings a Redis that accepted jobs can be trusted to: the one at REDIS_URL, or a private child. */

import { mkdir, realpath, rm } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { findRedis, isNewEnough } from './lib/redis-program.mjs';
import { ownerFile, startServer, takeOver } from './lib/redis-server.mjs';
import { askRedis } from './lib/redis-wire.mjs';
import { endProcess } from './lib/running.mjs';

const GIB = 1024 ** 3;
const STOP_MS = 15_000;

/**
 * @param {import('./redis.d.mts').RedisOptions} options
 * @returns {Promise<import('./redis.d.mts').BroughtRedis>}
 */
export async function bringRedis({ url, ...options }) {
  return url ? givenRedis(url, options) : privateRedis(options);
}

async function givenRedis(url, { say = () => undefined }) {
  const { host } = new URL(url);
  const [pong, info] = await askRedis(url, [['PING'], ['INFO']], 5_000).catch((error) => {
    throw new Error(`REDIS_URL: no Redis answers at ${host} (${error.message}). Start it, or unset REDIS_URL.`);
  });
  if (pong !== 'PONG') throw new Error(`REDIS_URL: ${host} answered PING with: ${pong.message ?? pong}`);
  const field = (name) => new RegExp(`^${name}:(\\S+)`, 'm').exec(String(info))?.[1];
  const version = field('redis_version') ?? '0';
  if (!isNewEnough(version)) throw new Error(`REDIS_URL: ${host} runs Redis ${version}; 6.2 or newer is needed.`);
  const policy = field('maxmemory_policy');
  if (policy && policy !== 'noeviction') {
    say(`warning: maxmemory-policy is ${policy}: accepted jobs could be evicted; set it to noeviction`);
  }
  if (field('aof_enabled') === '0') say('warning: appendonly is off: a restart of Redis would lose accepted jobs');
  const nothing = async () => undefined;
  return { url, how: `Redis ${version} at REDIS_URL`, own: undefined, stop: nothing, [Symbol.asyncDispose]: nothing };
}

async function privateRedis({ dataDir, cacheDir, logFile, maxMemory, orphanMs = 0, say = () => undefined }) {
  await mkdir(join(dataDir, 'redis'), { recursive: true, mode: 0o700 });
  const dir = await realpath(join(dataDir, 'redis'));
  const place = {
    dir,
    logFile: logFile ?? join(dir, 'redis.log'),
    maxMemory: maxMemory ?? `${Math.floor(Math.min(2 * GIB, totalmem() / 2))}`,
    orphanMs,
  };
  let how = 'the Redis of the last start, still alive';
  let program;
  const start = async (where) => {
    program ??= await findRedis({ cacheDir, say });
    return startServer(program, place, where);
  };
  let server = await takeOver(place);
  if (!server) {
    server = await start();
    how = program.how;
  }
  const stop = async (hurry) => {
    server.guard.kill('SIGKILL');
    await endProcess(server.running, { graceMs: STOP_MS, hurry });
    await rm(ownerFile(dir), { force: true });
  };
  const own = {
    get pid() {
      return server.running.pid;
    },
    get exited() {
      return server.running.exited;
    },
    kill: async () => {
      server.running.kill('SIGKILL');
      await server.running.exited;
    },
    restart: async () => {
      server = await start(server);
    },
  };
  return { url: server.url, how, own, stop, [Symbol.asyncDispose]: () => stop() };
}
