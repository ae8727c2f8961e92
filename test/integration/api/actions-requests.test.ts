import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { actionWorkers, startAction, submitJobs } from '../../support/actions.ts';
import { type Call, startApi, type TestApi } from '../../support/start-api.ts';

let api: TestApi;

beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api[Symbol.asyncDispose]());

const cancelAll = { action: 'cancel', filter: {} };
const post = (body: object, call: Call = {}) => api.call('POST', '/v1/actions', { ...call, body });

/** No test leaves an open action to the next one. */
afterEach(async () => {
  await using workers = actionWorkers(api);
  await workers.round();
});

describe('a body that is no action', () => {
  it.each([
    [{ filter: {} }, 'action', 'action is required: one of cancel, retry, reprioritise.'],
    [
      { action: 'cancle', filter: {} },
      'action',
      'action must be one of cancel, retry, reprioritise; did you mean cancel?',
    ],
    [{ action: 'cancel' }, 'filter', 'filter is required.'],
    [
      { action: 'cancel', filter: { tags: 'a' } },
      'filter.tags',
      'filter.tags is not a field of this request; did you mean tag?',
    ],
    [
      { action: 'cancel', filter: { status: 'succeeded' } },
      'filter.status',
      'filter.status must be one of queued, running to cancel, not succeeded.',
    ],
    [
      { action: 'retry', filter: { status: 'succeeded' } },
      'filter.status',
      'filter.status must be one of failed, expired, canceled, blocked, queued to retry, not succeeded.',
    ],
    [
      { action: 'reprioritise', filter: {} },
      'priority',
      'priority is required to reprioritise: a whole number from 1 to 9.',
    ],
    [{ action: 'reprioritise', filter: {}, priority: 10 }, 'priority', 'priority must be a whole number from 1 to 9.'],
    [{ action: 'cancel', filter: {}, priority: 1 }, 'priority', 'priority has no meaning for cancel.'],
    [
      { action: 'cancel', filter: { created_before: 'noon' } },
      'filter.created_before',
      'filter.created_before must be a time in RFC 3339 such as "2026-11-21T06:00:00Z".',
    ],
    [{ action: 'cancel', filter: { model: 'gpt' } }, 'filter.model', 'filter.model "gpt" is not known.'],
    [
      { action: 'cancel', filter: { metadata: { a: 1 } } },
      'filter.metadata.a',
      'filter.metadata.a must be a string, not a number.',
    ],
  ])('is refused by name: %j', async (body, param, detail) => {
    for (const sent of [body, { ...body, preview: true }]) {
      const { status, json } = await post(sent);

      expect([status, json.code, json.param, json.detail]).toEqual([400, 'invalid_request', param, detail]);
    }
    expect((await api.call('GET', '/v1/actions')).json.data).toEqual([]);
  });
});

