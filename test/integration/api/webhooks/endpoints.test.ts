import { randomUUIDv7 } from 'node:crypto';
import { idFrom } from '@darkroom/shared/domain';
import type { Scope } from '@darkroom/shared/schemas';
import { verifyWebhook } from '@darkroom/shared/webhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Json, startApi, type TestApi } from '../../../support/start-api.ts';

const PUBLIC = '93.184.215.14';
const HOOK = 'https://receiver.example/hook?token=s3cret';
const PATH = '/v1/webhook-endpoints';

let api: TestApi;
beforeAll(async () => {
  api = await startApi({ lookup: async () => [PUBLIC] });
});
afterAll(() => api[Symbol.asyncDispose]());

const create = (body: object = {}, headers: Record<string, string> = {}) =>
  api.call('POST', PATH, { body: { url: HOOK, ...body }, headers });
const made = async (body: object = {}): Promise<Json> => (await create(body)).json;
const get = async (id: string): Promise<Json> => (await api.call('GET', `${PATH}/${id}`)).json;
const patch = (id: string, body: object) => api.call('PATCH', `${PATH}/${id}`, { body });

describe('an endpoint', () => {
  it('is made with a secret that is shown once and lies sealed', async () => {
    const answer = await create({ events: ['job.failed', 'batch.*', 'job.failed'], description: ' the shop ' });

    expect([answer.status, answer.headers.get('cache-control')]).toEqual([201, 'no-store']);
    const { id, secret, ...view } = answer.json;
    expect(answer.headers.get('location')).toBe(`${PATH}/${id}`);
    expect(Buffer.from(secret.slice('whsec_'.length), 'base64')).toHaveLength(32);
    expect(view).toMatchObject({
      url: 'https://receiver.example/hook',
      description: 'the shop',
      events: ['job.failed', 'batch.started', 'batch.progressed', 'batch.completed', 'batch.canceled'].concat([
        'batch.expired',
        'batch.rescued',
      ]),
      headers: [],
      enabled: true,
      health: { failures: 0, waiting: 0 },
      urls: { self: `${PATH}/${id}`, deliveries: `${PATH}/${id}/deliveries`, test: `${PATH}/${id}/test` },
    });
    const shown = [await get(id), (await api.call('GET', PATH)).json.data.find((one: Json) => one.id === id)];
    expect(shown).toEqual([
      { id, ...view },
      { id, ...view },
    ]);
    expect(JSON.stringify(await recordOf(id))).not.toContain(secret.slice('whsec_'.length));
    expect(JSON.stringify(api.lines)).not.toMatch(/s3cret|whsec_/);
  });

  it('hears of everything, and of what is to come, unless it chooses', async () => {
    expect(await made()).not.toHaveProperty('events');
  });

  it('is made once under one key, and shown again with its secret', async () => {
    const key = { 'idempotency-key': 'one-endpoint' };
    const first = await create({ description: 'once' }, key);

    const again = await create({ description: 'once' }, key);
    const other = await create({ description: 'twice' }, key);

    expect([again.status, again.headers.get('idempotent-replayed'), again.json]).toEqual([201, 'true', first.json]);
    expect([other.status, other.json.code]).toEqual([422, 'idempotency_key_reused']);
    await api.call('DELETE', `${PATH}/${first.json.id}`);
    expect((await create({ description: 'once' }, key)).status).toBe(201);
  });

  it('is the same one for all who ask at once under one key', async () => {
    const answers = await Promise.all(Array.from({ length: 5 }, () => create({}, { 'idempotency-key': 'at-once' })));

    expect(new Set(answers.map(({ json }) => `${json.id} ${json.secret}`)).size).toBe(1);
  });

  it('is changed field by field', async () => {
    const {
      id,
      secret: _,
      ...before
    } = await made({
      events: ['job.*'],
      description: 'a',
      headers: { Authorization: 'Bearer t0ken', 'X-Shop': 'one' },
    });
    expect(before.headers).toEqual(['authorization', 'x-shop']);

    expect((await patch(id, { description: 'b' })).json).toEqual({ id, ...before, description: 'b' });
    expect((await patch(id, { description: null, events: null })).json).toEqual(
      without({ id, ...before }, 'description', 'events'),
    );
    const moved = await patch(id, { url: 'https://other.example/x', headers: { authorization: null, 'x-new': 'y' } });
    expect(moved.json).toMatchObject({ url: 'https://other.example/x', headers: ['x-shop', 'x-new'] });
    expect(JSON.stringify([before, moved.text, await get(id)])).not.toContain('t0ken');
    const { headers } = await recordOf(id);
    const opened = Object.entries<string>(headers).map(([name, sealed]) => [
      name,
      api.deps.secrets.open(sealed, { tenant: 'default', id }),
    ]);
    expect(opened).toEqual([
      ['x-shop', 'one'],
      ['x-new', 'y'],
    ]);
    expect(JSON.stringify(headers)).not.toContain('one');
  });

  it('is disabled by its caller, says so, and is enabled again', async () => {
    const { id } = await made();

    const off = (await patch(id, { enabled: false })).json;
    expect(off).toMatchObject({ enabled: false, disabled_reason: 'caller', disabled_at: expect.any(String) });
    expect((await patch(id, { enabled: false })).json).toEqual(off);
    const test = await api.call('POST', `${PATH}/${id}/test`);
    expect([test.status, test.json.code, test.json.fix]).toEqual([409, 'conflict', expect.stringContaining('enabled')]);
    expect((await patch(id, { enabled: true })).json).not.toHaveProperty('disabled_reason');
    expect((await recordOf(id)).gaps).toMatchObject([
      { from: 0 },
      { from: expect.any(Number), until: expect.any(Number) },
    ]);
    expect(await made({ enabled: false })).toMatchObject({ enabled: false, disabled_reason: 'caller' });
  });

  it('is gone once it is deleted', async () => {
    const { id } = await made();

    expect((await api.call('DELETE', `${PATH}/${id}`)).status).toBe(204);
    expect((await api.call('DELETE', `${PATH}/${id}`)).status).toBe(404);
    expect((await api.call('GET', `${PATH}/${id}`)).status).toBe(404);
  });

  it('can be tested: an event of its own, whatever it has chosen', async () => {
    const { id } = await made({ events: ['batch.completed'] });

    const { status, json, headers } = await api.call('POST', `${PATH}/${id}/test`);

    expect([status, headers.get('location')]).toEqual([202, `/v1/deliveries/${json.delivery}`]);
    expect((await api.call('GET', `/v1/events/${json.event}`)).json).toMatchObject({
      type: 'webhook_endpoint.test',
      data: { id, url: 'https://receiver.example/hook', enabled: true, health: { failures: 0 } },
    });
    const listed = (await api.call('GET', `/v1/events?endpoint=${id}`)).json.data;
    expect(listed.map((event: Json) => event.id)).toEqual([json.event]);
    await api.call('DELETE', `${PATH}/${id}`);
    expect((await api.call('GET', `/v1/events/${json.event}`)).json.data).toEqual({
      id,
      urls: { self: `${PATH}/${id}` },
    });
  });
});

