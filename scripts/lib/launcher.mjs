/**
 * Darkroom on one machine: Redis, the emulator when there is no key or its port is named, the API and a worker, in that
 * order, and down again in the opposite one. What was opened is closed in reverse also when a later step fails.
 */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { bringRedis } from '../redis.mjs';
import { claimFolder } from './claim.mjs';
import { cacheFolder, tail } from './files.mjs';
import { keepRunning } from './keep-running.mjs';
import { keptSecret, newApiKey, newSecret } from './keys.mjs';
import { boundLogs, followLogs } from './logs.mjs';
import { freePort, portProblem } from './ports.mjs';
import { createProgram } from './program.mjs';
import { endProcess } from './running.mjs';
import { checkEnvironment, emulatorEnv, programEnvs } from './settings.mjs';

/** Above what the programs take for a drain, so that they report its end themselves. */
const DRAIN_MARGIN_MS = 5_000;
const EMULATOR_STOP_MS = 2_000;
/** A port may still be held by programs of a killed launcher that are about to end. */
const PORT_PATIENCE_MS = 1_000;
const ASK_AGAIN_MS = 50;
const MAINS = {
  emulator: 'packages/emulator/src/main.ts',
  api: 'apps/api/src/main.ts',
  worker: 'apps/worker/src/main.ts',
};

/**
 * Starts everything, and pushes onto `opened` how it is ended.
 *
 * @param {{ root: string, node: string, settings: ReturnType<typeof import('./settings.mjs').readSettings>,
 *   say: (name: string, line: string) => void, opened: AsyncDisposableStack, stop: AbortSignal, hurry: AbortSignal }} options
 *   `stop`: begin nothing more; `hurry`: do not wait for calls in flight
 * @returns {Promise<{ url: string, apiKey: string }>} once the API accepts jobs
 */
export async function launch({ root, node, settings, say, opened, stop, hurry }) {
  const { env, dataDir, logDir, host } = settings;
  const channelSecrets = await checkEnvironment(node, settings);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  await mkdir(logDir, { recursive: true, mode: 0o700 });
  opened.defer(await claimFolder(dataDir));
  const port = await choosePort(settings.port, host);
  const secret = env.DARKROOM_SECRET ?? (await keptSecret(join(dataDir, 'secret'), newSecret));
  const apiKey = env.DARKROOM_API_KEY ?? (await keptSecret(join(dataDir, 'api-key'), newApiKey));
  const logFileOf = (name) => join(logDir, `${name}.log`);
  const logFiles = ['redis', ...Object.keys(MAINS)].map(logFileOf);
  opened.defer(await boundLogs(logFiles));
  if (settings.showLogs) opened.defer(followLogs(logFiles));
  stop.throwIfAborted();

  const redisUrl = await openRedis({ settings, say, opened, hurry, logFile: logFileOf('redis') });
  stop.throwIfAborted();

  const programOf = (name, itsEnv) =>
    createProgram({
      name,
      node,
      main: join(root, MAINS[name]),
      cwd: process.cwd(),
      env: itsEnv,
      logFile: logFileOf(name),
    });
  const emulated = settings.emulated || settings.emulatorPort;
  const emulatorUrl = emulated && (await openEmulator({ programOf, settings, channelSecrets, say, opened, stop }));
  const geminiUrl = settings.emulated ? emulatorUrl : undefined;

  const metricsPort = Number(env.METRICS_PORT) || (await freePort(host));
  const envs = programEnvs(settings, { redisUrl, geminiUrl, port, metricsPort, apiKey, secret, channelSecrets });
  const [api, worker] = ['api', 'worker'].map((name) => programOf(name, envs[name]));
  opened.defer(() => drain([worker, api], { settings, say, hurry }));
  await Promise.all([api.start(), worker.start()]);
  const url = `http://${reachable(host)}:${port}`;
  const workerUrl = `http://${reachable(host)}:${envs.worker.METRICS_PORT}`;
  for (const at of [url, workerUrl]) await untilReady(`${at}/readyz`, [api, worker], stop);
  for (const program of [api, worker]) opened.defer(keepProgram(program, say));
  say('api', url);
  say('worker', `up to ${env.WORKER_CONCURRENCY ?? 20} calls at once`);
  return { url, apiKey };
}

