import { describe, expect, it } from 'vitest';
import type { Course } from '../faults/course.ts';
import type { FaultRule } from '../faults/rules.ts';
import { type Emulator, startEmulator } from '../server.ts';
import {
  batchOf,
  course,
  create,
  download,
  HOUR,
  jsonl,
  keysTo,
  operation,
  request,
  results,
  SECOND,
  STOPPED,
  stateOf,
} from '../testing/batch.ts';
import { controlled, MODEL, sdk } from '../testing/client.ts';
import { call, upload } from '../testing/upload.ts';

const start = (faults: FaultRule[] = []) => startEmulator({ settings: STOPPED, faults });

/** A batch of ten rows that took this course, an hour later. */
async function after(spec: Course): Promise<{ emulator: Emulator; id: string }> {
  const emulator = await start(course(spec));
  const id = await batchOf(emulator, keysTo(10));
  emulator.control.advance(HOUR);
  return { emulator, id };
}

describe('creating a batch', () => {
  it('is done although the connection is reset, or an error is answered', async () => {
    await using emulator = await start([
      { match: { route: 'create_batch' }, times: 1, fault: { kind: 'reset_after_billing' } },
      { match: { route: 'create_batch' }, times: 1, fault: { kind: 'deadline_504', billed: true } },
    ]);
    const file = (await upload(emulator, jsonl(['a'])))['name'] ?? '';

    await expect(create(emulator, { file, displayName: 'first' })).rejects.toThrow('fetch failed');
    expect((await create(emulator, { file, displayName: 'second' })).status).toBe(504);

    const listed = await Array.fromAsync(await sdk(emulator).batches.list());
    expect(listed.map(({ displayName }) => displayName)).toEqual(['second', 'first']);
    expect(emulator.control.journal().entries.slice(-3)).toMatchObject([
      { route: 'create_batch', outcome: 'lost', fault: 'reset_after_billing', display_name: 'first' },
      { route: 'create_batch', outcome: 'rejected', http_status: 504, batch: expect.any(String) },
      { route: 'list_batches' },
    ]);
  });

  it('is refused, or broken off, without a trace', async () => {
    await using emulator = await start([
      { match: { route: 'create_batch', displayNameIncludes: 'busy' }, fault: { kind: 'quota_help_only' } },
      { match: { route: 'create_batch', displayNameIncludes: 'cut' }, fault: { kind: 'reset' } },
    ]);
    const file = (await upload(emulator, jsonl(['a'])))['name'] ?? '';

    expect((await create(emulator, { file, displayName: 'a busy one' })).status).toBe(429);
    await expect(create(emulator, { file, displayName: 'a cut one' })).rejects.toThrow('fetch failed');

    expect(emulator.control.batches()).toEqual([]);
  });
});

describe('the list', () => {
  it('lags behind', async () => {
    await using emulator = await start([{ fault: { kind: 'stale_list', ms: 60 * SECOND } }]);
    const names = async () => (await Array.fromAsync(await sdk(emulator).batches.list())).map(({ name }) => name);
    const id = await batchOf(emulator, ['a']);

    emulator.control.advance(59 * SECOND);
    expect(await names()).toEqual([]);
    expect(await stateOf(emulator, id)).toMatch(/PENDING|RUNNING/);
    emulator.control.advance(SECOND);
    expect(await names()).toEqual([`batches/${id}`]);
  });

  it('fails on one page, or works while one batch cannot be had', async () => {
    await using emulator = await start([
      { match: { route: 'list_batches', nth: 2 }, fault: { kind: 'quota_bare' } },
      { match: { route: 'get_batch', displayNameIncludes: 'stone' }, fault: { kind: 'unavailable' } },
      { match: { route: 'download_file', displayNameIncludes: 'stone' }, fault: { kind: 'not_found' } },
    ]);
    const stone = await batchOf(emulator, ['a'], { displayName: 'a stone' });
    const other = await batchOf(emulator, ['a']);
    const list = (query: string) => call(emulator, 'GET', `v1/batches?pageSize=1${query}`);
    const status = async (id: string) => (await call(emulator, 'GET', `v1/batches/${id}`)).status;

    const first = (await (await list('')).json()) as { nextPageToken: string };
    const second = await list(`&pageToken=${first.nextPageToken}`);
    const again = await list(`&pageToken=${first.nextPageToken}`);
    emulator.control.advance(HOUR);

    expect([second.status, again.status]).toEqual([429, 200]);
    expect([await status(stone), await status(other)]).toEqual([503, 200]);
    expect([(await download(emulator, stone)).status, (await download(emulator, other)).status]).toEqual([404, 200]);
  });
});

