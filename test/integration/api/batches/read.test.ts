import { appendFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { createLaneQueue } from '@darkroom/shared/queue';
import { createWakeQueue } from '@darkroom/shared/queue/bullmq';
import { createRedisPool, createRedisProviderBatches } from '@darkroom/shared/storage/redis';
import { archiveJob, loadBatch, mindBatch, type SweepBatchDeps, sweepBatch } from '@darkroom/shared/usecases';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { ndjson, sendBatch } from '../../../support/batch-calls.ts';
import { beginJob, settleJob, settleWithImage, succeedJob } from '../../../support/run-job.ts';
import { type Json, startApi, type TestApi } from '../../../support/start-api.ts';

let api: TestApi;
let settle: (id: string) => Promise<void>;
let closeQueue: () => Promise<void>;

beforeAll(async () => {
  api = await startApi();
  const { redis, prefix, deps } = api;
  await redis.sadd(`${prefix}tenants`, 'default');
  const { channels } = deps.channels;
  const standard = createWakeQueue({ redis, prefix, lines: deps.lines, channels });
  closeQueue = async () => standard[Symbol.asyncDispose]();
  const queue = createLaneQueue({ standard, pool: createRedisPool({ redis, prefix }) });
  const own: SweepBatchDeps = { ...deps, queue, chunks: createRedisProviderBatches({ redis, prefix }) };
  // What the worker does to a batch, until nothing more happens by itself.
  settle = async (id) => {
    // Twice nothing: a sweep that has just ended lets the loader go on.
    for (let quiet = 0; quiet < 2; ) {
      const did = [await loadBatch(own, 'default', id), await mindBatch(own, 'default', id)];
      did.push(await sweepBatch(own, 'default', id));
      quiet = did.some(Boolean) ? 0 : quiet + 1;
    }
  };
});
afterAll(async () => {
  await closeQueue();
  await api[Symbol.asyncDispose]();
});

/** No two of them share an image. */
const rowsUpTo = (n: number) =>
  Array.from({ length: n }, (_, i) => ({ key: `sku:${i}`, prompt: `a mug, number ${i}`, dedup: false }));

async function accepted(rows: object[], query = 'lane=standard&canary=0'): Promise<string> {
  const { status, json } = await sendBatch(api, 'ndjson', ndjson(rows), { query });
  expect(status).toBe(202);
  return json.id;
}

const read = async (path: string) => (await api.call('GET', path)).json;

describe('a batch', () => {
  it('is read with its counts, cost, rate and links as it goes', async () => {
    const id = await accepted(rowsUpTo(4), 'lane=standard&name=mugs&tags=a,b&metadata[shop]=x&priority=7');
    const before = await api.call('GET', `/v1/batches/${id}`);
    expect(before.json).toMatchObject({
      id,
      name: 'mugs',
      status: 'ingesting',
      lanes: ['standard'],
      priority: 7,
      tags: ['a', 'b'],
      metadata: { shop: 'x' },
      counts: { total: 4, queued: 4, loaded: 0, succeeded: 0 },
      cost: { currency: 'USD', actual: '0.00' },
    });

    await settle(id);
    const items = await read(`/v1/batches/${id}/items`);
    await succeedJob(api.deps, items.data[0].id);
    await settle(id);

    const after = await api.call('GET', `/v1/batches/${id}`);
    expect(after.json).toMatchObject({ status: 'running', counts: { queued: 3, succeeded: 1, loaded: 4 } });
    expect(after.json.rate).toBeGreaterThan(0);
    expect(Date.parse(after.json.eta)).toBeGreaterThan(0);
    expect(Number(after.json.cost.actual)).toBeGreaterThan(0);
    expect(after.headers.get('etag')).not.toBe(before.headers.get('etag'));
    for (const path of Object.values<string>(after.json.urls).filter((path) => !path.endsWith('events'))) {
      expect((await api.call('GET', path)).status).toBe(200);
    }
  });

  it('is not sent again to who has seen it', async () => {
    const id = await accepted(rowsUpTo(1));
    const etag = (await api.call('GET', `/v1/batches/${id}`)).headers.get('etag') ?? '';

    const again = await api.call('GET', `/v1/batches/${id}`, { headers: { 'if-none-match': etag } });

    expect(again.status).toBe(304);
  });

  it('is waited for', async () => {
    const id = await accepted(rowsUpTo(1));
    const waiting = read(`/v1/batches/${id}?wait=20`);
    await settle(id);
    await succeedJob(api.deps, (await read(`/v1/batches/${id}/items`)).data[0].id);
    await settle(id);

    expect(await waiting).toMatchObject({ status: 'completed', counts: { succeeded: 1 } });
  });

  it('is listed, newest first, a page at a time', async () => {
    const ids = [await accepted(rowsUpTo(1)), await accepted(rowsUpTo(1)), await accepted(rowsUpTo(1))];
    const seen: string[] = [];
    let path = '/v1/batches?limit=2';
    for (let n = 0; n < 2; n++) {
      const { json, headers } = await api.call('GET', path);
      seen.push(...json.data.map(({ id }: Json) => id));
      path = /<([^>]+)>; rel="next"/.exec(headers.get('link') ?? '')?.[1] ?? '';
    }

    expect(seen.slice(0, 3)).toEqual(ids.toReversed());
    expect(new Set(seen).size).toBe(4);
  });

  it('of another tenant is none', async () => {
    const id = await accepted(rowsUpTo(1));
    const key = await api.addKey('stranger');

    for (const path of [
      '',
      '/items',
      '/items/sku:0',
      '/manifest.csv',
      '/manifest.jsonl',
      '/errors.csv',
      '/archive.zip',
      '/events',
    ]) {
      const { status, json } = await api.call('GET', `/v1/batches/${id}${path}`, { key });
      expect([path, status, json.detail]).toEqual([path, 404, 'There is no such batch.']);
    }
    for (const action of ['pause', 'resume', 'cancel', 'retry-failed']) {
      expect((await api.call('POST', `/v1/batches/${id}/${action}`, { key })).status).toBe(404);
    }
    expect((await api.call('GET', '/v1/batches', { key })).json.data).toEqual([]);
  });
});

describe('items', () => {
  it('come in the order of the rows, before and after they are jobs', async () => {
    const id = await accepted(rowsUpTo(7));
    const walk = async (query = '') => {
      const keys: string[] = [];
      let after = '';
      do {
        const page = await read(`/v1/batches/${id}/items?limit=3${query}${after && `&after=${after}`}`);
        keys.push(...page.data.map(({ key }: Json) => key));
        after = page.next_cursor ?? '';
      } while (after);
      return keys;
    };
    const keys = rowsUpTo(7).map(({ key }) => key);

    expect(await walk()).toEqual(keys);
    await settle(id);
    expect(await walk()).toEqual(keys);
    await succeedJob(api.deps, (await read(`/v1/batches/${id}/items/sku:5`)).id);
    expect(await walk('&status=succeeded')).toEqual(['sku:5']);
    expect(await walk('&status=queued')).toEqual(keys.filter((key) => key !== 'sku:5'));
  });

  it('are found by key: as a job, or as a row that is none yet', async () => {
    const id = await accepted(rowsUpTo(3));

    expect(await read(`/v1/batches/${id}/items/sku:2`)).toEqual({ key: 'sku:2', batch: id, status: 'queued' });
    await settle(id);
    const job = await read(`/v1/batches/${id}/items/sku:2`);
    expect(job).toMatchObject({ key: 'sku:2', batch: id, prompt: 'a mug, number 2', status: 'queued' });
    await succeedJob(api.deps, job.id);
    await archiveJob(api.deps, await api.deps.ledger.read('default', job.id).then((found) => found ?? fail(job.id)));
    expect(await read(`/v1/batches/${id}/items/sku:2`)).toMatchObject({ id: job.id, status: 'succeeded' });
    expect((await api.call('GET', `/v1/batches/${id}/items/sku:9`)).json).toMatchObject({ status: 404, param: 'key' });
    expect((await api.call('GET', `/v1/batches/${id}/items?after=nonsense`)).json).toMatchObject({ param: 'after' });
  });
});

async function refuse(job: string, message: string): Promise<void> {
  const code = 'content_blocked' as const;
  const error = { code, detail: 'The model refused: IMAGE_SAFETY', upstream: { channel: 'gemini', message } };
  const attempt = await beginJob(api.deps, job);
  await settleJob(api.deps, job, attempt, { type: 'refused', code, error, cost: 0, tokens: 9, ms: 5 });
}

function fail(what: string): never {
  throw new Error(`no ${what}`);
}

describe('a manifest', () => {
  it('has a line for every row, those that are open too', async () => {
    const id = await accepted(rowsUpTo(250));
    const early = (await api.call('GET', `/v1/batches/${id}/manifest.jsonl`)).text.trim().split('\n');
    expect(early.map((line) => JSON.parse(line).status)).toEqual(Array.from({ length: 250 }, () => 'queued'));
    await settle(id);
    const job = await succeedJob(api.deps, (await read(`/v1/batches/${id}/items/sku:120`)).id);

    const rows = (await api.call('GET', `/v1/batches/${id}/manifest.jsonl`)).text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const csv = (await api.call('GET', `/v1/batches/${id}/manifest.csv`)).text.split('\r\n');

    expect(rows.map(({ key }) => key)).toEqual(rowsUpTo(250).map(({ key }) => key));
    const [image] = job.state.images;
    expect(rows[120]).toEqual({
      key: 'sku:120',
      status: 'succeeded',
      image_uri: api.deps.store.uri(image?.key ?? ''),
      width: 32,
      height: 32,
      bytes: image?.bytes,
      sha256: image?.sha256,
      mime: 'image/png',
      model: 'gemini-nano-banana-2.1',
      lane: 'standard',
      channel: 'gemini',
      attempts: 1,
      cost: expect.stringMatching(/^0\.0\d/),
      error_code: null,
      error_message: null,
      image_url: `${api.url}/v1/jobs/${job.id}/images/0`,
      late_image_urls: null,
    });
    expect(csv[0]).toBe(
      'key,status,image_uri,width,height,bytes,sha256,mime,model,lane,channel,attempts,cost,error_code,error_message,image_url,late_image_urls',
    );
    expect(csv).toHaveLength(252);
    expect(csv[121]).toBe(
      Object.values<string | number | null>(rows[120])
        .map((value) => value ?? '')
        .join(','),
    );
  });

  it('leads to images and late images from anywhere, and says why there is none', async () => {
    const id = await accepted(rowsUpTo(3));
    await settle(id);
    const jobs = await Promise.all(['sku:0', 'sku:1'].map((key) => read(`/v1/batches/${id}/items/${key}`)));
    const [refused, late] = jobs.map((job: Json) => job.id);
    await refuse(refused, 'Unable to show it, "sorry".');
    const attempt = await beginJob(api.deps, late);
    await api.call('POST', `/v1/jobs/${late}/cancel`);
    await settleWithImage(api.deps, late, attempt);

    const lines = (await api.call('GET', `/v1/batches/${id}/manifest.jsonl`)).text.trim().split('\n');
    const csv = (await api.call('GET', `/v1/batches/${id}/manifest.csv`)).text.split('\r\n');

    const [first, second, third] = lines.map((line) => JSON.parse(line));
    expect(first).toMatchObject({ status: 'blocked', error_code: 'content_blocked', image_url: null });
    expect(first.error_message).toBe('The model refused: IMAGE_SAFETY. Unable to show it, "sorry".');
    expect(csv[1]).toContain('"The model refused: IMAGE_SAFETY. Unable to show it, ""sorry""."');
    const url = `${api.url}/v1/jobs/${late}/images/0`;
    expect(second).toMatchObject({ status: 'canceled', error_code: 'canceled', image_url: null, late_image_urls: url });
    expect(third).toMatchObject({ status: 'queued', error_code: null, error_message: null, late_image_urls: null });
    const { status, headers } = await fetch(url, {
      headers: { authorization: `Bearer ${api.key}` },
      redirect: 'manual',
    });
    expect([status, (await fetch(headers.get('location') ?? '')).status]).toEqual([302, 200]);
  });

  it('has every key as it was sent: none that a table takes for a formula is taken in', async () => {
    const keys = ['-1', '-cmd', '=1+1', '@x'];
    const rows = keys.map((key) => ({ key, prompt: '=1+1' }));

    const { status, json } = await sendBatch(api, 'ndjson', ndjson(rows));

    expect([status, json.errors.map(({ path }: Json) => path)]).toEqual([422, keys.map(() => 'key')]);
    // What was wrong is told in a table too, and there they stand as text.
    const { text } = await api.call('GET', json.errors_url);
    const told = text.split('\r\n').slice(1, 5);
    expect(told.map((line) => line.split(',')[1])).toEqual(keys.map((key) => `'${key}`));
  });
});

describe('an archive', () => {
  it('holds every image under its key, the manifest, and what is missing', async () => {
    const keys = ['a:b', 'a_b', 'A_B', '.-.', 'gone', 'open'];
    const id = await accepted(keys.map((key) => ({ key, prompt: `a mug ${key}`, dedup: false })));
    await settle(id);
    for (const key of keys.slice(0, 5)) {
      const job = await succeedJob(api.deps, (await read(`/v1/batches/${id}/items/${encodeURIComponent(key)}`)).id);
      if (key === 'gone') await api.deps.store.delete(job.state.images[0]?.key ?? '');
    }

    const response = await fetch(`${api.url}/v1/batches/${id}/archive.zip`, {
      headers: { authorization: `Bearer ${api.key}` },
    });

    expect(response.headers.get('content-type')).toBe('application/zip');
    expect(response.headers.get('content-disposition')).toBe(`attachment; filename=${id}.zip`);
    const found = unzipped(Buffer.from(await response.arrayBuffer()));
    expect(Object.keys(found).toSorted()).toEqual(
      ['A_B~3.png', '_.png', 'a_b.png', 'a_b~2.png', 'errors.txt', 'manifest.csv'].toSorted(),
    );
    expect(found['errors.txt']).toMatch(/^gone: /);
    expect(found['manifest.csv']?.split('\r\n')).toHaveLength(keys.length + 2);
    expect(
      Buffer.from(found['a_b.png'] ?? '', 'latin1')
        .subarray(1, 4)
        .toString(),
    ).toBe('PNG');
  });

  it.each(['longer', 'unreadable'])('breaks off at an image that is %s, and the API goes on', async (fault) => {
    const before = bugs();
    const id = await accepted(rowsUpTo(2));
    await settle(id);
    const job = await succeedJob(api.deps, (await read(`/v1/batches/${id}/items/sku:0`)).id);
    const file = join(api.folder, 'objects', job.state.images[0]?.key ?? '');
    if (fault === 'longer') await appendFile(file, 'more');
    else {
      await rm(file);
      await mkdir(file);
    }

    const response = await fetch(`${api.url}/v1/batches/${id}/archive.zip`, {
      headers: { authorization: `Bearer ${api.key}` },
    });

    await expect(response.arrayBuffer()).rejects.toThrow('terminated');
    await vi.waitFor(() => expect(bugs()).toBe(before + 1));
    expect((await api.call('GET', '/livez', { key: '' })).status).toBe(200);
  });

  it('is of no concern when its caller hangs up', async () => {
    const before = bugs();
    const id = await accepted(rowsUpTo(30));
    await settle(id);
    const gone = new AbortController();
    const response = await fetch(`${api.url}/v1/batches/${id}/archive.zip`, {
      headers: { authorization: `Bearer ${api.key}` },
      signal: gone.signal,
    });
    gone.abort();
    await response.text().catch(() => undefined);

    expect((await api.call('GET', '/livez', { key: '' })).status).toBe(200);
    expect(bugs()).toBe(before);
  });
});

/** Faults of our own that were told of. */
function bugs(): number {
  return api.lines.filter(({ event }) => event === 'http.bug').length;
}

/** Names and bytes (as Latin-1) of stored entries, by the directory at the end; every sum is checked. */
function unzipped(zip: Buffer): Record<string, string> {
  const end = zip.lastIndexOf('PK\x05\x06', undefined, 'latin1');
  let at = zip.readUInt32LE(end + 16);
  return Object.fromEntries(
    Array.from({ length: zip.readUInt16LE(end + 10) }, () => {
      const [method, sum, size] = [zip.readUInt16LE(at + 10), zip.readUInt32LE(at + 16), zip.readUInt32LE(at + 24)];
      const [nameLength, extraLength] = [zip.readUInt16LE(at + 28), zip.readUInt16LE(at + 30)];
      const name = zip.toString('utf8', at + 46, at + 46 + nameLength);
      const local = zip.readUInt32LE(at + 42);
      const from = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
      const bytes = zip.subarray(from, from + size);
      at += 46 + nameLength + extraLength + zip.readUInt16LE(at + 32);
      expect([method, crc32(bytes)]).toEqual([0, sum]);
      return [name, bytes.toString('latin1')];
    }),
  );
}

describe('a caller', () => {
  it('pauses, resumes, changes and cancels', async () => {
    const id = await accepted(rowsUpTo(3));
    const act = async (action: string) => (await api.call('POST', `/v1/batches/${id}/${action}`)).json;

    expect(await act('pause')).toMatchObject({ status: 'paused', paused_by: 'caller' });
    expect(await act('resume')).toMatchObject({ status: 'ingesting' });
    const deadline = new Date(Date.now() + 3_600_000).toISOString();
    const body = { deadline, priority: 9, max_cost: '5' };
    expect((await api.call('PATCH', `/v1/batches/${id}`, { body })).json).toMatchObject({
      deadline,
      priority: 9,
      cost: { max: '5.00' },
    });
    expect((await api.call('PATCH', `/v1/batches/${id}`, { body: {} })).status).toBe(400);
    expect((await api.call('PATCH', `/v1/batches/${id}`, { body: { name: 'x' } })).json.param).toBe('name');
    await settle(id);
    expect((await read(`/v1/batches/${id}/items/sku:1`)).expires_at).toBe(deadline);
    expect(await act('cancel')).toMatchObject({ status: 'canceling' });
    await settle(id);
    expect(await read(`/v1/batches/${id}`)).toMatchObject({ status: 'canceled', counts: { canceled: 3, queued: 0 } });
    expect((await act('pause')).code).toBe('conflict');
  });

  it('may do nothing with a key that only reads', async () => {
    const id = await accepted(rowsUpTo(1));
    const key = await api.addKey('default', ['jobs:read']);

    expect((await sendBatch(api, 'ndjson', '{}', { key })).status).toBe(403);
    expect((await api.call('POST', `/v1/batches/${id}/cancel`, { key })).status).toBe(403);
    expect((await api.call('PATCH', `/v1/batches/${id}`, { key, body: { priority: 1 } })).status).toBe(403);
  });
});

describe("a batch's events", () => {
  it('tell of its counts and its cost, and end with it', async () => {
    const id = await accepted(rowsUpTo(2));
    await settle(id);
    const follow = async (last?: string) => {
      const headers = { authorization: `Bearer ${api.key}`, ...(last && { 'last-event-id': last }) };
      const response = await fetch(`${api.url}/v1/batches/${id}/events`, { headers });
      const parts = (await response.text()).split('\n\n').filter((part) => part.startsWith('id:'));
      const told = parts.map((part): Json => Object.fromEntries(part.split('\n').map((line) => line.split(/: (.*)/s))));
      return { status: response.status, told };
    };
    const following = follow();
    for (const key of ['sku:0', 'sku:1']) {
      await succeedJob(api.deps, (await read(`/v1/batches/${id}/items/${key}`)).id);
      await settle(id);
    }

    const { told } = await following;

    expect(told.map(({ event }) => event)).toEqual(['batch.started', 'batch.progressed', 'batch.completed']);
    const last = JSON.parse(told.at(-1).data);
    expect(last).toMatchObject({
      type: 'batch.completed',
      data: { id, status: 'completed', counts: { succeeded: 2 } },
    });
    expect((await follow(told[0].id)).told.map(({ event }: Json) => event)).toEqual([
      'batch.progressed',
      'batch.completed',
    ]);
    expect((await follow(told.at(-1).id)).status).toBe(204);
  });
});
