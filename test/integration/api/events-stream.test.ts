import { eventId } from '@darkroom/shared/domain';
import { createRedisEvents } from '@darkroom/shared/storage/redis';
import { archiveEvents, cancelJob, createEventArchive, createEventLog } from '@darkroom/shared/usecases';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { succeedJob } from '../../support/run-job.ts';
import { startApi, type TestApi } from '../../support/start-api.ts';

const HEARTBEAT_MS = 100;
/** New jobs are told within half a second, on a machine that is not busy. */
const soon = { timeout: 10_000 };
let api: TestApi;
beforeAll(async () => {
  api = await startApi({ replace: () => ({ heartbeatMs: HEARTBEAT_MS }) });
});
afterAll(() => api[Symbol.asyncDispose]());

const DAY = 86_400_000;
type Told = { id: string; type: string; data: { id: string; type: string; data: { id: string; status?: string } } };

let tenants = 0;
async function aTenant() {
  const tenant = `tenant-${++tenants}`;
  const key = await api.addKey(tenant);
  const open = (query = '', seen?: string, signal?: AbortSignal) =>
    fetch(`${api.url}/v1/events${query}`, {
      headers: { authorization: `Bearer ${key}`, accept: 'text/event-stream', ...(seen && { 'last-event-id': seen }) },
      ...(signal && { signal }),
    });
  return {
    tenant,
    key,
    open,
    submit: async (body: object = {}): Promise<string> =>
      (await api.call('POST', '/v1/jobs', { key, body: { prompt: 'the secret prompt', dedup: false, ...body } })).json
        .id,
    follow: async (query?: string, seen?: string) => {
      const gone = new AbortController();
      return reader(await open(query, seen, gone.signal), gone);
    },
    listed: async (query = '?order=asc&limit=200'): Promise<string[]> =>
      (await api.call('GET', `/v1/events${query}`, { key })).json.data.map(({ id }: { id: string }) => id),
  };
}

/** Reads a stream as an EventSource does: `lastId` is what it would resume with. */
function reader(response: Response, gone: AbortController) {
  const told: Told[] = [];
  const state = { lastId: '', comments: 0, text: '' };
  const read = async () => {
    let text = '';
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      state.text += chunk;
      const parts = (text + chunk).split('\n\n');
      text = parts.pop() ?? '';
      for (const part of parts) {
        const fields = Object.fromEntries(part.split('\n').map((line) => line.split(/: (.*)/s)));
        if (part.startsWith(':')) state.comments++;
        if (fields.id) state.lastId = fields.id;
        if (fields.data) told.push({ id: fields.id, type: fields.event, data: JSON.parse(fields.data) });
      }
    }
  };
  const ended = read().catch((error: Error) => error.name);
  const hangUp = async () => {
    gone.abort();
    await ended;
  };
  return { response, told, state, ended, hangUp, types: () => told.map(({ type }) => type) };
}