describe('a new secret', () => {
  const rotate = (id: string, body?: object) =>
    api.call('POST', `${PATH}/${id}/rotate-secret`, body === undefined ? {} : { body });

  it('takes the place of the old one, which signs along for a day', async () => {
    const { id, secret } = await made();

    const rotated = await rotate(id);

    expect(rotated.json.secret).not.toBe(secret);
    const [until] = rotated.json.old_secrets_until;
    expect(Math.abs(Date.parse(until) - Date.now() - 86_400_000)).toBeLessThan(60_000);
    expect(await get(id)).not.toHaveProperty('secret');
    expect((await secretsOf(id)).map(({ opened }) => opened)).toEqual([rotated.json.secret, secret]);
  });

  it('may be alone from now on', async () => {
    const { id } = await made();
    await rotate(id, { overlap: '2h' });

    const { json } = await rotate(id, { overlap: '0s' });

    expect(json).not.toHaveProperty('old_secrets_until');
    expect((await secretsOf(id)).map(({ opened }) => opened)).toEqual([json.secret]);
  });

  it('never ends an old one later than was said, and no more than five sign', async () => {
    const { id } = await made();
    await rotate(id, { overlap: '1h' });
    const day = await rotate(id);
    const [first, second] = day.json.old_secrets_until.map(Date.parse);
    expect(first - second).toBeGreaterThan(22 * 3_600_000);
    for (let n = 0; n < 2; n++) expect((await rotate(id)).status).toBe(200);

    const { status, json } = await rotate(id);

    expect([status, json.code, json.param]).toEqual([409, 'conflict', 'overlap']);
    expect((await rotate(id, { overlap: '0s' })).status).toBe(200);
  });

  it.each([['0'], ['10d'], ['-1h'], [5], ['']])('does not overlap with the old one for %j', async (overlap) => {
    const { id } = await made();

    const { status, json } = await rotate(id, { overlap });

    expect([status, json.param]).toEqual([400, 'overlap']);
    expect(json.detail).toBe('overlap must be a duration such as "24h", at most 7d; "0s" for none.');
  });
});

