import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { beginJob, blockJob, failJob, succeedJob } from '../../support/run-job.ts';
import { type Call, startApi, type TestApi } from '../../support/start-api.ts';

let api: TestApi;
let n = 0;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api[Symbol.asyncDispose]());

/** A prompt that no other test uses, so nothing is joined by chance. */
const fresh = () => `a red mug, version ${(n += 1)}`;
const submit = (body: object, call: Call = {}) => api.call('POST', '/v1/jobs', { body, ...call });
const jobCount = async (prompt: string) => {
  const { data } = (await api.call('GET', '/v1/jobs?limit=200')).json;
  return data.filter((job: { prompt: string }) => job.prompt === prompt).length;
};

describe('a submission', () => {
  it('is accepted with its place and when to look again', async () => {
    const prompt = fresh();
    const answer = await submit({ prompt, tags: ['summer'], metadata: { sku: '123' }, size: '2K', seed: 42 });

    const { id } = answer.json;
    expect(answer.status).toBe(202);
    expect(id).toMatch(/^job_[0-9a-f]{32}$/);
    expect(answer.headers.get('location')).toBe(`/v1/jobs/${id}`);
    expect(answer.headers.get('retry-after')).toBe('2');
    expect(answer.headers.get('x-dedup')).toBe('miss');
    expect(answer.json).toMatchObject({
      status: 'queued',
      lane: 'standard',
      model: 'gemini-nano-banana-2.1',
      prompt,
      size: '2K',
      cost: { currency: 'USD', actual: '0.00', in_doubt: '0.00' },
      attempts: [],
      images: [],
      tags: ['summer'],
      metadata: { sku: '123' },
      urls: { self: `/v1/jobs/${id}`, events: `/v1/jobs/${id}/events`, cancel: `/v1/jobs/${id}/cancel` },
    });
    expect(Number(answer.json.cost.estimated)).toBeGreaterThan(0);
    expect(answer.json.cost.reserved).toBe(answer.json.cost.estimated);
    expect((await api.call('GET', `/v1/jobs/${id}`)).json).toMatchObject({ ...answer.json, queue: expect.anything() });
  });

  it('wakes a worker', async () => {
    const { id } = (await submit({ prompt: fresh() })).json;

    const messages = async () => {
      const keys = await api.redis.keys(`${api.prefix}{q:*}:standard-*:w${'?'.repeat(15)}`);
      const data = await Promise.all(keys.map((key) => api.redis.hget(key, 'data')));
      return data.filter((text) => text?.includes(`"${id}"`));
    };
    await expect.poll(messages).toHaveLength(1);
  });

  it.each([
    ['pro', 'gemini-3-pro-image'],
    ['flash', 'gemini-nano-banana-2.1'],
    ['lite', 'gemini-3.1-flash-lite-image'],
    ['gemini-3-pro-image', 'gemini-3-pro-image'],
  ])('knows the model %s', async (model, id) => {
    const { json } = await submit({ prompt: fresh(), model });

    expect([json.model, json.warnings]).toEqual([id, undefined]);
  });

  it.each([
    ['gemini-3-pro-image-preview', 'gemini-3-pro-image'],
    ['gemini-2.0-flash-exp-image-generation', 'gemini-2.5-flash-image'],
  ])('for the retired model %s goes to its successor, with a warning', async (model, successor) => {
    const { status, json } = await submit({ prompt: fresh(), model });

    expect([status, json.model]).toEqual([202, successor]);
    expect(json.warnings[0]).toContain(`${model} was shut down`);
    expect((await api.call('GET', json.urls.self)).json.warnings).toEqual(json.warnings);
  });

  it('keeps a deadline in any time zone', async () => {
    const deadline = new Date(Date.now() + 3_600_000);
    const local = deadline.toISOString().replace('Z', '+00:00');

    expect((await submit({ prompt: fresh(), deadline: local })).json.expires_at).toBe(deadline.toISOString());
  });
});

