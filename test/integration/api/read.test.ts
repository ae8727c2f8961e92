import { archiveJob } from '@darkroom/shared/usecases';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { beginJob, blockJob, doubtJob, failJob, succeedJob } from '../../support/run-job.ts';
import { type Call, startApi, type TestApi } from '../../support/start-api.ts';

let api: TestApi;
let watching = 0;
let n = 0;

beforeAll(async () => {
  api = await startApi({ replace: (deps) => ({ changes: counted(deps.changes) }) });
});
afterAll(() => api[Symbol.asyncDispose]());

/** The same news, with the listeners counted. */
function counted(changes: TestApi['deps']['changes']): TestApi['deps']['changes'] {
  return {
    ...changes,
    watch: (...watched) => {
      const stop = changes.watch(...watched);
      watching += 1;
      return () => {
        watching -= 1;
        stop();
      };
    },
  };
}

const submit = async (body: object = {}, call: Call = {}): Promise<string> => {
  const answer = await api.call('POST', '/v1/jobs', { body: { prompt: `mug ${(n += 1)}`, ...body }, ...call });
  return answer.json.id;
};
const get = (id: string, query = '', headers: Record<string, string> = {}) =>
  api.call('GET', `/v1/jobs/${id}${query}`, { headers });
const post = (id: string, verb: 'cancel' | 'retry', headers: Record<string, string> = {}) =>
  api.call('POST', `/v1/jobs/${id}/${verb}`, { headers });

describe('GET of a job', () => {
  it('says what goes before it in its line', async () => {
    const key = await api.addKey('lined');
    const ids = [await submit({}, { key }), await submit({}, { key })];
    const places = () =>
      Promise.all(ids.map(async (id) => (await api.call('GET', `/v1/jobs/${id}`, { key })).json.queue.position));

    await api.deps.outbox.flush();
    const [first, second] = await places();

    // Other tenants wait for the same model, so some of theirs may go between.
    expect(first).toBeLessThan(second);
    const answer = await api.call('GET', `/v1/jobs/${ids[1]}`, { key });
    expect(answer.headers.get('retry-after')).toBe('2');
    expect(answer.headers.get('cache-control')).toMatch(/private/);
  });

  it('says when its image is likely to be there, of who is next', async () => {
    const key = await api.addKey('next');
    const id = await submit({ model: 'gemini-3-pro-image', size: '1K' }, { key });
    await api.deps.outbox.flush();

    const { queue } = (await api.call('GET', `/v1/jobs/${id}`, { key })).json;

    expect(queue.position).toBe(0);
    expect(Date.parse(queue.eta)).toBeGreaterThan(Date.now());
  });

  it.each([
    ['succeeded', succeedJob],
    ['blocked', blockJob],
    ['failed', failJob],
  ])('tells how it ended: %s', async (status, run) => {
    const id = await submit();
    await run(api.deps, id);

    const { json, headers } = await get(id);

    expect(json).toMatchObject({ id, status, completed_at: expect.any(String), cost: { reserved: '0.00' } });
    expect(json.attempts).toHaveLength(1);
    expect(headers.get('retry-after')).toBeNull();
    expect(json.error === undefined).toBe(status === 'succeeded');
  });

  it('finds a job that left Redis', async () => {
    const id = await submit({ metadata: { sku: 'old' } });
    const job = await succeedJob(api.deps, id);
    const before = (await get(id)).json;
    await archiveJob(api.deps, job);

    expect(await api.deps.ledger.read('default', id)).toBeUndefined();
    const after = (await get(id)).json;
    expect({ ...after, images: [] }).toEqual({ ...before, images: [] });
    expect((await get(id, '/images')).json.data).toHaveLength(1);
    expect((await post(id, 'retry')).status).toBe(409);
  });
});

