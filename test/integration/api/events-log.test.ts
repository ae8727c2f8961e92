import { eventId, type LoggedEvent } from '@darkroom/shared/domain';
import { createRedisEvents } from '@darkroom/shared/storage/redis';
import { archiveEvents, cancelJob, createEventArchive, createEventLog, forgetEvents } from '@darkroom/shared/usecases';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { succeedJob } from '../../support/run-job.ts';
import { startApi, type TestApi } from '../../support/start-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api[Symbol.asyncDispose]());

const DAY = 86_400_000;
const noEvents = { data: [], has_more: false };

let tenants = 0;
/** A tenant of the test's own, with what it may do. */
async function aTenant() {
  const tenant = `tenant-${++tenants}`;
  const key = await api.addKey(tenant);
  const get = (query: string) => api.call('GET', `/v1/events${query}`, { key });
  return {
    tenant,
    key,
    get,
    submit: async (body: object = {}): Promise<string> =>
      (await api.call('POST', '/v1/jobs', { key, body: { prompt: 'the secret prompt', dedup: false, ...body } })).json
        .id,
    /** `type about` of each event of a page. */
    told: async (query: string): Promise<string[]> =>
      (await get(query)).json.data.map(
        (event: { type: string; data: { id: string } }) => `${event.type} ${event.data.id}`,
      ),
    /** All pages of a list, one after the other. */
    walk: async (query: string): Promise<string[]> => {
      const ids: string[] = [];
      for (let next: string | undefined = `/v1/events${query}`; next; ) {
        const { json, headers } = await api.call('GET', next, { key });
        ids.push(...json.data.map(({ id }: { id: string }) => id));
        next = /<(.+)>; rel="next"/.exec(headers.get('link') ?? '')?.[1];
        expect(json.has_more).toBe(next !== undefined);
      }
      return ids;
    },
  };
}

/** Writes events as the scripts do, at times of the test's own. */
async function logEvents(tenant: string, count: number, startAt: number, stepMs = 1): Promise<string[]> {
  const pipeline = api.redis.pipeline();
  const ids: string[] = [];
  for (let i = 0; i < count; i++) {
    const ms = startAt + i * stepMs;
    pipeline.xadd(`${api.prefix}{t:${tenant}}:events`, `${ms}-0`, 't', 'job.queued', 'j', `job-${i}`);
    ids.push(eventId(tenant, { ms, seq: 0 }));
  }
  await pipeline.exec();
  return ids;
}

/** Every event's id, oldest first, as a deliverer reads them. */
async function readAll(tenant: string, now: number): Promise<string[]> {
  const { log } = sweeper(now);
  const found: string[] = [];
  for (let more = true; more; ) {
    const page = await log.read(tenant, { after: found.at(-1), limit: 700 });
    found.push(...page.map(({ id }) => id));
    more = page.length === 700;
  }
  return found;
}

/** The sweeper's part, with a clock of its own. */
function sweeper(now: number, retentionDays = 30) {
  const recent = createRedisEvents({ redis: api.redis, prefix: api.prefix });
  const clock = { now: () => now };
  const archive = createEventArchive(api.deps.store);
  const log = createEventLog({ recent, archive, clock, retentionMs: retentionDays * DAY });
  return { recent, clock, archive, log };
}
const archiveAll = async (deps: Parameters<typeof archiveEvents>[0], tenant: string) => {
  let parts = 0;
  while (await archiveEvents(deps, tenant)) parts++;
  return parts;
};
/** How long a link stays good. */
const hoursLeft = (url: string) => (Number(new URL(url).searchParams.get('expires')) * 1_000 - Date.now()) / 3_600_000;
const atHand = (tenant: string) => api.redis.xlen(`${api.prefix}{t:${tenant}}:events`);