describe('Prefer: wait', () => {
  it('answers 200 as soon as the job has ended', async () => {
    const prompt = fresh();
    const waiting = submit({ prompt }, { headers: { prefer: 'respond-async, wait=30' } });
    const id = await findId(prompt);
    await succeedJob(api.deps, id);

    const answer = await waiting;
    expect(answer.status).toBe(200);
    expect(answer.json.status).toBe('succeeded');
    expect(answer.headers.get('preference-applied')).toBe('wait=30');
    expect(answer.headers.get('retry-after')).toBeNull();
  });

  it('answers 202 when the time is up first', async () => {
    const answer = await submit({ prompt: fresh() }, { headers: { prefer: 'wait=1' } });

    expect([answer.status, answer.json.status]).toEqual([202, 'queued']);
    expect(answer.headers.get('preference-applied')).toBe('wait=1');
  });

  it.each(['wait=90', 'Wait = "90"', 'respond-async, wait=999999999'])(
    'is cut to a minute, and says so: %s',
    async (prefer) => {
      const body = { prompt: fresh(), cache: { ttl: '1h' }, dedup: false };
      await succeedJob(api.deps, (await submit(body)).json.id);

      const answer = await submit(body, { headers: { prefer } });

      expect([answer.status, answer.headers.get('preference-applied')]).toEqual([200, 'wait=60']);
    },
  );

  it('is not said to be applied when nobody asked', async () => {
    const answer = await submit({ prompt: fresh() }, { headers: { prefer: 'wait=0' } });

    expect([answer.status, answer.headers.get('preference-applied')]).toEqual([202, null]);
  });

  it('is ignored when it makes no sense', async () => {
    expect((await submit({ prompt: fresh() }, { headers: { prefer: 'wait=soon; handling=strict' } })).status).toBe(202);
  });
});

async function findId(prompt: string): Promise<string> {
  return expect
    .poll(async () => {
      const { data } = (await api.call('GET', '/v1/jobs?limit=5')).json;
      return data.find((job: { prompt: string }) => job.prompt === prompt)?.id;
    })
    .toMatch(/^job_/)
    .then(async () => {
      const { data } = (await api.call('GET', '/v1/jobs?limit=5')).json;
      return data.find((job: { prompt: string }) => job.prompt === prompt).id;
    });
}

describe("a caller's own id", () => {
  it('makes the job once: the same body again is the same job, another body is refused', async () => {
    const body = { prompt: fresh() };

    const first = await api.call('PUT', '/v1/jobs/order-1', { body });
    const again = await api.call('PUT', '/v1/jobs/order-1', { body });
    const other = await api.call('PUT', '/v1/jobs/order-1', { body: { prompt: fresh() } });

    expect([first.status, first.json.id, first.headers.get('idempotent-replayed')]).toEqual([202, 'order-1', null]);
    expect([again.status, again.headers.get('idempotent-replayed')]).toEqual([202, 'true']);
    expect(again.json.created_at).toBe(first.json.created_at);
    expect([other.status, other.json.code, other.json.param]).toEqual([422, 'idempotency_key_reused', 'id']);
  });

  it('may come again when the deadline of its body has passed', async () => {
    const body = { prompt: fresh(), deadline: new Date(Date.now() + 400).toISOString() };
    await api.call('PUT', '/v1/jobs/order-2', { body });
    await expect.poll(() => Date.now() > Date.parse(body.deadline)).toBe(true);

    const again = await api.call('PUT', '/v1/jobs/order-2', { body });

    expect([again.status, again.headers.get('idempotent-replayed')]).toEqual([202, 'true']);
  });

  it.each(['a', 'A.b_c:d-e', '0', '...', '~'.replace('~', '-'), 'x'.repeat(128), 'constructor', '%5f'])(
    'may be %s',
    async (id) => {
      const { status, json, headers } = await api.call('PUT', `/v1/jobs/${id}`, { body: { prompt: fresh() } });

      expect([status, json.id]).toEqual([202, decodeURIComponent(id)]);
      expect((await api.call('GET', headers.get('location') ?? '')).json.id).toBe(json.id);
      expect((await api.call('POST', json.urls.cancel)).json.status).toBe('canceled');
    },
  );

  it.each([
    'job_mine',
    'job_01a1fb6a86ff741ea7fd3fce5b51f94f',
    'x'.repeat(129),
    'a%20b',
    'a%2fb',
    '..%2f..%2fetc%2fpasswd',
    '%2e%2e',
    '.',
    '..',
    'a%00b',
    'm%C3%BCg',
    '~',
    'a*',
    '%7B%7D',
  ])('may not be %s', async (id) => {
    const answer = await bare('PUT', `/v1/jobs/${id}`, { prompt: fresh() });

    expect(answer).toMatchObject({ status: 400, json: { code: 'invalid_request', param: 'id' } });
    expect(answer.json.fix).toMatch(/\w/);
    expect((await bare('GET', `/v1/jobs/${id}`)).status).toBe(404);
  });

  it.each(['%', '%zz', '%c3%28', '%ff'])('may not be broken escapes: %s', async (id) => {
    expect((await bare('PUT', `/v1/jobs/${id}`, { prompt: fresh() })).status).toBe(400);
    expect((await bare('GET', `/v1/jobs/${id}`)).status).toBe(400);
  });
});

