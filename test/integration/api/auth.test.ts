import { randomUUIDv7 } from 'node:crypto';
import { idFrom } from '@darkroom/shared/domain';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anImage, failJob, succeedJob } from '../../support/run-job.ts';
import { startApi, type TestApi } from '../../support/start-api.ts';

let api: TestApi;
beforeAll(async () => {
  // Here failing is the point.
  api = await startApi({ env: { AUTH_FAILURES_MAX: '1000000' } });
});
afterAll(() => api[Symbol.asyncDispose]());

/** Every route that needs a key, with an id in place of `:id`. */
const ROUTES: [method: string, path: string, scope: 'jobs:read' | 'jobs:write' | 'admin'][] = [
  ['POST', '/v1/jobs', 'jobs:write'],
  ['PUT', '/v1/jobs/:id', 'jobs:write'],
  ['GET', '/v1/jobs', 'jobs:read'],
  ['GET', '/v1/jobs/:id', 'jobs:read'],
  ['GET', '/v1/jobs/:id/events', 'jobs:read'],
  ['POST', '/v1/jobs/:id/cancel', 'jobs:write'],
  ['POST', '/v1/jobs/:id/retry', 'jobs:write'],
  ['GET', '/v1/jobs/:id/images', 'jobs:read'],
  ['GET', '/v1/jobs/:id/images/0', 'jobs:read'],
  ['GET', '/v1/jobs/:id/images/0/thumbnail', 'jobs:read'],
  ['POST', '/v1/assets', 'jobs:write'],
  ['GET', '/v1/assets/:asset', 'jobs:read'],
  ['GET', '/v1/models', 'jobs:read'],
  ['GET', '/v1/keys', 'admin'],
  ['GET', '/metrics', 'admin'],
];

const at = (path: string, id = 'mine', asset = `ast_${'0'.repeat(64)}`) =>
  path.replace(':id', id).replace(':asset', asset);
const bodyOf = (method: string, path: string) => {
  if (method === 'GET' || /cancel|retry/.test(path)) return {};
  return { body: path === '/v1/assets' ? { url: 'ftp://x' } : { prompt: 'a mug', dedup: false } };
};

describe('a request without a good key', () => {
  const bad: [string, Record<string, string>][] = [
    ['no key', {}],
    ['an unknown key', { authorization: 'Bearer dk_test_0000000000000000000000000000000000' }],
    ['another scheme', { authorization: 'Basic ZGs6eA==' }],
    ['the bare key', { authorization: 'KEY' }],
    ['two keys in one header', { authorization: 'Bearer KEY KEY' }],
    ['a key with a tail', { authorization: 'Bearer KEYx' }],
    ['a key of 10,000 characters', { 'x-api-key': 'k'.repeat(10_000) }],
    ['an empty key', { 'x-api-key': '' }],
    ['a key in a cookie', { cookie: 'key=KEY' }],
  ];

  it.each(bad)('is refused on every route: %s', async (_name, headers) => {
    const filled = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, value.replaceAll('KEY', api.key)]),
    );

    for (const [method, path] of ROUTES) {
      const answer = await api.call(method, at(path), { key: '', headers: filled, ...bodyOf(method, path) });

      expect([method, path, answer.status, answer.json.code]).toEqual([method, path, 401, 'unauthenticated']);
      expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="darkroom"');
      expect(answer.json.fix).toContain('Authorization');
    }
  });

  it.each(['key', 'api_key', 'access_token', 'x-api-key'])(
    'is refused when the key is in the query as %s',
    async (name) => {
      const answer = await api.call('GET', `/v1/jobs?${name}=${api.key}`, { key: '' });

      expect(answer.status).toBe(401);
      expect(JSON.stringify([answer.text, api.lines])).not.toContain(api.key);
    },
  );

  it('is told nothing of which routes there are', async () => {
    const known = await api.call('GET', '/v1/jobs/x/images/0', { key: '' });
    const unknown = await api.call('GET', '/v1/jobs/x/secrets', { key: '' });

    expect([known.status, unknown.status]).toEqual([401, 401]);
  });
});