describe('the list of events', () => {
  it('tells what happened, newest first, with the job in short and without its prompt', async () => {
    const { tenant, key, submit, get } = await aTenant();
    const id = await submit({ tags: ['summer'], metadata: { sku: '1' } });
    await succeedJob(api.deps, id, tenant);

    const { json, text } = await get('');

    expect(json.data.map(({ type }: LoggedEvent) => type)).toEqual(['job.succeeded', 'job.started', 'job.queued']);
    expect(json.data[0]).toMatchObject({
      id: expect.stringMatching(/^evt_[0-9a-f]{32}$/),
      data: { id, status: 'succeeded', tags: ['summer'], metadata: { sku: '1' }, urls: { self: `/v1/jobs/${id}` } },
    });
    expect(json.data[0].data.images).toHaveLength(1);
    expect(text).not.toContain('the secret prompt');
    expect((await fetch(json.data[0].data.images[0].url)).status).toBe(200);
    const view = await api.call('GET', `/v1/jobs/${id}`, { key });
    const [inEvent, inView] = [json.data[0].data, view.json].map(({ images: [{ url }] }) => hoursLeft(url));
    expect([inEvent, inView]).toEqual([expect.closeTo(23.9, 1), expect.closeTo(0.25, 1)]);
  });

  it('shows one event by its id', async () => {
    const { submit, get } = await aTenant();
    await submit();
    const [event] = (await get('')).json.data;

    const { status, json } = await get(`/${event.id}`);

    expect([status, json.id, json.type]).toEqual([200, event.id, 'job.queued']);
  });

  it('is filtered by type, group, job and tag', async () => {
    const { tenant, submit, told } = await aTenant();
    const [one, two] = [await submit({ tags: ['a', 'b'] }), await submit({ tags: ['b'] })];
    await succeedJob(api.deps, one, tenant);

    expect(await told('?type=job.started&type=job.succeeded')).toEqual([`job.succeeded ${one}`, `job.started ${one}`]);
    expect(await told('?type=job.started,job.succeeded')).toHaveLength(2);
    expect(await told('?type=batch.*')).toEqual([]);
    expect(await told('?type=job.*')).toHaveLength(4);
    expect(await told(`?job=${two}`)).toEqual([`job.queued ${two}`]);
    expect(await told('?tag=a')).toEqual([`job.succeeded ${one}`, `job.started ${one}`, `job.queued ${one}`]);
    expect(await told('?tag=b&order=asc&type=job.queued')).toEqual([`job.queued ${one}`, `job.queued ${two}`]);
    expect(await told('?tag=c')).toEqual([]);
  });

  it('is bounded by since and until', async () => {
    const { tenant, get, walk } = await aTenant();
    const start = Date.now() - 3_600_000;
    const ids = await logEvents(tenant, 10, start, 1_000);
    const at = (i: number) => encodeURIComponent(new Date(start + i * 1_000).toISOString());

    for (const order of ['asc', 'desc'] as const) {
      const expected = order === 'asc' ? ids.slice(3, 7) : ids.slice(3, 7).toReversed();
      expect(await walk(`?since=${at(3)}&until=${at(7)}&order=${order}&limit=3`)).toEqual(expected);
    }
    expect((await get(`?since=${at(20)}`)).json).toEqual(noEvents);
    expect((await get(`?until=${at(0)}`)).json).toEqual(noEvents);
  });

  it.each([
    ['type=job.exploded', 'type'],
    ['type=', 'type'],
    ['job=a b', 'job'],
    ['batch=bat_1', 'batch'],
    ['tag=', 'tag'],
    ['since=yesterday', 'since'],
    ['until=2026', 'until'],
    ['since=2026-11-20T00:00:00Z&until=2026-11-19T00:00:00Z', 'until'],
    ['order=up', 'order'],
    ['limit=0', 'limit'],
    ['limit=201', 'limit'],
    ['after=here', 'after'],
    ['color=red', 'color'],
  ])('refuses %s and says which field it is', async (query, param) => {
    const { get } = await aTenant();

    const { status, json } = await get(`?${query}`);

    expect([status, json.code]).toEqual([400, 'invalid_request']);
    expect(json.param.startsWith(param)).toBe(true);
  });

  it('shows nothing to another tenant, whatever it asks', async () => {
    const { submit, get } = await aTenant();
    const other = await aTenant();
    const id = await submit({ tags: ['mine'] });
    const [event] = (await get('')).json.data;

    for (const query of ['', `?job=${id}`, '?tag=mine', '?order=asc'])
      expect((await other.get(query)).json).toEqual(noEvents);
    const [unknown, foreign] = [await other.get(`/evt_${'0'.repeat(32)}`), await other.get(`/${event.id}`)];
    expect([foreign.status, foreign.json.detail]).toEqual([404, unknown.json.detail]);
    expect((await other.get(`?after=${event.id}`)).status).toBe(400);
  });

  it('needs the scope jobs:read', async () => {
    const key = await api.addKey('writer', ['jobs:write']);

    for (const path of ['/v1/events', `/v1/events/evt_${'0'.repeat(32)}`])
      expect((await api.call('GET', path, { key })).json.code).toBe('forbidden');
  });
});

