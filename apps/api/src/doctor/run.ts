/** `npm run doctor`: looks at this installation as its programs would find it, says what is wrong, and leaves nothing behind. */

import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { CHANNELS_FILES, ConfigError, derivedKey, parseEnv, readChannels, Secret } from '@darkroom/shared/config';
import { type Clock, type RedisFacts, systemClock } from '@darkroom/shared/ports';
import { openStore, parseStorageUrl } from '@darkroom/shared/storage';
import { lookAtRedis, openPatientRedis } from '@darkroom/shared/storage/redis';
import {
  type Check,
  diskCheck,
  examine,
  ok,
  printReport,
  problem,
  redisCheck,
  setupCheck,
  storageCheck,
} from '@darkroom/shared/usecases';
import type { z } from 'zod';
import { channelChecks } from './channels.ts';

export type RunDoctor = {
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
  /** `--json` prints the report as JSON. */
  args: readonly string[];
  /** Of every program. */
  schemas: readonly z.ZodObject[];
  write: (text: string) => void;
  clock?: Clock;
};

const USAGE = 'usage: npm run doctor [-- --json]\n';
/** In place of what `npm start` makes; nothing is kept under it. */
const NO_SECRET = 'x'.repeat(43);

/** @returns the exit code: 1 when there is a problem, 2 for arguments that are none */
export async function runDoctor({ args, write, ...options }: RunDoctor): Promise<number> {
  if (args.some((arg) => arg !== '--json')) {
    write(USAGE);
    return 2;
  }
  const report = await examine(checksOf({ clock: systemClock, ...options }));
  write(args.includes('--json') ? `${JSON.stringify(report, undefined, 2)}\n` : printReport(report));
  return report.status === 'problem' ? 1 : 0;
}

type Given = Required<Omit<RunDoctor, 'args' | 'write'>>;

function checksOf(given: Given): Check[] {
  const { env, cwd } = given;
  const settings = {
    host: env['HOST'] || '127.0.0.1',
    ...(env['PUBLIC_URL'] && { publicUrl: env['PUBLIC_URL'] }),
    webhookHttp: env['WEBHOOK_HTTP'] === 'true',
    downloadHttp: env['DOWNLOAD_HTTP'] === 'true',
    redisGiven: Boolean(env['REDIS_URL']),
  };
  const setup = setupCheck({
    nodeVersion: process.versions.node,
    settings,
    secretGiven: Boolean(env['DARKROOM_SECRET']),
    mistakes: mistakesIn(given),
  });
  const dataDir = resolve(cwd, env['DARKROOM_DATA'] || '.darkroom');
  const disk = diskCheck({
    free: async () => {
      const { bavail, bsize } = await statfs(existingPart(dataDir));
      return bavail * bsize;
    },
    spoolMb: Number(env['SPOOL_MAX_MB'] || 4_096) || 4_096,
  });
  return [setup, redisOf(given), storageOf(given, dataDir), disk, ...channelsOf(given)];
}

/** What `npm start` brings by itself is no mistake when it is not there. */
function mistakesIn({ env, schemas }: Given): string[] {
  const filled = {
    ...env,
    REDIS_URL: env['REDIS_URL'] || 'redis://127.0.0.1',
    DARKROOM_SECRET: env['DARKROOM_SECRET'] || NO_SECRET,
  };
  return [...new Set(schemas.flatMap((schema) => problemsIn(() => parseEnv(schema, filled))))];
}

function redisOf({ env, clock }: Given): Check {
  const url = env['REDIS_URL'];
  if (!url) return said('Redis', 'server', ok('REDIS_URL is not set: npm start brings its own Redis'));
  // Taken for the path of a socket, it would be in the error, password and all.
  if (!/^rediss?:\/\//.test(url) || !URL.canParse(url)) {
    return said(
      'Redis',
      'server',
      problem('not looked at: REDIS_URL is no address of a Redis', 'set it to redis://HOST:PORT'),
    );
  }
  const key = `${env['REDIS_PREFIX'] ?? ''}probe`;
  return redisCheck(async (signal): Promise<RedisFacts> => {
    const redis = openPatientRedis(url);
    let reason = 'no connection';
    redis.on('error', (error) => {
      reason = error.message;
    });
    signal.addEventListener('abort', () => redis.disconnect());
    try {
      await redis.connect();
      return await lookAtRedis(redis, { key, clock });
    } catch {
      return { health: { ok: false, problems: [`Redis does not answer: ${reason}`] } };
    } finally {
      redis.disconnect();
    }
  });
}

function storageOf({ env, cwd, clock }: Given, dataDir: string): Check {
  const url = env['STORAGE_URL'] || `file://${resolve(dataDir, 'objects')}`;
  const open = async () => {
    const secret = new Secret(env['DARKROOM_SECRET'] || NO_SECRET);
    const absolute = /^file:(?!\/\/)/.test(url) ? `file://${resolve(cwd, url.slice('file:'.length))}` : url;
    const location = parseStorageUrl(absolute);
    if (location.type === 'folder' && !existsSync(location.root)) return undefined;
    return openStore(absolute, {
      publicUrl: env['PUBLIC_URL'] || 'http://127.0.0.1:8080',
      signingKey: derivedKey(secret, 'links'),
      clock,
      ...(env['GCS_API_ENDPOINT'] && { gcsApiEndpoint: env['GCS_API_ENDPOINT'] }),
    });
  };
  return {
    group: 'Storage',
    name: 'store',
    run: async (signal) => {
      const store = await open();
      if (!store) return [ok('the folder is not there yet: it is made when the programs start')];
      return storageCheck({ store, clock, id: randomUUID }).run(signal);
    },
  };
}

function channelsOf(given: Given): Check[] {
  const { env, cwd, clock } = given;
  const path = env['DARKROOM_CONFIG'] || undefined;
  const file = path ?? CHANNELS_FILES.find((name) => existsSync(resolve(cwd, name)));
  const name = file ? 'file' : 'environment';
  const read = (credentials: 'leave' | 'resolve') => readChannels({ path, env, cwd, credentials });
  // Secrets that are missing are told of with their channel; the others are looked at all the same.
  const problems = problemsIn(() => read('leave'));
  if (problems.length > 0) {
    const mistakes = problemsIn(() => read('resolve')).map((text) => problem(text, 'mend it there, then look again'));
    return [{ group: 'Channels', name, run: async () => mistakes }];
  }
  if (!file && !env['GEMINI_API_KEY']) {
    const what = 'no GEMINI_API_KEY and no channels file: npm start runs the emulator, which bills nothing';
    return [said('Channels', 'file', ok(what))];
  }
  const where = file ? `${file} is valid` : 'one channel, out of GEMINI_API_KEY';
  return [said('Channels', name, ok(where)), ...channelChecks(read('leave').channels, { clock, secretsHere: true })];
}

function said(group: string, name: string, found: ReturnType<typeof ok>): Check {
  return { group, name, run: async () => [found] };
}

function problemsIn(read: () => unknown): readonly string[] {
  try {
    read();
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

/** The folder itself, or what there is of the way to it. */
function existingPart(folder: string): string {
  return existsSync(folder) || dirname(folder) === folder ? folder : existingPart(dirname(folder));
}