describe('a course', () => {
  it('may be PENDING for ever', async () => {
    await using emulator = await start(course({ ends: 'never' }));
    const id = await batchOf(emulator, ['a']);

    emulator.control.advance(1000 * HOUR);

    expect(await stateOf(emulator, id)).toBe('BATCH_STATE_PENDING');
    await call(emulator, 'POST', `v1/batches/${id}:cancel`);
    expect(await stateOf(emulator, id)).toBe('BATCH_STATE_CANCELLED');
    expect(emulator.control.bill().images).toBe(0);
  });

  it('may expire after 48 hours, with no output or with some', async () => {
    await using emulator = await start([
      { match: { displayNameIncludes: 'empty' }, fault: { kind: 'course', ends: 'expired' } },
      { match: { displayNameIncludes: 'some' }, fault: { kind: 'course', ends: 'expired', pendingMs: 0, done: 0.6 } },
    ]);
    const empty = await batchOf(emulator, keysTo(10), { displayName: 'empty' });
    const some = await batchOf(emulator, keysTo(10), { displayName: 'some' });

    emulator.control.advance(48 * HOUR - 1);
    expect([await stateOf(emulator, empty), await stateOf(emulator, some)]).toEqual([
      'BATCH_STATE_PENDING',
      'BATCH_STATE_RUNNING',
    ]);
    emulator.control.advance(1);

    expect(await operation(emulator, empty)).not.toHaveProperty('response');
    expect((await operation(emulator, empty)).metadata).toMatchObject({
      state: 'BATCH_STATE_EXPIRED',
      batchStats: { requestCount: '10', pendingRequestCount: '10' },
    });
    expect((await download(emulator, empty)).status).toBe(403);
    expect(await stateOf(emulator, some)).toBe('BATCH_STATE_EXPIRED');
    expect(await results(emulator, some)).toHaveLength(6);
    expect(emulator.control.bill()).toMatchObject({ images: 6, by_batch: { [empty]: { images: 0 } } });
  });

  it('may fail as a whole', async () => {
    const { emulator, id } = await after({ ends: 'failed', error: { code: 8, message: 'Too much.' } });
    await using _ = emulator;

    expect(await operation(emulator, id)).toMatchObject({
      done: true,
      error: { code: 8, message: 'Too much.' },
      metadata: { state: 'BATCH_STATE_FAILED' },
    });
    expect((await download(emulator, id)).status).toBe(403);
  });

  it('may be cancelled with what was done until then', async () => {
    await using emulator = await start(course({ pendingMs: 0, runningMs: 100 * SECOND }));
    const id = await batchOf(emulator, keysTo(10));

    emulator.control.advance(70 * SECOND);
    expect(await (await call(emulator, 'POST', `v1beta/batches/${id}:cancel`, {})).json()).toEqual({});

    expect(await stateOf(emulator, id)).toBe('BATCH_STATE_CANCELLED');
    expect((await results(emulator, id)).map(({ key }) => key)).toHaveLength(7);
    expect(emulator.control.bill().images).toBe(7);
  });

  it('may be spelled the other way', async () => {
    const { emulator, id } = await after({ prefix: 'JOB_STATE_' });
    await using _ = emulator;

    expect(await stateOf(emulator, id)).toBe('JOB_STATE_SUCCEEDED');
    expect((await sdk(emulator).batches.get({ name: `batches/${id}` })).state).toBe('JOB_STATE_SUCCEEDED');
  });

  it('may leave its output in order, or cut in its last line', async () => {
    const ordered = await after({ order: 'input' });
    await using _ = ordered.emulator;
    expect((await results(ordered.emulator, ordered.id)).map(({ key }) => key)).toEqual(keysTo(10));

    const { emulator, id } = await after({ truncated: true });
    await using __ = emulator;
    const lines = (await (await download(emulator, id)).text()).split('\n');
    expect(lines).toHaveLength(10);
    expect(() => JSON.parse(lines[8] ?? '')).not.toThrow();
    expect(() => JSON.parse(lines[9] ?? '')).toThrow(SyntaxError);
  });

  it('may end before its output can be read', async () => {
    await using emulator = await start(course({ pendingMs: 0, runningMs: 0, outputAfterMs: 30 * SECOND }));
    const id = await batchOf(emulator, ['a']);

    expect(await stateOf(emulator, id)).toBe('BATCH_STATE_SUCCEEDED');
    expect((await download(emulator, id)).status).toBe(404);
    emulator.control.advance(30 * SECOND);
    expect(await results(emulator, id)).toHaveLength(1);
  });

  it('can be changed until it is over', async () => {
    await using emulator = await start();
    const id = await batchOf(emulator, keysTo(4));

    const told = await controlled(emulator, 'PATCH', `batches?id=${id}`, { ends: 'cancelled', done: 0.5 });
    expect(await told.json()).toMatchObject({ id, state: 'PENDING', course: { ends: 'cancelled', done: 0.5 } });
    emulator.control.setCourse(id, { pendingMs: 0, runningMs: 0 });

    expect(await stateOf(emulator, id)).toBe('BATCH_STATE_CANCELLED');
    expect(await results(emulator, id)).toHaveLength(2);
    emulator.control.setCourse(id, { ends: 'succeeded' });
    expect(await stateOf(emulator, id)).toBe('BATCH_STATE_CANCELLED');
    const unknown = await controlled(emulator, 'PATCH', 'batches?id=none', {});
    expect([unknown.status, await unknown.text()]).toEqual([400, '{"error":"id: there is no batch none"}']);
  });
});

