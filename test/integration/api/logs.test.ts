import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { testRedisUrl } from '../../support/redis.ts';
import { startApi } from '../../support/start-api.ts';

const CANARY = 'canary-4f1d-prompt';
const KEY = 'dk_test_canary-4f1d-key-000000000000';
const SECRET = 'canary-4f1d-secret-00000000000000000000';

describe('the log', () => {
  it('has one line for each request, with its route and never its ids as a label', async () => {
    await using api = await startApi();
    const { id } = (await api.call('POST', '/v1/jobs', { body: { prompt: CANARY } })).json;
    await api.call('GET', `/v1/jobs/${id}?wait=1`);
    await api.call('GET', '/v1/jobs/unknown');
    await api.call('GET', '/v1/jobs', { key: 'wrong' });
    await api.call('GET', '/nothing/here', { key: '' });
    const requests = () => api.lines.filter(({ event }) => event === 'http.request');
    await expect.poll(() => requests().length).toBe(5);

    expect(requests().map(({ method, route, status, job }) => [method, route, status, job])).toEqual([
      ['POST', '/v1/jobs', 202, id],
      ['GET', '/v1/jobs/:id', 200, id],
      ['GET', '/v1/jobs/:id', 404, undefined],
      ['GET', 'none', 401, undefined],
      ['GET', 'none', 404, undefined],
    ]);
    for (const { requestId, ms } of requests()) {
      expect([requestId, ms]).toEqual([expect.stringMatching(/^req_/), expect.any(Number)]);
    }
    await api.call('GET', '/files/a/b/c?expires=1', { key: '' });
    await expect.poll(() => requests().at(-1)?.['route']).toBe('/files/*key');
    const { text } = await api.call('GET', '/metrics');
    expect(text).toContain('darkroom_http_request_seconds');
    expect(text).toContain('route="/v1/jobs/:id"');
    expect(text).not.toContain(id);
  });
});

describe('what callers confide', () => {
  it('is in no line, no error, no message and no figure of the running program', async () => {
    await using program = await startProgram();
    const { url, prefix, lines } = program;
    const answers: string[] = [];
    const call = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
      const answer = await fetch(`${url}${path}`, {
        method,
        headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', ...headers },
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const text = await answer.text();
      if (answer.status >= 400 || path === '/metrics') answers.push(text);
      return { status: answer.status, text };
    };

    const accepted = await call('POST', '/v1/jobs', { prompt: CANARY, metadata: { note: CANARY }, tags: [CANARY] });
    await call('POST', '/v1/jobs', { prompt: CANARY, seed: 'x', dedup: CANARY });
    await call('POST', '/v1/jobs', `{"prompt":"${CANARY}"`);
    await call('POST', '/v1/jobs', { prompt: CANARY, references: [{ url: `https://127.0.0.1/${CANARY}` }] });
    await call('POST', '/v1/jobs', { prompt: CANARY, references: [{ data: `data:image/png;base64,${CANARY}` }] });
    await call('PUT', '/v1/jobs/a', { prompt: CANARY }, { 'idempotency-key': CANARY });
    await call('PUT', '/v1/jobs/a', { prompt: `${CANARY}!` }, { 'idempotency-key': CANARY });
    await call('GET', `/v1/jobs/${CANARY}`);
    await call('GET', `/v1/jobs?tag=${CANARY}&key=${KEY}`);
    await call('GET', '/v1/jobs', undefined, { authorization: `Bearer ${KEY}x` });
    await call('POST', '/v1/assets', { url: `https://${CANARY}.example/` });
    await call('GET', '/metrics');
    const messages = await redisValues(`${prefix}{q:*`);
    await program.stop();

    expect(accepted.status).toBe(202);
    expect(messages.length).toBeGreaterThan(0);
    expect(lines.filter((line) => line.includes('http.request')).length).toBeGreaterThanOrEqual(12);
    const told = [...lines, ...answers, ...messages].filter((text) => /canary-4f1d/.test(text));
    expect(told).toEqual([]);
  });

  it('is kept by Redis only where it belongs: in the record', async () => {
    await using api = await startApi();
    const headers = { 'idempotency-key': CANARY };
    const { id } = (await api.call('POST', '/v1/jobs', { body: { prompt: CANARY }, headers })).json;

    const holding: string[] = [];
    for (const key of await api.redis.keys(`${api.prefix}*`)) {
      if (key.includes(CANARY) || (await valueOf(api.redis, key)).includes(CANARY)) holding.push(key);
    }

    expect(holding).toEqual([`${api.prefix}{t:default}:job:${id}`]);
  });
});

async function redisValues(pattern: string): Promise<string[]> {
  const redis = new Redis(testRedisUrl());
  try {
    const keys = await redis.keys(pattern);
    return await Promise.all(keys.map(async (key) => `${key} ${await valueOf(redis, key)}`));
  } finally {
    redis.disconnect();
  }
}

/** All that a key holds. `DUMP` would not do: it compresses. */
async function valueOf(redis: Redis, key: string): Promise<string> {
  const read: Record<string, () => Promise<unknown>> = {
    string: () => redis.get(key),
    hash: () => redis.hgetall(key),
    list: () => redis.lrange(key, 0, -1),
    set: () => redis.smembers(key),
    zset: () => redis.zrange(key, '0', '-1'),
    stream: () => redis.xrange(key, '-', '+'),
  };
  return JSON.stringify(await read[await redis.type(key)]?.());
}

/** The API as an operator runs it: a process, its lines on stdout and stderr. */
async function startProgram() {
  const folder = await mkdtemp(join(tmpdir(), 'darkroom-api-'));
  const prefix = `${folder.slice(-6)}:`;
  const main = new URL('../../../apps/api/src/main.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, ['--conditions=source', main], {
    env: {
      PATH: process.env['PATH'],
      PORT: '0',
      REDIS_URL: testRedisUrl(),
      REDIS_PREFIX: prefix,
      STORAGE_URL: `file://${folder}`,
      DARKROOM_DATA: folder,
      DARKROOM_SECRET: SECRET,
      DARKROOM_API_KEY: KEY,
      LOG_LEVEL: 'trace',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  const listening = Promise.withResolvers<string>();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream).on('line', (line) => {
      lines.push(line);
      const url = /"url":"([^"]+)"/.exec(line)?.[1];
      if (url) listening.resolve(url);
    });
  }
  const exited = once(child, 'exit');
  void exited.then(() => listening.reject(new Error(`it ended: ${lines.join('\n')}`)));
  const stop = async () => {
    child.kill('SIGTERM');
    const [code] = (await exited) as [number | null];
    if (code !== 0) throw new Error(`exit ${code}: ${lines.at(-1)}`);
    await rm(folder, { recursive: true, force: true });
  };
  const url = await listening.promise;
  return { url, prefix, lines, stop, [Symbol.asyncDispose]: async () => void child.kill('SIGKILL') };
}