describe('the secret of what jobs name themselves', () => {
  it('is the same until it is rotated, and another for each tenant', async () => {
    const read = (key = api.key) => api.call('GET', '/v1/webhook-secret', { key });
    const [first, again, other] = [
      await read(),
      await read(),
      await read(await api.addKey('else', ['webhooks:write'])),
    ];
    expect(first.headers.get('cache-control')).toBe('no-store');
    expect([again.json, other.json.secret === first.json.secret]).toEqual([first.json, false]);

    const rotated = await api.call('POST', '/v1/webhook-secret/rotate', { body: { overlap: '1h' } });

    expect(rotated.json.secret).not.toBe(first.json.secret);
    const [until] = rotated.json.old_secrets_until;
    expect(Date.parse(until)).toBeGreaterThan(Date.now());
    expect((await read()).json).toEqual(rotated.json);
    expect((await api.call('POST', '/v1/webhook-secret/rotate', { body: { overlap: '0s' } })).json).not.toHaveProperty(
      'old_secrets_until',
    );
    expect(verifyWebhook({ headers: {}, body: Buffer.from('') }, rotated.json.secret, 0).type).toBe('refused');
  });

  it('is rotated while less than five sign, by several at a time as well', async () => {
    const key = await api.addKey('rotating', ['webhooks:write']);
    const rotate = (overlap: string) => api.call('POST', '/v1/webhook-secret/rotate', { key, body: { overlap } });

    const made = await Promise.all(['24h', '24h', '24h', '24h'].map(rotate));

    expect(made.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(new Set(made.map(({ json }) => json.secret)).size).toBe(4);
    const { json } = await api.call('GET', '/v1/webhook-secret', { key });
    expect(json.old_secrets_until).toHaveLength(4);
    const refused = await rotate('1h');
    expect([refused.status, refused.json.param]).toEqual([409, 'overlap']);
    expect(refused.json.fix).toContain('"0s"');
    expect((await rotate('0s')).json).not.toHaveProperty('old_secrets_until');
  });
});

describe('bad input', () => {
  const long = 'x'.repeat(300);
  const bad: [body: object, param: string, says: RegExp][] = [
    [{ url: 7 }, 'url', /url must be a string/],
    [{ url: '' }, 'url', /url must not be empty/],
    [{ url: `https://receiver.example/${'x'.repeat(2_050)}` }, 'url', /at most 2048/],
    [{ url: 'receiver.example' }, 'url', /not a valid absolute URL/],
    [{ events: [] }, 'events', /must not be empty/],
    [{ events: 'job.*' }, 'events', /must be an array/],
    [{ events: ['job.suceeded'] }, 'events[0]', /must be a type of event .+; did you mean job\.succeeded\?$/],
    [{ events: ['jobs.*'] }, 'events[0]', /; did you mean job\.\*\?$/],
    [{ events: ['*'] }, 'events[0]', /must be a type of event .+; there are job\./],
    [{ events: Array.from({ length: 51 }, () => 'job.*') }, 'events', /at most 50/],
    [{ description: long }, 'description', /at most 200/],
    [{ description: 7 }, 'description', /must be a string/],
    [{ enabled: 'yes' }, 'enabled', /must be true or false/],
    [{ headers: [] }, 'headers', /must be an object/],
    ...['host', 'Content-Type', 'content-length', 'webhook-id', 'webhook-signature', 'connection', 'cookie'].map(
      (name): [object, string, RegExp] => [
        { headers: { [name]: 'x' } },
        `headers.${name}`,
        /is not a valid name: it must be Authorization or begin with X-/,
      ],
    ),
    [{ headers: { 'X-Forwarded-For': '1.2.3.4' } }, 'headers.X-Forwarded-For', /that proxies write/],
    [{ headers: { 'x-a b': 'x' } }, 'headers.x-a b', /Authorization or begin with X-/],
    [{ headers: { 'x-a': 'a\r\nhost: b' } }, 'headers.x-a', /printable ASCII/],
    [{ headers: { 'x-a': 'ä' } }, 'headers.x-a', /printable ASCII/],
    [{ headers: { 'x-a': ' a' } }, 'headers.x-a', /printable ASCII/],
    [{ headers: { 'x-a': '' } }, 'headers.x-a', /printable ASCII/],
    [{ headers: { 'x-a': 'x'.repeat(1_025) } }, 'headers.x-a', /at most 1024/],
    [{ headers: { 'x-a': '1', 'X-A': '2' } }, 'headers', /a name twice/],
    [
      { headers: Object.fromEntries(Array.from({ length: 11 }, (_, n) => [`x-${n}`, 'x'])) },
      'headers',
      /at most 10 headers/,
    ],
    [{ secret: 'whsec_x' }, 'secret', /is not a field/],
  ];

  it.each(bad.map(([body, param, says]) => ({ body, param, says })))(
    'is refused by name, on the way in and later: $param, $says',
    async ({ body, param, says }) => {
      const { id } = await made();

      for (const answer of [await create(body), await patch(id, body)]) {
        expect([answer.status, answer.json.code, answer.json.param]).toEqual([400, 'invalid_request', param]);
        expect(answer.json.errors[0].message + answer.json.detail).toMatch(says);
        expect(answer.json.fix).toMatch(/\w/);
      }
    },
  );

  it('is a change of nothing, a tenth and an eleventh header, or an endpoint too many', async () => {
    const { id } = await made({ headers: Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`x-${n}`, 'x'])) });

    expect((await patch(id, {})).json.detail).toContain('at least one field');
    expect((await patch(id, { headers: { 'x-10': 'x' } })).json).toMatchObject({ status: 400, param: 'headers' });
    expect((await patch(id, { headers: { 'x-10': 'x', 'x-0': null } })).status).toBe(200);
    expect((await patch(id, { headers: { authorization: 5 } })).json.param).toBe('headers.authorization');
    const key = await api.addKey('full', ['webhooks:write']);
    const answers = [];
    for (let n = 0; n <= 50; n++) answers.push(await api.call('POST', PATH, { body: { url: HOOK }, key }));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(50);
    expect(answers.at(-1)?.json).toMatchObject({
      status: 409,
      code: 'conflict',
      fix: expect.stringContaining('Delete'),
    });
  });

  it.each([`${PATH}/whe_x`, `${PATH}/${idFrom('whe', randomUUIDv7())}`])('is an id that is none: %s', async (path) => {
    expect((await api.call('GET', path)).json.detail).toBe('There is no such endpoint.');
  });
});