describe('ETag', () => {
  it('changes with the job and only then', async () => {
    const id = await submit();
    const first = (await get(id)).headers.get('etag') ?? '';

    expect((await get(id)).headers.get('etag')).toBe(first);
    for (const seen of [first, `"other", ${first}`, first.replace('W/', ''), '*']) {
      const answer = await get(id, '', { 'if-none-match': seen });
      expect([seen, answer.status, answer.text, answer.headers.get('etag')]).toEqual([seen, 304, '', first]);
    }
    await beginJob(api.deps, id);
    const changed = await get(id, '', { 'if-none-match': first });
    expect([changed.status, changed.json.status]).toEqual([200, 'running']);
    expect(changed.headers.get('etag')).not.toBe(first);
  });
});

describe('?wait', () => {
  it('answers when the job ends, through changes that are no end', async () => {
    const id = await submit();
    const waiting = get(id, '?wait=30');
    await expect.poll(() => watching).toBe(1);
    await succeedJob(api.deps, id);

    const answer = await waiting;
    expect([answer.status, answer.json.status]).toEqual([200, 'succeeded']);
    expect(watching).toBe(0);
  });

  it('with If-None-Match answers at the next change', async () => {
    const id = await submit();
    const etag = (await get(id)).headers.get('etag') ?? '';
    const waiting = get(id, '?wait=30', { 'if-none-match': etag });
    await expect.poll(() => watching).toBe(1);
    await beginJob(api.deps, id);

    const answer = await waiting;
    expect([answer.status, answer.json.status]).toEqual([200, 'running']);
  });

  it('answers with the job as it is when the time is up, or 304 when that was seen', async () => {
    const id = await submit();
    const etag = (await get(id)).headers.get('etag') ?? '';

    const [plain, seen] = await Promise.all([get(id, '?wait=1'), get(id, '?wait=1', { 'if-none-match': etag })]);

    expect([plain.status, plain.json.status]).toEqual([200, 'queued']);
    expect([seen.status, seen.headers.get('retry-after')]).toEqual([304, '2']);
  });

  it('answers at once for a job that has ended, however long it may wait', async () => {
    const id = await submit();
    await succeedJob(api.deps, id);

    expect((await get(id, '?wait=60')).json.status).toBe('succeeded');
  });

  it.each(['soon', '-1', '1.5', '', '1e3', '61', '999999'])('is refused as %j', async (wait) => {
    const answer = await get(await submit(), `?wait=${wait}`);

    expect([answer.status, answer.json.param]).toEqual([400, 'wait']);
    expect(answer.json.detail).toBe('wait must be a whole number of seconds from 0 to 60.');
    expect(answer.json.fix).toContain('wait=60');
  });

  it('leaves no listener when the caller hangs up', async () => {
    const id = await submit();
    const gone = new AbortController();
    const waiting = api
      .call('GET', `/v1/jobs/${id}?wait=60`, { signal: gone.signal })
      .catch((error: Error) => error.name);
    await expect.poll(() => watching).toBe(1);

    gone.abort();

    expect(await waiting).toBe('AbortError');
    await expect.poll(() => watching).toBe(0);
  });
});

describe('cancel', () => {
  it('ends an open job, and may be sent twice', async () => {
    const id = await submit();

    const [first, second] = [await post(id, 'cancel'), await post(id, 'cancel')];

    expect([first.status, first.json.status]).toEqual([200, 'canceled']);
    expect(first.json.error).toMatchObject({ code: 'canceled', category: 'canceled' });
    expect([second.status, second.json]).toEqual([200, first.json]);
  });

  it('ends a running job; its image is late, and kept', async () => {
    const id = await submit();
    const waiting = get(id, '?wait=20');
    const job = succeedJob({ ...api.deps, ledger: canceling(id) }, id);

    await job;

    expect((await waiting).json.status).toBe('canceled');
    const { json } = await get(id);
    expect([json.status, json.images, json.late_images.length]).toEqual(['canceled', [], 1]);
    expect((await get(id, '/images/0')).status).toBe(302);
  });

  it.each([
    ['succeeded', succeedJob],
    ['blocked', blockJob],
    ['failed', failJob],
  ])('is refused for a job that is %s', async (status, run) => {
    const id = await submit();
    await run(api.deps, id);

    const answer = await post(id, 'cancel');

    expect([answer.status, answer.json.code]).toEqual([409, 'conflict']);
    expect((await get(id)).json.status).toBe(status);
  });
});

