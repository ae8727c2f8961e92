/**
 * The whole system for tests: Redis, API and workers as real processes from source, a provider that keeps a bill, and
 * a caller that remembers what it was promised.
 */

import { createHash, randomBytes, randomInt } from 'node:crypto';
import { lstat, mkdtemp, readdir, rename, rm, symlink, unlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Emulator, type EmulatorOptions, startEmulator } from '@darkroom/emulator';
import { derivedKey, Secret } from '@darkroom/shared/config';
import { createApiKeys } from '@darkroom/shared/storage/redis';
import { Redis } from 'ioredis';
import { spooledIn } from './spooled.ts';
import { type ChannelsOption, withAccounts, writeChannels } from './system/channels.ts';
import { type Client, createClient, endOf } from './system/client.ts';
import { type AccountBill, billsOf, type Figures, figuresOf, type Seen, violationsOf } from './system/invariants.ts';
import { createProgram, type Env, type Program } from './system/program.ts';
import { readTenants } from './system/records.ts';

export type { Figures } from './system/invariants.ts';
export type { Env, Program } from './system/program.ts';

export type SystemOptions = {
  /** A Redis that runs already; each system takes a prefix of its own in it. */
  redisUrl: string;
  /** Started workers. Default 1; 0 = none yet. */
  workers?: number;
  apiEnv?: Env;
  workerEnv?: Env;
  emulator?: EmulatorOptions;
  /** Several ways to reach the provider, each an account of its own there; none = one, from the environment. */
  channels?: ChannelsOption;
  /** Begin without the API. */
  withoutApi?: boolean;
};

export type System = AsyncDisposable & {
  emulator: Emulator;
  redis: Redis;
  prefix: string;
  redisUrl: string;
  /** Data folder: `spool/` and `objects/` lie in it. */
  dataDir: string;
  secret: string;
  api: Program;
  workers: Program[];
  /** The caller of the tenant `default`. */
  client: Client;
  /** A caller of another tenant. */
  clientOf(tenant: string): Promise<Client>;
  /** One more API, started, and a caller of the tenant `default` who uses it. */
  addApi(): Promise<Client>;
  /** One more worker, not started. */
  addWorker(env?: Env): Program;
  /** Takes the object store away, and brings it back if it is away. */
  storage: { takeAway(): Promise<void>; bringBack(): Promise<void> };
  /** Files left in the spool that belong to attempts. */
  spooled(): Promise<string[]>;
  /** Waits until nothing is under way any more. */
  idle(timeoutMs?: number): Promise<void>;
  /** Looks at everything from outside. */
  look(): Promise<Seen>;
  /** What each account was charged, and what the records say of it. */
  bills(): Promise<AccountBill[]>;
  /** Fails with every broken promise; answers with the figures when there is none. */
  assertInvariants(options?: { timeoutMs?: number }): Promise<Figures>;
};

const ROOT = new URL('../../', import.meta.url);
/** The key the provider is called with; no log may show it. */
export const PROVIDER_KEY = 'AIzaCanaryOfTheProviderKey0123456789abcd';