describe("another tenant's endpoint", () => {
  it('is answered word for word as an unknown one, on every route', async () => {
    const { id } = await made();
    const key = await api.addKey('other', ['jobs:read', 'jobs:write', 'webhooks:write']);
    const unknown = idFrom('whe', randomUUIDv7());
    const routes = [
      ['GET', ''],
      ['PATCH', '', { enabled: false }],
      ['DELETE', ''],
      ['POST', '/rotate-secret'],
      ['POST', '/test'],
      ['GET', '/deliveries'],
    ] as const;

    for (const [method, path, body] of routes) {
      const call = { key, ...(body && { body }) };
      const answers = [
        await api.call(method, `${PATH}/${id}${path}`, call),
        await api.call(method, `${PATH}/${unknown}${path}`, call),
      ];
      const [foreign, none] = answers.map(({ status, json }) => ({ status, ...json, request_id: '' }));
      expect([method, path, foreign?.status]).toEqual([method, path, 404]);
      expect(foreign).toEqual(none);
    }
    expect((await api.call('GET', PATH, { key })).json.data).toEqual([]);
    expect(await get(id)).toMatchObject({ enabled: true });
  });
});

describe('a scope', () => {
  const routes: [method: string, path: string, scope: Scope][] = [
    ['POST', PATH, 'webhooks:write'],
    ['GET', PATH, 'jobs:read'],
    ['GET', `${PATH}/:id`, 'jobs:read'],
    ['PATCH', `${PATH}/:id`, 'webhooks:write'],
    ['DELETE', `${PATH}/:id`, 'webhooks:write'],
    ['POST', `${PATH}/:id/rotate-secret`, 'webhooks:write'],
    ['POST', `${PATH}/:id/test`, 'webhooks:write'],
    ['GET', `${PATH}/:id/deliveries`, 'jobs:read'],
    ['GET', '/v1/webhook-secret', 'webhooks:write'],
    ['POST', '/v1/webhook-secret/rotate', 'webhooks:write'],
    ['GET', '/v1/events/:id/deliveries', 'jobs:read'],
    ['GET', '/v1/deliveries/:id', 'jobs:read'],
    ['POST', '/v1/deliveries/:id/resend', 'webhooks:write'],
  ];

  it('opens its routes and no other', async () => {
    for (const scope of ['jobs:read', 'jobs:write', 'webhooks:write', 'admin'] as const) {
      const key = await api.addKey('scoped', [scope]);
      for (const [method, path, needed] of routes) {
        const body = method === 'PATCH' || path === PATH ? { url: 'no url' } : undefined;
        const call = { key, ...(body && method !== 'GET' && { body }) };
        const { status } = await api.call(method, path.replace(':id', 'mine'), call);
        expect([method, path, scope, status === 403]).toEqual([method, path, scope, needed !== scope]);
      }
    }
  });

  it('is asked for by name: a new key has it not, the first key has', async () => {
    const { json } = await api.call('POST', '/v1/keys', { body: { tenant: 'acme' } });

    expect(json.scopes).toEqual(['jobs:write', 'jobs:read']);
    const answer = await api.call('POST', PATH, { body: { url: HOOK }, key: json.key });
    expect([answer.status, answer.json.detail]).toEqual([403, 'The API key lacks the scope webhooks:write.']);
    expect((await create()).status).toBe(201);
  });
});

async function recordOf(id: string): Promise<Json> {
  return api.deps.endpoints.read('default', id);
}

async function secretsOf(id: string): Promise<{ opened: string }[]> {
  const { secrets } = await recordOf(id);
  return secrets.map((one: Json) => ({ opened: api.deps.secrets.open(one.sealed, { tenant: 'default', id }) }));
}

function without(value: Json, ...names: string[]): Json {
  return Object.fromEntries(Object.entries(value).filter(([name]) => !names.includes(name)));
}
