import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type TestApi } from '../../support/start-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api[Symbol.asyncDispose]());

const create = (body: object) => api.call('POST', '/v1/keys', { body });

describe('/v1/keys', () => {
  it('makes a key, lists it without its secret, and revokes it', async () => {
    const made = await create({ tenant: 'acme', scopes: ['jobs:read'] });
    const { id, key, created_at } = made.json;
    expect(made.status).toBe(201);
    expect([id, key]).toEqual([expect.stringMatching(/^key_[0-9a-f]{16}$/), expect.stringMatching(/^dk_live_/)]);
    expect((await api.call('GET', '/v1/jobs', { key })).status).toBe(200);

    const listed = await api.call('GET', '/v1/keys');
    expect(listed.json.data[0]).toEqual({ id, tenant: 'acme', scopes: ['jobs:read'], created_at });
    expect(listed.text).not.toContain(key.slice('dk_live_'.length));
    expect(listed.text).not.toContain(api.key);

    const revoked = [await api.call('DELETE', `/v1/keys/${id}`), await api.call('DELETE', `/v1/keys/${id}`)];
    expect(revoked.map(({ status }) => status)).toEqual([204, 204]);
    expect((await api.call('GET', '/v1/keys')).text).not.toContain(id);
    await expect.poll(async () => (await api.call('GET', '/v1/jobs', { key })).status, { timeout: 3_000 }).toBe(401);
  });

  it('names the key in the log by the id it is listed by', async () => {
    await api.call('GET', '/v1/models');

    const { data } = (await api.call('GET', '/v1/keys?limit=200')).json;
    const line = api.lines.find(({ event, route }) => event === 'http.request' && route === '/v1/models');
    expect(data.map(({ id }: { id: string }) => id)).toContain(line?.['key']);
  });

  it('is paged', async () => {
    for (let n = 0; n < 3; n++) await create({ tenant: `tenant-${n}` });

    const first = await api.call('GET', '/v1/keys?limit=2');
    const next = /^<(.+)>; rel="next"$/.exec(first.headers.get('link') ?? '')?.[1] ?? '';
    const second = await api.call('GET', next);

    expect(first.json).toMatchObject({ has_more: true, next_cursor: expect.any(String) });
    expect([...first.json.data, ...second.json.data].slice(0, 3).map(({ tenant }) => tenant)).toEqual([
      'tenant-2',
      'tenant-1',
      'tenant-0',
    ]);
    const last = await api.call('GET', '/v1/keys?limit=200');
    expect([last.json.has_more, last.headers.get('link')]).toEqual([false, null]);
  });

  it.each([
    ['limit', 'limit=0'],
    ['limit', 'limit=201'],
    ['after', 'after=nonsense'],
    ['tenant', 'tenant=acme'],
  ])('refuses %s in %j', async (param, query) => {
    const { status, json } = await api.call('GET', `/v1/keys?${query}`);

    expect([status, json.param, json.fix]).toEqual([400, param, expect.any(String)]);
  });

  it('is for the scope admin alone', async () => {
    const key = await api.addKey('nobody', ['jobs:read', 'jobs:write']);

    const answers = [
      await api.call('GET', '/v1/keys', { key }),
      await api.call('POST', '/v1/keys', { key, body: { tenant: 'mine' } }),
      await api.call('DELETE', '/v1/keys/key_0000000000000000', { key }),
    ];

    expect(answers.map(({ status, json }) => [status, json.code])).toEqual(answers.map(() => [403, 'forbidden']));
  });
});