describe('an action', () => {
  it('is accepted with a handle, and found under it', async () => {
    const accepted = await post({ ...cancelAll, filter: { tag: 'none', metadata: { sku: '7' } } });
    const { id } = accepted.json;

    expect(accepted.status).toBe(202);
    expect(accepted.headers.get('location')).toBe(`/v1/actions/${id}`);
    expect(accepted.headers.get('retry-after')).toBe('2');
    expect(accepted.json).toEqual({
      id: expect.stringMatching(/^act_[0-9a-f]{32}$/),
      action: 'cancel',
      filter: { tag: 'none', metadata: { sku: '7' } },
      status: 'running',
      created_at: expect.any(String),
      expected: { count: 0, at_least: false },
      counts: { matched: 0, done: 0, skipped: 0, failed: 0 },
      errors: [],
      urls: { self: `/v1/actions/${id}`, abort: `/v1/actions/${id}/abort` },
    });
    expect((await api.call('GET', `/v1/actions/${id}`)).json).toEqual(accepted.json);
  });

  it('is the same one when it is sent again under its key', async () => {
    const headers = { 'idempotency-key': 'spring-cleaning' };
    const first = await post(cancelAll, { headers });
    const again = await post(cancelAll, { headers });
    const other = await post({ ...cancelAll, filter: { tag: 'a' } }, { headers });
    await using workers = actionWorkers(api);
    await workers.round();
    const over = await post(cancelAll, { headers });

    expect([again.status, again.json.id]).toEqual([202, first.json.id]);
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect([other.status, other.json.code]).toEqual([422, 'idempotency_key_reused']);
    expect([over.status, over.json.id, over.json.status]).toEqual([200, first.json.id, 'done']);
    expect(over.headers.get('retry-after')).toBeNull();
  });

  it('needs jobs:write; its progress, jobs:read', async () => {
    const { id } = await startAction(api, cancelAll);
    const reader = await api.addKey('default', ['jobs:read']);
    const writer = await api.addKey('default', ['jobs:write']);

    expect((await post(cancelAll, { key: reader })).status).toBe(403);
    expect((await post({ ...cancelAll, preview: true }, { key: reader })).status).toBe(403);
    expect((await api.call('POST', `/v1/actions/${id}/abort`, { key: reader })).status).toBe(403);
    expect((await api.call('GET', `/v1/actions/${id}`, { key: writer })).status).toBe(403);
    expect((await api.call('GET', `/v1/actions/${id}`, { key: reader })).status).toBe(200);
    expect((await post(cancelAll, { key: '' })).status).toBe(401);
  });

  it('of another tenant is answered like one that never was', async () => {
    const { id } = await startAction(api, cancelAll);
    const key = await api.addKey('stranger');

    for (const [method, end] of [
      ['GET', ''],
      ['POST', '/abort'],
    ] as const) {
      const theirs = await api.call(method, `/v1/actions/${id}${end}`, { key });
      const nobodys = await api.call(method, `/v1/actions/act_${'0'.repeat(32)}${end}`, { key });
      expect([theirs.status, theirs.json.detail]).toEqual([404, 'There is no such action.']);
      expect(theirs.json.detail).toBe(nobodys.json.detail);
    }
    expect((await api.call('GET', '/v1/actions', { key })).json.data).toEqual([]);
  });

  it('is listed, newest first, page by page', async () => {
    const key = await api.addKey('lister');
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) ids.push((await post({ ...cancelAll, filter: { tag: `${n}` } }, { key })).json.id);
    const seen: string[] = [];
    for (let path: string | undefined = '/v1/actions?limit=2'; path; ) {
      const { json, headers } = await api.call('GET', path, { key });
      seen.push(...json.data.map((action: { id: string }) => action.id));
      path = /^<(.*)>; rel="next"$/.exec(headers.get('link') ?? '')?.[1];
      expect(json.has_more).toBe(path !== undefined);
    }

    expect(seen).toEqual(ids.toReversed());
    const bad = await api.call('GET', '/v1/actions?after=nothing', { key });
    expect([bad.status, bad.json.param]).toEqual([400, 'after']);
    const unknown = await api.call('GET', '/v1/actions?status=done', { key });
    expect([unknown.status, unknown.json.param]).toEqual([400, 'status']);
  });

  it('is refused for now when twenty are open', async () => {
    const key = await api.addKey('busy');
    for (let n = 0; n < 20; n++) expect((await post(cancelAll, { key })).status).toBe(202);

    const { status, json, headers } = await post(cancelAll, { key });

    expect([status, json.code, json.retryable]).toEqual([409, 'conflict', true]);
    expect(headers.get('retry-after')).toBe('10');
    expect(json.fix).toContain('GET /v1/actions');
  });
});

describe('a preview', () => {
  it('says so when it has not looked at everything', async () => {
    const key = await api.addKey('large');
    const index = `${api.prefix}{t:large}:jobs`;
    for (let n = 0; n < 60_000; n += 10_000) {
      const members = Array.from({ length: 10_000 }, (_, i) => [String(1_000 + n + i), `ended-${n + i}`]);
      await api.redis.zadd(index, ...members.flat());
    }

    const tagged = await post({ ...cancelAll, filter: { tag: 'a' }, preview: true }, { key });
    const all = await post({ ...cancelAll, preview: true }, { key });

    expect(tagged.json).toEqual({ preview: true, action: 'cancel', count: 0, at_least: true });
    // Told by the indexes alone, however many there are.
    expect(all.json).toEqual({ preview: true, action: 'cancel', count: 0, at_least: false });
  });
});

describe('a list of jobs', () => {
  it('takes created_before as filters of actions do', async () => {
    const [id = ''] = await submitJobs(api, 1, {}, 'default');
    const { json } = await api.call('GET', `/v1/jobs/${id}`);
    const listed = async (query: string) => (await api.call('GET', `/v1/jobs?${query}`)).json.data.length;
    const later = new Date(Date.parse(json.created_at) + 1).toISOString();

    expect(await listed(`created_before=${json.created_at}`)).toBe(0);
    expect(await listed(`created_before=${later}`)).toBe(1);
  });
});