describe('the lines of an output', () => {
  const lineOf = async (fault: FaultRule['fault']) => {
    const emulator = await start([{ match: { route: 'batch_line', keyIncludes: 'row-2' }, fault }]);
    const id = await batchOf(emulator, keysTo(3));
    emulator.control.advance(HOUR);
    return { emulator, lines: await results(emulator, id), bill: emulator.control.bill(), id };
  };

  it('miss one, billed or not', async () => {
    for (const billed of [true, false]) {
      const { emulator, lines, bill } = await lineOf({ kind: 'line_missing', billed });
      await using _ = emulator;
      expect(new Set(lines.map(({ key }) => key))).toEqual(new Set(['row-1', 'row-3']));
      expect(bill.images).toBe(billed ? 3 : 2);
    }
  });

  it('have one twenty times, each with another image, all billed', async () => {
    const { emulator, lines, bill, id } = await lineOf({ kind: 'line_duplicated' });
    await using _ = emulator;

    const doubles = lines.filter(({ key }) => key === 'row-2');
    expect(doubles).toHaveLength(20);
    expect(new Set(doubles.map(({ response }) => JSON.stringify(response?.candidates))).size).toBe(20);
    expect(bill).toMatchObject({ calls: 22, images: 22 });
    expect(emulator.control.batchLines(id)[1]).toMatchObject({ key: 'row-2', fault: 'line_duplicated', images: 20 });
  });

  it('have some that nobody asked for, or that say not whose they are', async () => {
    const strays = await lineOf({ kind: 'line_stray', count: 2 });
    await using _ = strays.emulator;
    expect(strays.lines.filter(({ key }) => key?.startsWith('stray-'))).toHaveLength(2);
    expect(strays.lines).toHaveLength(5);
    expect(strays.bill.images).toBe(5);

    const keyless = await lineOf({ kind: 'line_keyless' });
    await using __ = keyless.emulator;
    expect(keyless.lines.filter((line) => !('key' in line))).toHaveLength(1);
  });

  it.each([
    [
      { kind: 'line_error', code: 13 },
      { code: 13, message: 'Internal error encountered.' },
    ],
    [
      { kind: 'line_error', code: 4, message: 'Late.' },
      { code: 4, message: 'Late.' },
    ],
    [{ kind: 'overloaded' }, { code: 14, message: expect.stringContaining('high demand') }],
    [{ kind: 'quota_bare' }, { code: 8, message: expect.stringContaining('Resource has been exhausted') }],
    [{ kind: 'invalid_argument' }, { code: 3, message: 'Request contains an invalid argument.' }],
  ] as const)('have an error for %j', async (fault, error) => {
    const { emulator, lines, bill } = await lineOf(fault);
    await using _ = emulator;

    expect(lines.find(({ key }) => key === 'row-2')).toEqual({ key: 'row-2', error });
    expect(bill).toMatchObject({ calls: 3, billed_calls: 2 });
  });

  it('have an error for what was made and billed all the same', async () => {
    const { emulator, lines, bill } = await lineOf({ kind: 'deadline_504', billed: true });
    await using _ = emulator;

    expect(lines.find(({ key }) => key === 'row-2')?.error?.code).toBe(4);
    expect(bill).toMatchObject({ calls: 3, billed_calls: 3, images: 3 });
  });

  it('have an answer without an image', async () => {
    const blocked = await lineOf({ kind: 'blocked', finishReason: 'IMAGE_SAFETY' });
    await using _ = blocked.emulator;
    const line = blocked.lines.find(({ key }) => key === 'row-2');
    expect(line?.response?.candidates?.[0]).toMatchObject({ finishReason: 'IMAGE_SAFETY', content: { role: 'model' } });
    expect(blocked.bill).toMatchObject({ billed_calls: 3, images: 2 });

    const free = await lineOf({ kind: 'blocked', finishReason: 'IMAGE_OTHER' });
    await using __ = free.emulator;
    expect(free.bill).toMatchObject({ calls: 3, billed_calls: 2 });
  });

  it('are struck from within their prompts too, and spared by rules for calls', async () => {
    await using emulator = await start([{ fault: { kind: 'no_image' } }]);
    const id = await batchOf(emulator, keysTo(3), {
      prompt: (key) => (key === 'row-3' ? 'x [[emulator fault=unavailable]]' : key),
    });
    emulator.control.advance(HOUR);

    const lines = await results(emulator, id);
    expect(lines.find(({ key }) => key === 'row-3')?.error?.code).toBe(14);
    expect(emulator.control.bill().images).toBe(2);
  });
});