async function openRedis({ settings, say, opened, hurry, logFile }) {
  const { env, dataDir, drainMs } = settings;
  const redis = await bringRedis({
    url: env.REDIS_URL,
    dataDir,
    cacheDir: await cacheFolder(env),
    logFile,
    maxMemory: env.REDIS_MAXMEMORY,
    orphanMs: drainMs + DRAIN_MARGIN_MS,
    say: (line) => say('redis', line),
  });
  opened.defer(() => redis.stop(hurry));
  say('redis', redis.how);
  const { own } = redis;
  if (own) {
    const lastWords = () => tail(logFile, 3);
    const exited = () => own.exited;
    const tell = (line) => say('redis', line);
    opened.defer(keepRunning({ name: 'Redis', exited, restart: own.restart, lastWords, say: tell }));
  }
  return redis.url;
}

async function openEmulator({ programOf, settings, channelSecrets, say, opened, stop }) {
  // A port of its own choosing would change with a restart, and the worker is told the address once.
  const port = settings.emulatorPort ?? (await freePort());
  const emulator = programOf('emulator', emulatorEnv(settings, { port, channelSecrets }));
  await emulator.start();
  opened.defer(() => endProcess(emulator.running(), { graceMs: EMULATOR_STOP_MS }));
  const url = await untilListening(emulator, stop);
  opened.defer(keepProgram(emulator, say));
  const why = settings.emulated ? 'no GEMINI_API_KEY' : url;
  say('emulator', `${why}: a local stand-in for Gemini draws the prompt's words, for free`);
  return url;
}

function keepProgram(program, say) {
  const { name, exited, lastWords, start } = program;
  return keepRunning({ name: `the ${name}`, exited, lastWords, restart: start, say: (line) => say(name, line) });
}

/** The emulator says its address once, as a line of JSON. */
async function untilListening(emulator, stop) {
  for (;;) {
    const line = (await emulator.said()).split('\n').find((text) => text.includes('"emulator.listening"'));
    if (line) return JSON.parse(line).url;
    await patience([emulator], stop);
  }
}

async function untilReady(url, programs, stop) {
  for (;;) {
    const response = await fetch(url, { signal: AbortSignal.timeout(5_000) }).catch(() => undefined);
    await response?.body?.cancel();
    if (response?.ok) return;
    await patience(programs, stop);
  }
}

/** A little time, unless a program has ended: then there is nothing to wait for. */
async function patience(programs, stop) {
  const ends = programs.map((program) => program.exited().then((how) => ({ program, how })));
  const end = await Promise.race([wait(ASK_AGAIN_MS), ...ends]);
  stop.throwIfAborted();
  if (end) throw new Error(`The ${end.program.name} ${end.how}; its last words:\n${await end.program.lastWords()}`);
}

/** SIGTERM to both at once: the API closes its door while the worker ends what is in flight. */
async function drain(programs, { settings, say, hurry }) {
  const started = programs.filter((program) => program.running());
  const slow = setTimeout(() => {
    say('stop', `waiting for calls in flight, at most ${settings.drainMs / 1_000} s; Ctrl-C again stops at once`);
  }, 1_000);
  const graceMs = settings.drainMs + DRAIN_MARGIN_MS;
  await Promise.all(started.map((program) => endProcess(program.running(), { graceMs, hurry })));
  clearTimeout(slow);
}

async function choosePort(wanted, host) {
  if (wanted === 0) return freePort(host);
  const until = Date.now() + PORT_PATIENCE_MS;
  for (;;) {
    const problem = await portProblem(wanted, host);
    if (!problem) return wanted;
    if (Date.now() > until) throw new Error(explainPort(problem, wanted, host));
    await wait(ASK_AGAIN_MS);
  }
}

function explainPort(problem, port, host) {
  if (problem === 'EADDRINUSE') {
    return `Port ${port} is in use by another program. Take another one: PORT=${port === 8080 ? 8081 : 8080} npm start`;
  }
  if (problem === 'EACCES') return `Port ${port} needs rights that this user does not have. Try: PORT=8080 npm start`;
  return `The API cannot listen on HOST=${host}, PORT=${port} (${problem}).`;
}

/** An address that a client on this machine can use: the wildcards name every address, and none to call. */
function reachable(host) {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}
