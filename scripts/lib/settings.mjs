/** What the launcher reads from the environment, and what it hands to the programs. */

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** The models take 6 to 30 s in truth; a first visitor should see an image within a few. */
const EMULATOR_LATENCY = '0.15';
/** Provider batches take hours in truth; he should see one end while he looks. */
const EMULATOR_BATCH_TURNAROUND_MS = '60000';
/** As the worker has it: above the slowest model, since a call that is cut may be billed all the same. */
const DRAIN_SECONDS = 330;
/** Room for young objects: with more, sealing chunks of thousands of rows leaves a worker some 100 MB larger. */
const WORKER_NODE_OPTIONS = '--max-semi-space-size=8';
const PORT = 8080;
/** As the programs look for it. */
const CHANNELS_FILES = ['darkroom.config.yaml', 'darkroom.config.json'];

/** @param {Record<string, string | undefined>} given the environment; an empty variable counts as unset */
export function readSettings(given, cwd) {
  const env = Object.fromEntries(Object.entries(given).filter(([, value]) => value));
  const dataDir = resolve(cwd, env.DARKROOM_DATA ?? '.darkroom');
  const channelsFile = env.DARKROOM_CONFIG ?? CHANNELS_FILES.find((name) => existsSync(join(cwd, name)));
  return {
    env,
    dataDir,
    logDir: join(dataDir, 'logs'),
    port: Number(env.PORT ?? PORT),
    host: env.HOST ?? '127.0.0.1',
    drainMs: Number(env.DRAIN_SECONDS ?? DRAIN_SECONDS) * 1_000,
    channelsFile,
    emulated: !env.GEMINI_API_KEY && !channelsFile,
    // Asked for beside a channels file, whose channels name its address.
    emulatorPort: Number(env.EMULATOR_PORT) || undefined,
    showLogs: Boolean(env.LOG_LEVEL),
  };
}

/** Whom only this machine reaches may post to this machine. */
const LOOPBACK = ['127.0.0.1', '::1', 'localhost'];

/**
 * The environments of the API and the worker: each gets the secrets that it needs.
 *
 * @param {string[]} given.channelSecrets variables that the channels file names: the worker's alone
 */
export function programEnvs(settings, given) {
  const { redisUrl, geminiUrl, port, metricsPort, apiKey, secret, channelSecrets } = given;
  const { env, dataDir, host } = settings;
  const { GEMINI_API_KEY } = env;
  const secrets = Object.fromEntries(channelSecrets.map((name) => [name, env[name]]));
  const shared = {
    STORAGE_URL: pathToFileURL(join(dataDir, 'objects')).href,
    WEBHOOK_HTTP: String(LOOPBACK.includes(host)),
    ...withoutSecrets(env, channelSecrets),
    DARKROOM_DATA: dataDir,
    DARKROOM_SECRET: secret,
    REDIS_URL: redisUrl,
    HOST: host,
    PORT: String(port),
  };
  const gemini = geminiUrl ? { GEMINI_API_KEY: 'emulator', GEMINI_BASE_URL: geminiUrl } : { GEMINI_API_KEY };
  return {
    api: { ...shared, DARKROOM_API_KEY: apiKey },
    worker: { NODE_OPTIONS: WORKER_NODE_OPTIONS, ...shared, ...secrets, ...gemini, METRICS_PORT: String(metricsPort) },
  };
}

function withoutSecrets(env, channelSecrets) {
  const hidden = new Set([...channelSecrets, 'GEMINI_API_KEY', 'DARKROOM_API_KEY']);
  return Object.fromEntries(Object.entries(env).filter(([name]) => !hidden.has(name)));
}

/** The environment of the emulator. */
export function emulatorEnv({ env }, { port, channelSecrets }) {
  return {
    EMULATOR_LATENCY,
    EMULATOR_BATCH_TURNAROUND_MS,
    ...withoutSecrets(env, channelSecrets),
    EMULATOR_HOST: '127.0.0.1',
    EMULATOR_PORT: String(port),
  };
}

/**
 * @returns {Promise<string[]>} the variables in which channels have their secrets
 * @throws one message with every mistake of every program, before anything is started
 */
export async function checkEnvironment(node, settings) {
  const placeholder = 'x'.repeat(43);
  const { api, worker } = programEnvs(settings, {
    redisUrl: settings.env.REDIS_URL ?? 'redis://127.0.0.1',
    geminiUrl: settings.emulated ? 'http://127.0.0.1' : undefined,
    port: settings.env.PORT ?? PORT,
    metricsPort: settings.env.METRICS_PORT ?? 0,
    apiKey: settings.env.DARKROOM_API_KEY ?? placeholder,
    secret: settings.env.DARKROOM_SECRET ?? placeholder,
    channelSecrets: [],
  });
  const script = fileURLToPath(new URL('check-env.mjs', import.meta.url));
  const checked = run(node, ['--conditions=source', script], { env: { ...api, ...worker } });
  const { stdout } = await checked.catch((error) => {
    throw new Error(`The environment is not valid:\n${error.stderr.trimEnd()}`);
  });
  return JSON.parse(stdout);
}
