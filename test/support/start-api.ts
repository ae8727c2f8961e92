/** The API as it runs in production, composed in this process: real HTTP, the test's Redis, a folder of its own. */

import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv, readChannels } from '@darkroom/shared/config';
import { createUrlCheck, type Lookup, localToo, type SafeFetch } from '@darkroom/shared/net';
import type { Log } from '@darkroom/shared/observability';
import type { Scope } from '@darkroom/shared/schemas';
import { resolveReferences } from '@darkroom/shared/usecases';
import { Redis } from 'ioredis';
import { createApp } from '../../apps/api/src/app.ts';
import { compose } from '../../apps/api/src/compose.ts';
import { ApiEnv } from '../../apps/api/src/config.ts';
import type { ApiDeps } from '../../apps/api/src/deps.ts';
import { createHttpServer, HTTP_LIMITS, type HttpLimits } from '../../apps/api/src/http/server.ts';
import { assertDescribed } from './described-answer.ts';
import { testRedisUrl } from './redis.ts';

export type StartApi = {
  redisUrl?: string;
  /** Environment beyond what the test needs anyway. */
  env?: Record<string, string>;
  /** Text of a channels file; without it there is the one channel that needs none. */
  channelsFile?: string;
  /** The way out to callers' URLs; by default there is none. */
  safeFetch?: SafeFetch;
  /** Where the host names of webhooks lead; by default nowhere. */
  lookup?: Lookup;
  limits?: Partial<HttpLimits>;
  /** Parts of the composed API to put in place of its own. */
  replace?: (deps: ApiDeps) => Partial<ApiDeps>;
};

export type Answer = { status: number; headers: Headers; text: string; json: Json };

/** Parsed JSON of an answer, as loosely as a caller sees it. */
// oxlint-disable-next-line typescript/no-explicit-any -- an answer's shape is checked against the OpenAPI document
export type Json = any;

export type Call = {
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as it is. */
  raw?: string | Uint8Array<ArrayBuffer>;
  headers?: Record<string, string>;
  /** The API key; `''` sends none. Default: the first key. */
  key?: string;
  signal?: AbortSignal;
};

export type LogLine = { level: string; event: string } & Record<string, unknown>;

export type TestApi = AsyncDisposable & {
  url: string;
  port: number;
  prefix: string;
  deps: ApiDeps;
  redis: Redis;
  /** Folder of the object store. */
  folder: string;
  /** The first key: tenant `default`, every scope. */
  key: string;
  lines: LogLine[];
  /** Begins to stop, as on SIGTERM. */
  drain: () => Promise<void>;
  call: (method: string, path: string, call?: Call) => Promise<Answer>;
  addKey: (tenant: string, scopes?: readonly Scope[]) => Promise<string>;
};

const NO_WAY_OUT: SafeFetch = { download: () => Promise.reject(new Error('this test has no way out')) };

export async function startApi(options: StartApi = {}): Promise<TestApi> {
  await using opened = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'darkroom-api-'));
  opened.defer(() => rm(folder, { recursive: true, force: true }));
  const redisUrl = options.redisUrl ?? testRedisUrl();
  const prefix = `${randomUUID()}:`;
  const key = newKey();
  const lines: LogLine[] = [];
  let app: ReturnType<typeof createApp> | undefined;
  const server = createHttpServer((req, res) => app?.(req, res), { ...HTTP_LIMITS, ...options.limits });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  opened.defer(() => new Promise((done) => server.close(() => done())));
  opened.defer(() => server.closeAllConnections());
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const config = parseEnv(ApiEnv, {
    REDIS_URL: redisUrl,
    REDIS_PREFIX: prefix,
    STORAGE_URL: `file://${folder}`,
    DARKROOM_SECRET: randomBytes(32).toString('hex'),
    DARKROOM_API_KEY: key,
    ...options.env,
  });
  if (options.channelsFile !== undefined) await writeFile(join(folder, 'darkroom.config.yaml'), options.channelsFile);
  const channels = readChannels({ path: config.DARKROOM_CONFIG, env: {}, cwd: folder, credentials: 'leave' });
  const composed = opened.use(await compose(config, linesLog(lines), { publicUrl: () => url, channels }));
  opened.defer(composed.drain);
  const deps = withReplaced(composed.deps, options);
  app = createApp(deps);
  const redis = opened.adopt(new Redis(redisUrl), (client) => client.disconnect());
  redis.on('error', () => undefined);
  const owned = opened.move();
  return {
    url,
    port,
    prefix,
    deps,
    redis,
    folder,
    key,
    lines,
    drain: composed.drain,
    call: (method, path, call = {}) => send(url, method, path, { key, ...call }),
    addKey: async (tenant, scopes = ['jobs:read', 'jobs:write']) => {
      const secret = newKey();
      await deps.keys.register(secret, { tenant, scopes });
      return secret;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function withReplaced(composed: ApiDeps, { safeFetch = NO_WAY_OUT, replace, ...options }: StartApi): ApiDeps {
  const { lookup = async () => [], env } = options;
  const checkUrl = createUrlCheck(env?.['WEBHOOK_HTTP'] === 'true' ? localToo({ lookup }) : { lookup });
  const deps = { ...composed, checkUrl, ...replace?.(composed) };
  return {
    ...deps,
    safeFetch,
    resolveReferences: (tenant, references) => resolveReferences({ ...deps, safeFetch }, tenant, references),
  };
}

function newKey(): string {
  return `dk_test_${randomBytes(24).toString('base64url')}`;
}

function linesLog(lines: LogLine[]): Log {
  const at = (level: string) => (fields: object, event: string) => void lines.push({ ...fields, level, event });
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** One request, as a caller makes it; every answer is held against the OpenAPI document. */
async function send(url: string, method: string, path: string, call: Call): Promise<Answer> {
  const { key, body, raw, headers, signal } = call;
  const response = await fetch(`${url}${path}`, {
    method,
    redirect: 'manual',
    headers: {
      ...(key && { authorization: `Bearer ${key}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    ...(raw !== undefined && { body: raw }),
    ...(signal && { signal }),
  });
  const text = await response.text();
  const json = /[/+]json/.test(response.headers.get('content-type') ?? '') && text ? JSON.parse(text) : undefined;
  const answer: Answer = { status: response.status, headers: response.headers, text, json };
  assertDescribed(method, path, answer);
  return answer;
}