describe('a download', () => {
  it.each([
    [{ kind: 'cut_body', atByte: 5_000 }, 5_000],
    [{ kind: 'cut_body', fraction: 0.5 }, undefined],
  ] as const)('breaks off: %j', async (fault, bytes) => {
    await using emulator = await start();
    const id = await batchOf(emulator, keysTo(3));
    emulator.control.advance(HOUR);
    const whole = (await (await download(emulator, id)).arrayBuffer()).byteLength;
    emulator.control.putFaults([{ match: { route: 'download_file', batch: id }, times: 1, fault }]);

    let received = 0;
    const broken = await download(emulator, id);
    const reading = async () => {
      for await (const chunk of broken.body ?? []) received += chunk.length;
    };
    await expect(reading()).rejects.toThrow('terminated');

    expect(received).toBe(bytes ?? Math.floor(whole / 2));
    expect(await results(emulator, id)).toHaveLength(3);
  });
});

describe('inline output that is too large', () => {
  it('can never be had, while the list works', async () => {
    await using emulator = await start();
    const requests = Array.from({ length: 138 }, (_, i) => ({
      request: { ...request(`row ${i}`), generationConfig: { imageConfig: { imageSize: '2K' } } },
    }));
    const post = async (requests: object[]) => {
      const response = await create(emulator, { batch: { inputConfig: { requests: { requests } } } });
      return ((await response.json()) as { name: string }).name;
    };
    const large = await post(requests);
    const small = await post(requests.slice(0, 2));
    emulator.control.advance(HOUR);
    const get = (name: string, headers = {}) =>
      fetch(`${emulator.url}/v1beta/${name}`, { headers: { 'x-goog-api-key': 'k', ...headers } });

    expect((await get(large)).status).toBe(503);
    expect((await get(large, { 'x-server-timeout': '3600' })).status).toBe(504);
    expect((await get(small)).status).toBe(200);
    expect(await (await call(emulator, 'GET', 'v1beta/batches')).text()).toContain(large);
    expect(emulator.control.bill().by_model[MODEL]?.images).toBe(140);
  });
});