/** The ledger, except that the caller cancels the job as soon as its attempt has begun. */
function canceling(id: string): TestApi['deps']['ledger'] {
  const { ledger } = api.deps;
  return {
    ...ledger,
    write: async (change, condition) => {
      const written = await ledger.write(change, condition);
      if (change.events.includes('job.started')) await post(id, 'cancel');
      return written;
    },
  };
}

describe('retry', () => {
  it('sends a held job on as itself', async () => {
    const id = await submit({ on_unknown_outcome: 'hold' });
    await doubtJob(api.deps, id);
    expect((await get(id)).json).toMatchObject({ status: 'queued', phase: 'held', error: { retryable: true } });

    const answer = await post(id, 'retry');

    expect([answer.status, answer.json.id, answer.json.phase]).toEqual([202, id, undefined]);
    expect(answer.headers.get('location')).toBe(`/v1/jobs/${id}`);
    expect((await succeedJob(api.deps, id)).state.status).toBe('succeeded');
  });

  it.each([
    ['failed', failJob],
    ['blocked', blockJob],
  ])('makes a job that %s again as a new one', async (status, run) => {
    const id = await submit({ tags: ['again'] });
    await run(api.deps, id);

    const answer = await post(id, 'retry');

    expect([answer.status, answer.json.status, answer.json.tags]).toEqual([202, 'queued', ['again']]);
    expect(answer.json.id).not.toBe(id);
    expect((await get(id)).json.status).toBe(status);
  });

  it('under one Idempotency-Key makes one new job', async () => {
    const id = await submit({ dedup: false });
    await failJob(api.deps, id);

    const answers = await Promise.all(Array.from({ length: 5 }, () => post(id, 'retry', { 'idempotency-key': 'r-1' })));

    expect(new Set(answers.map(({ json }) => json.id)).size).toBe(1);
  });

  it('of a held job under one Idempotency-Key releases it once, and is answered with it ever after', async () => {
    const id = await submit({ on_unknown_outcome: 'hold' });
    await doubtJob(api.deps, id);
    const again = () => post(id, 'retry', { 'idempotency-key': 'r-2' });

    const answers = [...(await Promise.all([again(), again(), again()])), await again()];

    expect(answers.map(({ status, json }) => [status, json.id])).toEqual(answers.map(() => [202, id]));
    await doubtJob(api.deps, id);
    expect((await again()).json).toMatchObject({ id, phase: 'held' });
    await post(id, 'retry');
    await failJob(api.deps, id);
    const over = await again();
    expect([over.status, over.json.id, over.json.status]).toEqual([200, id, 'failed']);
    expect(over.headers.get('idempotent-replayed')).toBe('true');
    const other = await submit({ dedup: false });
    await failJob(api.deps, other);
    expect((await post(other, 'retry', { 'idempotency-key': 'r-2' })).json.code).toBe('idempotency_key_reused');
  });

  it('is refused where there is nothing to retry', async () => {
    const [open, over] = [await submit(), await submit()];
    await succeedJob(api.deps, over);

    expect([(await post(open, 'retry')).status, (await post(over, 'retry')).status]).toEqual([409, 409]);
  });
});

