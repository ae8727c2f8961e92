import { request } from 'node:http';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { beginJob, succeedJob } from '../../support/run-job.ts';
import { startApi, type TestApi } from '../../support/start-api.ts';

let api: TestApi;
let watching = 0;

beforeAll(async () => {
  api = await startApi({
    replace: (deps) => ({
      heartbeatMs: 100,
      changes: {
        ...deps.changes,
        watch: (...watched) => {
          const stop = deps.changes.watch(...watched);
          watching += 1;
          return () => {
            watching -= 1;
            stop();
          };
        },
      },
    }),
  });
});
afterAll(() => api[Symbol.asyncDispose]());

type Told = { id: string; type: string; status: string };

/** Follows a job's events as an EventSource does. */
async function follow(id: string, lastEventId?: string) {
  const gone = new AbortController();
  const headers = { authorization: `Bearer ${api.key}`, ...(lastEventId && { 'last-event-id': lastEventId }) };
  const response = await fetch(`${api.url}/v1/jobs/${id}/events`, { headers, signal: gone.signal });
  const told: Told[] = [];
  const comments: string[] = [];
  const read = async () => {
    let text = '';
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      const parts = (text + chunk).split('\n\n');
      text = parts.pop() ?? '';
      for (const part of parts) {
        const fields = Object.fromEntries(part.split('\n').map((line) => line.split(/: (.*)/s)));
        if (part.startsWith(':')) comments.push(part);
        else told.push({ id: fields.id, type: fields.event, status: JSON.parse(fields.data).data.status });
      }
    }
  };
  const ended = read().catch((error: Error) => error.name);
  return { response, told, comments, ended, hangUp: () => gone.abort() };
}

const submit = async (prompt: string): Promise<string> =>
  (await api.call('POST', '/v1/jobs', { body: { prompt, dedup: false } })).json.id;

describe("a job's events", () => {
  it('come in order, those so far first, and end with the job', async () => {
    const id = await submit('in order');
    const stream = await follow(id);
    await expect.poll(() => stream.told.map(({ type }) => type)).toEqual(['job.queued']);
    await succeedJob(api.deps, id);
    await stream.ended;

    expect(stream.response.headers.get('content-type')).toMatch(/^text\/event-stream/);
    expect(stream.response.headers.get('cache-control')).toBe('no-store');
    expect(stream.told.map(({ type }) => type)).toEqual(['job.queued', 'job.started', 'job.succeeded']);
    expect(stream.told.at(-1)?.status).toBe('succeeded');
    expect(stream.told.map((event) => event.id)).toEqual(stream.told.map((event) => event.id).toSorted());
  });

  it('are never told beside a state older than themselves', async () => {
    await Promise.all(
      Array.from({ length: 20 }, async (_, n) => {
        const id = await submit(`racing ${n}`);
        const [stream] = await Promise.all([follow(id), succeedJob(api.deps, id)]);
        await stream.ended;
        expect(stream.told.at(-1)).toMatchObject({ type: 'job.succeeded', status: 'succeeded' });
        expect(stream.told.map(({ type }) => type)).toEqual(['job.queued', 'job.started', 'job.succeeded']);
      }),
    );
  });

  it('resume after the last one seen, with nothing lost or repeated', async () => {
    const id = await submit('resumed');
    const first = await follow(id);
    await expect.poll(() => first.told.length).toBe(1);
    first.hangUp();
    await first.ended;
    await succeedJob(api.deps, id);

    const second = await follow(id, first.told.at(-1)?.id);
    await second.ended;

    expect(second.told.map(({ type }) => type)).toEqual(['job.started', 'job.succeeded']);
    const third = await follow(id, second.told.at(-1)?.id);
    expect(third.response.status).toBe(204);
  });

  it('of a job whose events are kept no longer still tell its end', async () => {
    const id = await submit('trimmed');
    const stream = await follow(id);
    await expect.poll(() => stream.told.length).toBe(1);
    stream.hangUp();
    await succeedJob(api.deps, id);
    await api.redis.del(`${api.prefix}{t:default}:events`);

    for (const seen of [undefined, stream.told[0]?.id]) {
      const late = await follow(id, seen);
      await late.ended;
      expect(late.told).toMatchObject([{ type: 'job.succeeded', status: 'succeeded' }]);
      expect((await follow(id, late.told[0]?.id)).response.status).toBe(204);
    }
  });

  it.each(['yesterday', '1', '1-', '1-x', '0-1 ; x', '1234567890123456-0'])(
    'are refused after an id that none of them has: %s',
    async (seen) => {
      const id = await submit('nonsense');

      const { status, json } = await api.call('GET', `/v1/jobs/${id}/events`, { headers: { 'last-event-id': seen } });

      expect([status, json.code, json.param]).toEqual([400, 'invalid_request', 'Last-Event-ID']);
      expect(json.fix).toContain('leave it out');
      await expect.poll(() => watching).toBe(0);
    },
  );

  it('start anew after an empty id', async () => {
    const id = await submit('from the start');
    const headers = { authorization: `Bearer ${api.key}`, 'last-event-id': '' };
    const gone = new AbortController();

    const { status } = await fetch(`${api.url}/v1/jobs/${id}/events`, { headers, signal: gone.signal });

    expect(status).toBe(200);
    gone.abort();
  });

  it('are kept apart from those of other jobs', async () => {
    const [mine, other] = [await submit('mine'), await submit('other')];
    const stream = await follow(mine);
    await beginJob(api.deps, other);
    await succeedJob(api.deps, mine);
    await stream.ended;

    expect(stream.told).toHaveLength(3);
  });
});

describe('a quiet stream', () => {
  it('is kept alive by comments', async () => {
    const stream = await follow(await submit('quiet'));

    await expect.poll(() => stream.comments.length).toBeGreaterThan(1);
    expect(stream.comments[0]).toBe(': still here');
    stream.hangUp();
  });

  it('leaves no listener when the caller hangs up', async () => {
    await expect.poll(() => watching).toBe(0);
    const streams = await Promise.all(Array.from({ length: 10 }, async (_, n) => follow(await submit(`hung up ${n}`))));
    await expect.poll(() => watching).toBe(10);

    for (const stream of streams) stream.hangUp();

    await expect.poll(() => watching).toBe(0);
  });

  it('of nobody is no stream, and leaves no listener', async () => {
    const answer = await api.call('GET', '/v1/jobs/unknown/events');

    expect([answer.status, answer.json.code, watching]).toEqual([404, 'not_found', 0]);
  });

  it('has no body for HEAD', async () => {
    const id = await submit('head');
    const answer = await fetch(`${api.url}/v1/jobs/${id}/events`, {
      method: 'HEAD',
      headers: { authorization: `Bearer ${api.key}` },
    });

    expect([answer.status, watching]).toEqual([200, 0]);
  });

  it('ends when the API stops', async () => {
    await using own = await startApi();
    const { id } = (await own.call('POST', '/v1/jobs', { body: { prompt: 'x' } })).json;
    const headers = { authorization: `Bearer ${own.key}` };
    const opened = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    const req = request(`${own.url}/v1/jobs/${id}/events`, { headers }, (res) => {
      createInterface(res).once('line', opened.resolve);
      res.on('end', ended.resolve);
    });
    req.end();
    await opened.promise;

    await own.drain();

    await expect(ended.promise).resolves.toBeUndefined();
  });
});