/** Starts a system of its own on `redisUrl`. Disposing kills what still runs and removes its data. */
export async function startSystem(options: SystemOptions): Promise<System> {
  await using opened = new AsyncDisposableStack();
  const dataDir = await mkdtemp(join(tmpdir(), 'darkroom-system-'));
  opened.defer(() => rm(dataDir, { recursive: true, force: true, maxRetries: 5 }));
  const { channels } = options;
  const emulator = opened.use(
    await startEmulator(channels ? withAccounts(options.emulator, channels) : options.emulator),
  );
  const redis = opened.adopt(new Redis(options.redisUrl, { maxRetriesPerRequest: null }), (it) => it.disconnect());
  redis.on('error', () => undefined);
  const prefix = `s${randomBytes(5).toString('hex')}:`;
  const secret = randomBytes(24).toString('hex');
  const apiKey = `dk_test_${randomBytes(16).toString('hex')}`;
  const common: Env = {
    REDIS_URL: options.redisUrl,
    REDIS_PREFIX: prefix,
    DARKROOM_SECRET: secret,
    DARKROOM_DATA: dataDir,
    STORAGE_URL: `file://${join(dataDir, 'objects')}`,
    ...(channels && (await writeChannels(channels, { folder: dataDir, url: emulator.url }))),
  };
  const newApi = (name: string, port: number) =>
    createProgram({
      name,
      main: new URL('apps/api/src/main.ts', ROOT),
      env: { ...common, DARKROOM_API_KEY: apiKey, PORT: String(port), ...options.apiEnv },
      ready: 'api.listening',
    });
  const port = await freePort();
  const api = opened.use(newApi('api', port));
  const moreApis = opened.use(new AsyncDisposableStack());
  const workers: Program[] = [];
  opened.defer(async () => {
    await Promise.all(workers.map((worker) => worker[Symbol.asyncDispose]()));
  });
  const addWorker = (env: Env = {}): Program => {
    const worker = createProgram({
      name: `worker${workers.length + 1}`,
      main: new URL('apps/worker/src/main.ts', ROOT),
      env: {
        ...common,
        GEMINI_API_KEY: PROVIDER_KEY,
        GEMINI_BASE_URL: emulator.url,
        // Faults come thick in tests; a breaker opens on them, and must not hold a test up for minutes.
        BREAKER_COOL_DOWN_MS: '100',
        PORT: String(port),
        ...options.workerEnv,
        ...env,
      },
      ready: 'worker.listening',
    });
    workers.push(worker);
    return worker;
  };
  const url = () => `http://127.0.0.1:${port}`;
  const client = createClient({ url, apiKey });
  const clients = [client];
  for (let n = 0; n < (options.workers ?? 1); n++) addWorker();
  await Promise.all([options.withoutApi ? undefined : api.start(), ...workers.map((worker) => worker.start())]);

  const accounts = new Set(channels?.channels.map(({ id }) => id));
  const parts = { emulator, redis, prefix, dataDir, clients, accounts };
  const owned = opened.move();
  return {
    ...parts,
    redisUrl: options.redisUrl,
    secret,
    api,
    workers,
    client,
    clientOf: async (tenant) => {
      const other = `dk_test_${randomBytes(16).toString('hex')}`;
      const keys = createApiKeys({ redis, prefix, pepper: derivedKey(new Secret(secret), 'api-keys'), now: Date.now });
      await keys.register(other, { tenant, scopes: ['jobs:write', 'jobs:read', 'admin'] });
      const made = createClient({ url, apiKey: other });
      clients.push(made);
      return made;
    },
    addApi: async () => {
      const itsPort = await freePort();
      await moreApis.use(newApi(`api-${itsPort}`, itsPort)).start();
      const made = createClient({ url: () => `http://127.0.0.1:${itsPort}`, apiKey });
      clients.push(made);
      return made;
    },
    addWorker,
    storage: storageOf(join(dataDir, 'objects')),
    spooled: () => spooledIn(join(dataDir, 'spool')),
    idle: (timeoutMs) => untilIdle(parts, timeoutMs),
    look: () => look(parts),
    bills: async () => billsOf(await look(parts)),
    assertInvariants: async ({ timeoutMs } = {}) => {
      await untilIdle(parts, timeoutMs).catch(() => undefined);
      let seen = await look(parts);
      // A look takes a while, in which the archive may move a job between the places that are looked at. What is broken
      // stays broken.
      if (violationsOf(seen).length > 0) seen = await look(parts);
      const violations = violationsOf(seen);
      if (violations.length > 0) throw new Error(`promises broken:\n  ${violations.join('\n  ')}`);
      return figuresOf(seen);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

type Parts = Pick<System, 'emulator' | 'redis' | 'prefix' | 'dataDir'> & {
  clients: Client[];
  accounts: ReadonlySet<string>;
};

/** A dangling link in the store's place: nothing can be read or written, and nothing new can be made there. */
function storageOf(root: string): System['storage'] {
  return {
    takeAway: async () => {
      await rename(root, `${root}-away`);
      await symlink(join(root, 'nowhere', 'at', 'all'), root);
    },
    bringBack: async () => {
      if (!(await lstat(root)).isSymbolicLink()) return;
      await unlink(root);
      await rename(`${root}-away`, root);
    },
  };
}

/** Waits until no job is open, no lease is held and the spool is empty. */
async function untilIdle({ redis, prefix, dataDir, emulator }: Parts, timeoutMs = 20_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  await emulator.control.idle();
  for (;;) {
    const left = await unfinished({ redis, prefix, dataDir });
    if (left.length === 0) return;
    if (performance.now() > end) throw new Error(`not idle after ${timeoutMs} ms: ${left.join(', ')}`);
    await sleep(50);
  }
}

async function unfinished({ redis, prefix, dataDir }: Pick<Parts, 'redis' | 'prefix' | 'dataDir'>): Promise<string[]> {
  const left: string[] = [];
  for (const tenant of await redis.smembers(`${prefix}tenants`)) {
    for (const list of ['wakes', 'leases', 'handoffs', 'deadlines']) {
      const size = await redis.zcard(`${prefix}{t:${tenant}}:${list}`);
      if (size > 0) left.push(`${size} ${list} of ${tenant}`);
    }
  }
  const chunks = await redis.zcard(`${prefix}{q:batches}:open`);
  return [...left, ...(chunks > 0 ? [`${chunks} open chunks`] : []), ...(await spooledIn(join(dataDir, 'spool')))];
}

/** Reads everything the checker judges by. */
async function look({ emulator, redis, prefix, dataDir, clients, accounts }: Parts): Promise<Seen> {
  const tenants = await readTenants(redis, prefix, join(dataDir, 'objects', 'objects'));
  const records = new Map(tenants.flatMap(({ jobs }) => jobs.map((job) => [job.id, job] as const)));
  const shown: Map<string, Seen['shown'] extends ReadonlyMap<string, infer V> ? V : never> = new Map();
  for (const client of clients) {
    for (const id of client.accepted) {
      const { status, body } = await client.get(id);
      const record = records.get(id);
      const images = [...(record?.images ?? []), ...(record?.lateImages ?? [])];
      shown.set(id, {
        status,
        ...(status === 200 && { end: endOf(body) }),
        images: await Promise.all(
          images.map(async ({ n, key }) => {
            const got = await client.download(`/v1/jobs/${encodeURIComponent(id)}/images/${n}`).catch(() => undefined);
            return { key, ...(got && { sha256: got.sha256, bytes: got.bytes.length }) };
          }),
        ),
      });
    }
  }
  return {
    tenants,
    journal: emulator.control.journal().entries,
    accounts,
    accepted: new Set(clients.flatMap((client) => [...client.accepted])),
    ends: new Map(clients.flatMap((client) => [...client.ends])),
    shown,
    spooled: await spooledIn(join(dataDir, 'spool')),
    stored: await storedIn(join(dataDir, 'objects', 'objects')),
  };
}

async function storedIn(objects: string): Promise<string[]> {
  const found = await readdir(join(objects, 'results'), { recursive: true, withFileTypes: true }).catch(() => []);
  return found.filter((item) => item.isFile()).map((item) => relative(objects, join(item.parentPath, item.name)));
}

/** Ports that no system hands out by itself: a program that is away for a moment finds its own still free. */
const PORTS = { from: 20_000, to: 32_000 };
const PORT_TRIES = 50;

async function freePort(): Promise<number> {
  for (let n = 0; n < PORT_TRIES; n++) {
    const port = randomInt(PORTS.from, PORTS.to);
    if (await isFree(port)) return port;
  }
  throw new Error('no free port');
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  server.once('error', () => resolve(false));
  server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  return promise;
}

/** A body whose prompt no other job has. */
export function aBody(more: Record<string, unknown> = {}): Record<string, unknown> {
  const words = createHash('sha256').update(randomBytes(8)).digest('hex').slice(0, 10);
  return { prompt: `a mug ${words}`, model: 'gemini-3.1-flash-image', size: '512', ...more };
}