describe('a list', () => {
  it('is filtered by status, tag, model by any of its names, lane, metadata and time', async () => {
    const key = await api.addKey('lists');
    const list = async (query: string) => {
      const { json } = await api.call('GET', `/v1/jobs?${query}`, { key });
      return json.data.map(({ metadata }: { metadata: { sku: string } }) => metadata.sku).join('');
    };
    const ids: string[] = [];
    for (const [sku, extra] of Object.entries({ a: { model: 'pro' }, b: { tags: ['summer', 'sale'] }, c: {} })) {
      ids.push(await submit({ metadata: { sku, 'b.c': 'x' }, ...extra }, { key }));
    }
    await api.call('POST', `/v1/jobs/${ids[2]}/cancel`, { key });
    const { created_at: between } = (await api.call('GET', `/v1/jobs/${ids[0]}`, { key })).json;

    expect(await list('')).toBe('cba');
    expect(await list('status=canceled')).toBe('c');
    expect(await list('status=queued')).toBe('ba');
    expect(await list('tag=sale')).toBe('b');
    expect(await list('tag=sal')).toBe('');
    expect(await list('model=pro')).toBe('a');
    expect(await list('model=gemini-3-pro-image')).toBe('a');
    expect(await list('model=flash&status=queued')).toBe('b');
    expect(await list('lane=standard')).toBe('cba');
    expect(await list('metadata[sku]=b')).toBe('b');
    expect(await list('metadata%5Bsku%5D=b&metadata[b.c]=x')).toBe('b');
    expect(await list('metadata[sku]=b&metadata[b.c]=y')).toBe('');
    expect(await list(`created_after=${between}`)).toBe('cb');
    expect(await list('created_after=2999-01-01T00:00:00Z')).toBe('');
  });

  it('is paged by cursors that skip and repeat nothing', async () => {
    const key = await api.addKey('pages');
    await Promise.all(Array.from({ length: 23 }, (_, i) => submit({ tags: [i % 2 ? 'odd' : 'even'] }, { key })));
    const whole = (await api.call('GET', '/v1/jobs', { key })).json;
    const seen: string[] = [];
    const counts: number[] = [];

    for (let path: string | undefined = '/v1/jobs?limit=5&tag=even'; path; ) {
      const { json, headers }: Awaited<ReturnType<TestApi['call']>> = await api.call('GET', path, { key });
      seen.push(...json.data.map(({ id }: { id: string }) => id));
      counts.push(json.data.length);
      path = /^<(.+)>; rel="next"$/.exec(headers.get('link') ?? '')?.[1];
      expect([json.has_more, json.next_cursor !== undefined]).toEqual([path !== undefined, path !== undefined]);
      await submit({ tags: ['even'] }, { key }); // Newer jobs never come into an older page.
    }

    const even = whole.data.filter(({ tags }: { tags: string[] }) => tags[0] === 'even');
    expect(seen).toEqual(even.map(({ id }: { id: string }) => id));
    expect(counts).toEqual([5, 5, 2]);
  });

  it.each([
    ['limit', 'limit=0'],
    ['limit', 'limit=201'],
    ['limit', 'limit=ten'],
    ['status', 'status=done'],
    ['status', 'status=queued&status=running'],
    ['lane', 'lane=express'],
    ['created_after', 'created_after=yesterday'],
    ['after', 'after=nonsense'],
    ['after', `after=${Buffer.from('1 x').toString('base64url')}`],
    ['after', `after=${'x'.repeat(600)}`],
    ['tag', 'tag='],
    ['model', 'model='],
    ['batch', 'batch=bat_1'],
    ['colour', 'colour=red'],
    ['constructor', 'constructor=1'],
    ['__proto__', '__proto__=1'],
    ['metadata', 'metadata=x'],
    ['metadata[]', 'metadata[]=x'],
    ['metadata[sku][x]', 'metadata[sku][x]=1'],
    ['metadata[sku]', 'metadata[sku]=1&metadata[sku]=2'],
  ])('refuses %s in %j', async (param, query) => {
    const answer = await api.call('GET', `/v1/jobs?${query}`);

    expect([answer.status, answer.json.code, typeof answer.json.fix]).toEqual([400, 'invalid_request', 'string']);
    expect([answer.json.param, ...(answer.json.errors ?? []).map(({ path }: { path: string }) => path)]).toContain(
      param,
    );
  });
});