describe('a key', () => {
  it.each(['authorization', 'x-api-key', 'x-goog-api-key'])('is taken from %s', async (header) => {
    const value = header === 'authorization' ? `bearer ${api.key}` : api.key;

    expect((await api.call('GET', '/v1/jobs', { key: '', headers: { [header]: value } })).status).toBe(200);
  });

  it('opens the routes of its scopes and no other', async () => {
    for (const scope of ['jobs:read', 'jobs:write', 'admin'] as const) {
      const key = await api.addKey('scoped', [scope]);

      for (const [method, path, needed] of ROUTES) {
        const { status, json } = await api.call(method, at(path), { key, ...bodyOf(method, path) });

        expect([method, path, scope, status === 403]).toEqual([method, path, scope, needed !== scope]);
        expect(json?.code === 'forbidden' ? json.detail : needed).toContain(needed);
      }
    }
  });

  it('is kept as a hash only', async () => {
    const stored = await api.redis.keys(`${api.prefix}key:*`);

    const values = await Promise.all(stored.map((name) => api.redis.hgetall(name)));
    expect(values.length).toBeGreaterThan(0);
    expect(JSON.stringify([stored, values])).not.toContain(api.key.slice(8));
  });
});

describe("another tenant's id", () => {
  it('is answered word for word as an unknown one, on every route', async () => {
    const other = await api.addKey('other');
    const { id } = (await api.call('POST', '/v1/jobs', { body: { prompt: 'mine', dedup: false } })).json;
    await succeedJob(api.deps, id);
    const failed = (await api.call('POST', '/v1/jobs', { body: { prompt: 'mine too', dedup: false } })).json.id;
    await failJob(api.deps, failed);
    await api.call('PUT', '/v1/jobs/order-7', { body: { prompt: 'under my own id', dedup: false } });
    const raw = new Uint8Array(await anImage('png', { seed: 40 }));
    const asset = (await api.call('POST', '/v1/assets', { raw })).json.id;
    const unknown = idFrom('job', randomUUIDv7());
    const routes = ROUTES.filter(([method, path]) => path.includes('/:') && method !== 'PUT');

    for (const [method, path] of routes) {
      const expected = await api.call(method, at(path, unknown), { key: other });
      expect([method, path, expected.status]).toEqual([method, path, 404]);
      for (const foreign of [id, failed, 'order-7']) {
        const answer = await api.call(method, at(path, foreign, asset), { key: other });
        expect(anonymous(answer)).toEqual(anonymous(expected));
      }
    }
    expect((await api.call('GET', '/v1/jobs', { key: other })).json.data).toEqual([]);
  });

  it('is free to be taken by this tenant, and stays apart', async () => {
    const other = await api.addKey('neighbour');
    const mine = await api.call('PUT', '/v1/jobs/shared-name', { body: { prompt: 'mine' } });
    const theirs = await api.call('PUT', '/v1/jobs/shared-name', { body: { prompt: 'theirs' }, key: other });

    expect([mine.status, theirs.status]).toEqual([202, 202]);
    expect((await api.call('GET', '/v1/jobs/shared-name', { key: other })).json.prompt).toBe('theirs');
    await api.call('POST', '/v1/jobs/shared-name/cancel', { key: other });
    expect((await api.call('GET', '/v1/jobs/shared-name')).json.status).toBe('queued');
  });

  it('shares neither work nor idempotency keys', async () => {
    const other = await api.addKey('stranger');
    const call = { body: { prompt: 'the very same' }, headers: { 'idempotency-key': 'one' } };

    const mine = await api.call('POST', '/v1/jobs', call);
    const theirs = await api.call('POST', '/v1/jobs', { ...call, key: other });

    expect(theirs.headers.get('idempotent-replayed')).toBeNull();
    expect(theirs.headers.get('x-dedup')).toBe('miss');
    expect(theirs.json.id).not.toBe(mine.json.id);
  });
});

/** The answer without what differs between any two: its own id and its date. */
function anonymous({ status, headers, text, json }: Awaited<ReturnType<TestApi['call']>>) {
  const kept = [...headers].filter(([name]) => !['x-request-id', 'date', 'keep-alive'].includes(name));
  return { status, kept, text: text.replaceAll(json?.request_id ?? '-', 'req') };
}