/** A request whose path no client library has tidied up. */
async function bare(method: string, path: string, body?: object): Promise<{ status: number; json: TestJson }> {
  const headers = { authorization: `Bearer ${api.key}`, ...(body && { 'content-type': 'application/json' }) };
  const req = request({ host: '127.0.0.1', port: api.port, method, path, headers });
  req.end(body && JSON.stringify(body));
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  return { status: res.statusCode ?? 0, json: JSON.parse(await text(res)) as TestJson };
}
type TestJson = { code?: string; param?: string; fix?: string };

describe('an Idempotency-Key', () => {
  const keyed = (body: object, key: string) => submit(body, { headers: { 'idempotency-key': key } });

  it('answers the same again for the same body, however it is spelt', async () => {
    const prompt = fresh();
    const first = await keyed({ prompt, seed: 1, tags: ['a'] }, 'k-1');

    const again = await submit(
      {},
      {
        raw: `{ "tags":["a"], "seed":1.0,\n "prompt":${JSON.stringify(prompt)} }`,
        headers: { ...JSON_TYPE, 'idempotency-key': 'k-1' },
      },
    );

    expect([again.status, again.json.id]).toEqual([202, first.json.id]);
    expect(first.headers.get('idempotent-replayed')).toBeNull();
    expect(again.headers.get('idempotent-replayed')).toBe('true');
  });

  it('with another body is refused, and makes no job', async () => {
    const [prompt, another] = [fresh(), fresh()];
    await keyed({ prompt }, 'k-2');

    const answer = await keyed({ prompt: another }, 'k-2');

    expect([answer.status, answer.json.code]).toEqual([422, 'idempotency_key_reused']);
    expect(answer.json.param).toBe('Idempotency-Key');
    expect(await jobCount(another)).toBe(0);
  });

  it('makes one job of 50 posts at once', async () => {
    const prompt = fresh();

    const answers = await Promise.all(Array.from({ length: 50 }, () => keyed({ prompt, dedup: false }, 'k-3')));

    expect(new Set(answers.map(({ json }) => json.id)).size).toBe(1);
    expect(answers.filter(({ headers }) => headers.get('idempotent-replayed') === null)).toHaveLength(1);
    expect(await jobCount(prompt)).toBe(1);
  });

  it('replays the end, once there is one', async () => {
    const body = { prompt: fresh() };
    const { id } = (await keyed(body, 'k-4')).json;
    await succeedJob(api.deps, id);

    const again = await keyed(body, 'k-4');

    expect([again.status, again.json.status, again.json.id]).toEqual([200, 'succeeded', id]);
  });

  it('replays what would be refused by now', async () => {
    const body = { prompt: fresh(), deadline: new Date(Date.now() + 400).toISOString() };
    const { id } = (await keyed(body, 'k-5')).json;
    await expect.poll(() => Date.now() > Date.parse(body.deadline)).toBe(true);

    const again = await keyed(body, 'k-5');

    expect([again.status, again.json.id]).toEqual([202, id]);
  });

  it('of a refused submission is free again', async () => {
    const prompt = fresh();
    expect((await keyed({ prompt, size: '9K' }, 'k-6')).status).toBe(422);

    expect((await keyed({ prompt }, 'k-6')).status).toBe(202);
  });
});
const JSON_TYPE = { 'content-type': 'application/json' };