describe('the stream of events', () => {
  it('tells what is new, of every job, as the list and the job have it', async () => {
    const { tenant, submit, follow, listed, key } = await aTenant();
    await submit();
    const stream = await follow();
    const id = await submit();
    await succeedJob(api.deps, id, tenant);
    await expect.poll(stream.types, soon).toEqual(['job.queued', 'job.started', 'job.succeeded']);
    await stream.hangUp();

    expect(stream.response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    expect(stream.told.map((event) => event.id)).toEqual((await listed()).slice(1));
    expect(stream.told.at(-1)?.data).toMatchObject({ type: 'job.succeeded', data: { id, status: 'succeeded' } });
    expect(stream.state.text).not.toContain('the secret prompt');
    const own = await fetch(`${api.url}/v1/jobs/${id}/events`, { headers: { authorization: `Bearer ${key}` } });
    const ids = [...(await own.text()).matchAll(/^id: (.+)$/gm)].map(([, one]) => one);
    expect(ids).toEqual(stream.told.map((event) => event.id));
  });

  it('goes on after a cut without a gap or a double', async () => {
    const { tenant, submit, follow, listed } = await aTenant();
    await submit();
    const seen: string[] = [];
    let resumeAt = (await listed())[0] ?? '';
    for (let cut = 0; cut < 5; cut++) {
      const stream = await follow('', resumeAt);
      const during = submit();
      await expect.poll(() => stream.told.length, soon).toBeGreaterThan(0);
      await stream.hangUp();
      seen.push(...stream.told.map(({ id }) => id));
      resumeAt = stream.state.lastId;
      await cancelJob(api.deps, tenant, await during);
    }
    const rest = await follow('', resumeAt);
    await expect
      .poll(async () => [...seen, ...rest.told.map(({ id }) => id)].length, soon)
      .toBe((await listed()).length - 1);
    await rest.hangUp();

    expect([...seen, ...rest.told.map(({ id }) => id)]).toEqual((await listed()).slice(1));
  });

  it('resumes from the archive on into what is new', async () => {
    const { tenant, submit, follow, listed } = await aTenant();
    const now = Date.now();
    const key = `${api.prefix}{t:${tenant}}:events`;
    for (let i = 0; i < 450; i++)
      await api.redis.xadd(key, `${now - 2 * DAY + i}-0`, 't', 'job.queued', 'j', `job-${i}`);
    const recent = createRedisEvents({ redis: api.redis, prefix: api.prefix });
    const archive = createEventArchive(api.deps.store);
    const log = createEventLog({ recent, archive, clock: api.deps.clock, retentionMs: 30 * DAY });
    await archiveEvents({ recent, archive, log, clock: api.deps.clock }, tenant);
    expect(await api.redis.xlen(key)).toBe(0);

    const stream = await follow('', eventId(tenant, { ms: now - 2 * DAY + 100, seq: 0 }));
    await submit();
    await expect.poll(() => stream.told.length, soon).toBe(350);
    await stream.hangUp();

    const [fresh] = await listed('?limit=1');
    expect(stream.told.map(({ id }) => id)).toEqual([
      ...Array.from({ length: 349 }, (_, i) => eventId(tenant, { ms: now - 2 * DAY + 101 + i, seq: 0 })),
      fresh,
    ]);
  });

  it('is filtered, and still leads past what it left out', async () => {
    const { tenant, submit, follow, listed } = await aTenant();
    const stream = await follow('?type=job.canceled&tag=mine');
    const [mine, other] = [await submit({ tags: ['mine'] }), await submit({ tags: ['other'] })];
    await cancelJob(api.deps, tenant, mine);
    await cancelJob(api.deps, tenant, other);
    await expect.poll(async () => stream.state.lastId, soon).toBe((await listed()).at(-1));
    await stream.hangUp();

    expect(stream.told.map(({ type, data }) => [type, data.data.id])).toEqual([['job.canceled', mine]]);
  });

  it('begins where since says', async () => {
    const { submit, follow } = await aTenant();
    await submit();

    const stream = await follow(`?since=${encodeURIComponent(new Date(Date.now() - 60_000).toISOString())}`);

    await expect.poll(stream.types, soon).toEqual(['job.queued']);
    await stream.hangUp();
  });

  it('tells nothing of another tenant', async () => {
    const [one, other] = [await aTenant(), await aTenant()];
    const stream = await other.follow();
    await one.submit();
    const own = await other.submit();

    await expect.poll(() => stream.told.map(({ data }) => data.data.id), soon).toEqual([own]);
    await stream.hangUp();
  });

  it('is never silent for long', async () => {
    const { follow } = await aTenant();
    const stream = await follow();

    await expect.poll(() => stream.state.comments, soon).toBeGreaterThan(2);
    await stream.hangUp();
  });

  it.each([
    ['what is no id', () => 'yesterday', 'not the id of an event of this stream'],
    ['an id of another tenant', () => eventId('somebody', { ms: Date.now(), seq: 0 }), 'of this stream'],
    ['an event that never was', (tenant: string) => eventId(tenant, { ms: Date.now(), seq: 9 }), 'that there is'],
    ['an event of long ago', (tenant: string) => eventId(tenant, { ms: Date.now() - 40 * DAY, seq: 0 }), 'older than'],
  ])('is refused after %s', async (_, seen, says) => {
    const { tenant, open } = await aTenant();

    const answer = await open('', seen(tenant));

    const problem = (await answer.json()) as { code: string; param: string; detail: string; fix: string };
    expect([answer.status, problem.code, problem.param]).toEqual([400, 'invalid_request', 'Last-Event-ID']);
    expect(problem.detail).toContain(says);
    expect(problem.fix).toContain('eave it out');
  });

  it.each(['limit=5', 'order=asc', 'until=2026-11-20T00:00:00Z', 'after=x', 'type=nothing'])(
    'takes no %s',
    async (query) => {
      const { open } = await aTenant();

      const answer = await open(`?${query}`);

      expect([answer.status, ((await answer.json()) as { param: string }).param.split('[')[0]]).toEqual([
        400,
        query.split('=')[0],
      ]);
    },
  );

  it('is open to each tenant so many times, and again once one is closed', async () => {
    const { open, follow, tenant } = await aTenant();
    const gone = new AbortController();
    await Promise.all(Array.from({ length: 49 }, () => open('', undefined, gone.signal)));
    const last = await follow();

    const refused = await open();
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '30']);
    const others = await aTenant();
    expect(others.tenant).not.toBe(tenant);
    await (await others.follow()).hangUp();
    await last.hangUp();

    const again = await expect.poll(async () => (await open('', undefined, gone.signal)).status, soon).toBe(200);
    gone.abort();
    return again;
  });

  it('has no body for HEAD, and ends when the API stops', async () => {
    await using own = await startApi();
    const headers = { authorization: `Bearer ${own.key}`, accept: 'text/event-stream' };
    const head = await fetch(`${own.url}/v1/events`, { method: 'HEAD', headers });
    const stream = reader(await fetch(`${own.url}/v1/events`, { headers }), new AbortController());

    await own.drain();

    await stream.ended;
    expect([head.status, stream.response.status]).toEqual([200, 200]);
  });
});