describe('the archive of events', () => {
  it('is read with what is recent as one list, in both directions', async () => {
    const { tenant, walk, get } = await aTenant();
    const now = Date.now();
    const ids = [
      ...(await logEvents(tenant, 300, now - 5 * DAY)),
      ...(await logEvents(tenant, 200, now - 3 * DAY)),
      ...(await logEvents(tenant, 50, now - 60_000)),
    ];

    expect(await archiveAll(sweeper(now), tenant)).toBe(2);

    expect(await atHand(tenant)).toBe(50);
    expect(await walk('?order=asc&limit=73')).toEqual(ids);
    expect(await walk('?limit=73')).toEqual(ids.toReversed());
    for (const i of [0, 299, 300, 499, 500]) expect((await get(`/${ids[i]}`)).json.id).toBe(ids[i]);
    expect(await walk(`?order=asc&limit=200&job=job-40`)).toEqual([ids[40], ids[340], ids[540]]);
  });

  it('takes what is too much for Redis, in parts', async () => {
    const { tenant } = await aTenant();
    const now = Date.now();
    const ids = await logEvents(tenant, 21_000, now - 21_000);

    await archiveAll(sweeper(now), tenant);

    expect(await atHand(tenant)).toBeLessThan(6_000);
    expect(await readAll(tenant, now)).toEqual(ids);
  });

  it.each(['the page was written', 'the border was moved'])(
    'loses and doubles nothing by a death after %s',
    async (when) => {
      const { tenant } = await aTenant();
      const now = Date.now();
      const ids = [...(await logEvents(tenant, 6_000, now - 2 * DAY)), ...(await logEvents(tenant, 10, now - 1_000))];
      const deps = sweeper(now);
      const { recent } = deps;
      const dying = {
        ...recent,
        moved: async (...args: Parameters<typeof recent.moved>) => {
          if (when === 'the border was moved') await recent.moved(...args);
          throw new Error('died');
        },
      };
      // As a sweeper finds it before its first page.
      await recent.moved(tenant, eventId(tenant, { ms: 0, seq: 0 }));

      await expect(archiveEvents({ ...deps, recent: dying }, tenant)).rejects.toThrow('died');
      expect(await readAll(tenant, now)).toEqual(ids);
      await archiveAll(sweeper(now), tenant);

      expect(await readAll(tenant, now)).toEqual(ids);
      expect(await atHand(tenant)).toBe(10);
    },
  );

  it('is written by several sweepers at once as by one', async () => {
    const { tenant } = await aTenant();
    const now = Date.now();
    const ids = await logEvents(tenant, 12_000, now - 2 * DAY);

    await Promise.all(Array.from({ length: 4 }, () => archiveAll(sweeper(now), tenant)));

    expect(await readAll(tenant, now)).toEqual(ids);
    expect(await atHand(tenant)).toBe(0);
  });

  it('is read while events move, without a gap or a double', async () => {
    const { tenant } = await aTenant();
    const now = Date.now();
    const ids = await logEvents(tenant, 20_000, now - 2 * DAY);
    const [seen] = await Promise.all([readAll(tenant, now), archiveAll(sweeper(now), tenant)]);

    expect(seen).toEqual(ids);
  });

  it('is found again after Redis was lost', async () => {
    const { tenant, walk } = await aTenant();
    const now = Date.now();
    const old = await logEvents(tenant, 100, now - 2 * DAY);
    await archiveAll(sweeper(now), tenant);
    await api.redis.del(`${api.prefix}{t:${tenant}}:events`, `${api.prefix}{t:${tenant}}:events:archived`);
    const fresh = await logEvents(tenant, 10, now - 1_000);

    expect(await walk('?order=asc')).toEqual([...old, ...fresh]);
    expect(await walk('?limit=60')).toEqual([...old, ...fresh].toReversed());
    await archiveAll(sweeper(now), tenant);

    expect(await walk('?order=asc')).toEqual([...old, ...fresh]);
  });

  it('is deleted day by day when it is too old', async () => {
    const { tenant, walk, get } = await aTenant();
    const now = Date.now();
    const gone = await logEvents(tenant, 100, now - 33 * DAY);
    const kept = await logEvents(tenant, 100, now - 20 * DAY);
    await archiveAll(sweeper(now), tenant);

    expect(await walk('?order=asc')).toEqual(kept);
    expect((await get(`/${gone[0]}`)).status).toBe(404);
    expect(await forgetEvents(sweeper(now), tenant)).toBe(1);
    expect(await forgetEvents(sweeper(now), tenant)).toBe(0);
    expect(await walk('?order=asc')).toEqual(kept);
  });
});

it('tells of a job that has left Redis, and of one that is gone', async () => {
  const { tenant, submit, get } = await aTenant();
  const id = await submit();
  await cancelJob(api.deps, tenant, id);
  await logEvents(tenant, 1, Date.now() + 1_000);

  const { json } = await get('');

  expect(json.data[0].data).toEqual({ id: 'job-0', tags: [], urls: { self: '/v1/jobs/job-0' } });
  expect(json.data[1].data).toMatchObject({ id, status: 'canceled' });
});