describe('equal work', () => {
  it('is joined while it runs: a job of its own, no cost, the same image', async () => {
    const prompt = fresh();
    const leader = (await submit({ prompt })).json;
    const attempt = await beginJob(api.deps, leader.id);
    const follower = await submit({ prompt, tags: ['mine'], metadata: { other: 'yes' }, priority: 9 });

    expect(attempt).toMatch(/^att_/);
    expect(follower.headers.get('x-dedup')).toBe('joined');
    expect(follower.json).toMatchObject({ deduplicated_of: leader.id, cost: { estimated: '0.00' }, tags: ['mine'] });
    expect(follower.json.id).not.toBe(leader.id);
  });

  it('ends with its leader, and is joined a while longer', async () => {
    const prompt = fresh();
    const leader = (await submit({ prompt })).json;
    const follower = (await submit({ prompt })).json;
    await succeedJob(api.deps, leader.id);

    const late = await submit({ prompt });
    const ended = await api.call('GET', follower.urls.self);
    const led = await api.call('GET', leader.urls.self);

    expect(ended.json).toMatchObject({ status: 'succeeded', cost: { actual: '0.00' }, attempts: [] });
    expect(ended.json.images[0].sha256).toBe(led.json.images[0].sha256);
    expect([late.status, late.headers.get('x-dedup'), late.json.deduplicated_of]).toEqual([200, 'joined', leader.id]);
  });

  it('is not stopped when a follower is canceled', async () => {
    const prompt = fresh();
    const leader = (await submit({ prompt })).json;
    const follower = (await submit({ prompt })).json;

    await api.call('POST', follower.urls.cancel);
    await succeedJob(api.deps, leader.id);

    expect((await api.call('GET', follower.urls.self)).json.status).toBe('canceled');
    expect((await api.call('GET', leader.urls.self)).json.status).toBe('succeeded');
  });

  it('is made apart with "dedup": false', async () => {
    const prompt = fresh();
    const first = await submit({ prompt });

    const variant = await submit({ prompt, dedup: false });

    expect(variant.headers.get('x-dedup')).toBe('miss');
    expect(variant.json.deduplicated_of).toBeUndefined();
    expect(variant.json.cost.estimated).toBe(first.json.cost.estimated);
  });

  it('is never joined after a failure', async () => {
    const prompt = fresh();
    await failJob(api.deps, (await submit({ prompt })).json.id);
    expect((await submit({ prompt })).headers.get('x-dedup')).toBe('miss');

    const other = fresh();
    await blockJob(api.deps, (await submit({ prompt: other })).json.id);
    expect((await submit({ prompt: other })).headers.get('x-dedup')).toBe('miss');
  });

  it('of 200 posts at once is one job and 199 followers', async () => {
    const prompt = fresh();

    const answers = await Promise.all(Array.from({ length: 200 }, () => submit({ prompt })));

    const leaders = answers.filter(({ json }) => json.deduplicated_of === undefined);
    expect(leaders).toHaveLength(1);
    expect(new Set(answers.map(({ json }) => json.id)).size).toBe(200);
    expect(new Set(answers.map(({ json }) => json.deduplicated_of ?? json.id))).toEqual(new Set([leaders[0]?.json.id]));
  });
});

describe('the result cache', () => {
  it('gives a finished image again at no cost, for as long as the caller allows', async () => {
    const body = { prompt: fresh(), dedup: false, cache: { ttl: '24h' } };
    const first = (await submit(body)).json;
    await succeedJob(api.deps, first.id);

    const hit = await submit(body);
    const miss = await submit({ ...body, cache: undefined });

    expect([hit.status, hit.headers.get('x-cache')]).toEqual([200, 'hit']);
    expect(hit.json).toMatchObject({ status: 'succeeded', deduplicated_of: first.id, cost: { actual: '0.00' } });
    expect([miss.status, miss.headers.get('x-cache')]).toEqual([202, null]);
  });

  it('does not give what is older than the caller allows, and says so', async () => {
    const prompt = fresh();
    const first = (await submit({ prompt, dedup: false, cache: { ttl: '24h' } })).json;
    const { state } = await succeedJob(api.deps, first.id);
    await expect.poll(() => Date.now() > (state.completedAt ?? 0) + 1_000, { timeout: 3_000 }).toBe(true);

    const stale = await submit({ prompt, dedup: false, cache: { ttl: '1s' } });

    expect([stale.status, stale.json.status, stale.headers.get('x-cache')]).toEqual([202, 'queued', null]);
  });

  it('is told again to whoever sends the same under the same key, as joining is', async () => {
    const body = { prompt: fresh(), cache: { ttl: '24h' } };
    await succeedJob(api.deps, (await submit({ ...body, dedup: false })).json.id);
    const told = async (fields: object, key: string) => {
      const { headers } = await submit({ ...body, ...fields }, { headers: { 'idempotency-key': key } });
      return ['x-dedup', 'x-cache', 'idempotent-replayed'].map((name) => headers.get(name));
    };

    const hit = [await told({ dedup: false }, 'hit'), await told({ dedup: false }, 'hit')];
    const leader = { prompt: fresh() };
    await submit(leader);
    const joined = [await told(leader, 'joined'), await told(leader, 'joined')];

    expect(hit).toEqual([
      ['miss', 'hit', null],
      ['miss', 'hit', 'true'],
    ]);
    expect(joined).toEqual([
      ['joined', null, null],
      ['joined', null, 'true'],
    ]);
  });

  it('knows nothing of grounded work', async () => {
    const body = { prompt: fresh(), dedup: false, cache: { ttl: '24h' }, tools: ['google_search'] };
    await succeedJob(api.deps, (await submit(body)).json.id);

    expect((await submit(body)).headers.get('x-cache')).toBeNull();
  });
});
