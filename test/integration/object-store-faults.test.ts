import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { createGcsStore } from '@darkroom/shared/storage/gcs';
import { crc32c } from '@node-rs/crc32';
import { describe, expect, it } from 'vitest';
import { type Fault, startGcsEmulator } from '../support/gcs-emulator/index.ts';

const PNG = { contentType: 'image/png' };
const MB = 1024 * 1024;

async function openStore(options: { silenceMs?: number; bucket?: string } = {}) {
  const emulator = await startGcsEmulator({ buckets: ['images'] });
  const store = createGcsStore({
    bucket: options.bucket ?? 'images',
    prefix: '',
    apiEndpoint: emulator.url,
    credentials: emulator.credentials,
    silenceMs: options.silenceMs ?? 5000,
  });
  return { store, emulator, [Symbol.asyncDispose]: () => emulator.close() };
}

async function largeFile(bytes: number) {
  const folder = await mkdtemp(join(tmpdir(), 'gcs-large-'));
  const content = randomBytes(bytes);
  const path = join(folder, 'large');
  await writeFile(path, content);
  const remove = () => rm(folder, { recursive: true, force: true });
  return { file: { path, bytes }, content, [Symbol.asyncDispose]: remove };
}

describe('GCS store, when requests fail', () => {
  it.each([500, 502, 503, 504, 429, 408])('reports status %i as an outage after one request', async (status) => {
    await using world = await openStore();
    world.emulator.faults.push({ type: 'status', status });

    await expect(world.store.put('a', Buffer.from('x'), PNG)).rejects.toMatchObject({
      code: 'storage_unavailable',
      retryable: true,
    });

    expect(world.emulator.journal).toHaveLength(1);
    expect(await world.store.put('a', Buffer.from('x'), PNG)).toBe('created');
  });

  it.each([401, 403])('reports status %i as credentials that somebody must mend', async (status) => {
    await using world = await openStore();
    const fault: Fault = { type: 'status', status };
    world.emulator.faults.push(fault, fault, fault);
    const refused = { code: 'storage_unavailable', retryable: true, message: expect.stringContaining('credentials') };

    await expect(world.store.put('a', Buffer.from('x'), PNG)).rejects.toMatchObject(refused);
    await expect(world.store.head('a')).rejects.toMatchObject(refused);
    await expect(world.store.get('a')).rejects.toMatchObject(refused);
  });

  it('names a bucket that does not exist, and is not healthy', async () => {
    await using world = await openStore({ bucket: 'nowhere' });

    const put = world.store.put('a', Buffer.from('x'), PNG);

    await expect(put).rejects.toMatchObject({
      code: 'storage_unavailable',
      message: expect.stringContaining('bucket'),
      fix: expect.stringContaining('STORAGE_URL'),
    });
    expect(await world.store.healthy()).toBe(false);
  });

  it.each(['put', 'head', 'get', 'delete'] as const)('gives a silent server up, in %s', async (method) => {
    await using world = await openStore({ silenceMs: 150 });
    world.emulator.faults.push({ type: 'hang' }, { type: 'hang' });
    const call = {
      put: () => world.store.put('a', randomBytes(100_000), PNG),
      head: () => world.store.head('a'),
      get: () => world.store.get('a'),
      delete: () => world.store.delete('a'),
    }[method];

    await expect(call()).rejects.toMatchObject({ code: 'storage_unavailable', retryable: true });

    await expect.poll(() => world.emulator.connections()).toBe(0);
  });

  it('does not count a put as lost when the connection breaks before its answer', async () => {
    await using world = await openStore();
    world.emulator.faults.push({ type: 'reset_after_commit' });

    expect(await world.store.put('a', Buffer.from('x'), PNG)).toBe('exists');
  });

  it('reports a connection that breaks before the object exists', async () => {
    await using world = await openStore();
    world.emulator.faults.push({ type: 'reset' });

    await expect(world.store.put('a', Buffer.from('x'), PNG)).rejects.toMatchObject({ code: 'storage_unavailable' });
    expect(await world.store.head('a')).toBeUndefined();
  });

  it('finds other bytes behind a lost answer', async () => {
    await using world = await openStore();
    await world.store.put('a', Buffer.from('x'), PNG);
    world.emulator.faults.push({ type: 'reset' });

    await expect(world.store.put('a', Buffer.from('y'), PNG)).rejects.toMatchObject({ code: 'object_conflict' });
  });

  it('fails a download whose bytes are not the stored ones', async () => {
    await using world = await openStore();
    await world.store.put('a', randomBytes(100_000), PNG);
    world.emulator.faults.push({ type: 'garble' });

    const stream = await world.store.get('a');

    await expect(stream && buffer(stream)).rejects.toMatchObject({ code: 'internal' });
  });

  it('leaves uploads under way alone when a download is left early', async () => {
    await using world = await openStore();
    await world.store.put('a', randomBytes(3 * MB), PNG);

    const puts = Array.from({ length: 5 }, (_, n) => world.store.put(`b${n}`, randomBytes(2 * MB), PNG));
    for (const stream of await Promise.all([world.store.get('a'), world.store.get('a')])) stream?.destroy();

    expect(await Promise.all(puts)).toEqual(Array.from({ length: 5 }, () => 'created'));
  });

  it('frees the connection of a download nobody reads', async () => {
    await using world = await openStore();
    await world.store.put('a', randomBytes(3 * MB), PNG);
    const idle = world.emulator.connections();

    const stream = await world.store.get('a');
    stream?.destroy();

    await expect.poll(() => world.emulator.connections()).toBeLessThanOrEqual(idle);
  });
});

describe('GCS store, above 32 MB', () => {
  it('uploads in a resumable session and goes on where a broken connection left it', async () => {
    await using world = await openStore();
    await using large = await largeFile(33 * MB);
    world.emulator.faults.push({ type: 'cut', afterBytes: 3 * MB, on: ({ method }) => method === 'PUT' });

    const result = await world.store.put('large', large.file, { ...PNG, crc32c: crc32c(large.content) });

    expect(['created', 'exists']).toContain(result);
    expect(await world.store.head('large')).toMatchObject({ bytes: 33 * MB, crc32c: crc32c(large.content) });
    const steps = world.emulator.journal
      .filter(({ method }) => method !== 'GET')
      .map(({ method, status }) => `${method} ${status}`);
    expect(steps.slice(0, 3)).toEqual(['POST 200', 'PUT 0', 'PUT 308']); // The third asks how far the second got.
    expect(steps.at(-1)).toBe('PUT 200');
    expect(steps.filter((step) => step.startsWith('POST'))).toHaveLength(1);
  });

  it('writes once there too', async () => {
    await using world = await openStore();
    await using large = await largeFile(32 * MB + 1);
    await world.store.put('large', large.file, PNG);

    expect(await world.store.put('large', large.file, PNG)).toBe('exists');
    await world.store.put('other', Buffer.from('x'), PNG);
    await expect(world.store.put('other', large.file, PNG)).rejects.toMatchObject({ code: 'object_conflict' });
  });

  it('takes a single request up to 32 MB', async () => {
    await using world = await openStore();

    await world.store.put('a', Buffer.alloc(32 * MB), PNG);

    expect(world.emulator.journal.map(({ path }) => /uploadType=(\w+)/.exec(path)?.[1])).toEqual(['multipart']);
  });
});
