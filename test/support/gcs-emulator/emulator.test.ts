import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGcsStore } from '@darkroom/shared/storage/gcs';
import { Storage } from '@google-cloud/storage';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type GcsEmulator, startGcsEmulator } from './index.ts';

const QUANTUM = 256 * 1024;

describe('the GCS emulator', () => {
  let emulator: GcsEmulator;
  let storage: Storage;
  const clock = { now: () => Date.now() + ahead };
  let ahead = 0;
  const bucket = () => storage.bucket('bucket');
  const save = (name: string, bytes: Buffer | string, options = {}) =>
    bucket()
      .file(name)
      .save(bytes, { resumable: false, ...options });
  const get = (name: string, headers: Record<string, string> = {}) =>
    fetch(`${emulator.url}/storage/v1/b/bucket/o/${name}?alt=media`, { headers });
  const read = async (name: string) => Buffer.from(await (await get(name)).arrayBuffer());
  const list = async (query: string): Promise<unknown> =>
    (await fetch(`${emulator.url}/storage/v1/b/bucket/o?${query}`)).json();
  const signed = (credentials: GcsEmulator['credentials']) =>
    createGcsStore({ bucket: 'bucket', prefix: '', apiEndpoint: emulator.url, credentials }).signedUrl('signed', {
      expiresAt: Date.now() + 60_000,
    });
  const postMedia = async (name: string, body: string): Promise<void> => {
    const response = await post(`/upload/storage/v1/b/bucket/o?uploadType=media&name=${name}&ifGenerationMatch=0`, {
      body,
    });
    if (!response.ok) throw new Error(`answered ${response.status}`);
  };
  const post = (path: string, init: RequestInit = {}) => fetch(emulator.url + path, { method: 'POST', ...init });

  beforeAll(async () => {
    emulator = await startGcsEmulator({ clock });
    storage = new Storage({ apiEndpoint: emulator.url, projectId: 'test', retryOptions: { autoRetry: false } });
    await storage.createBucket('bucket');
  });
  afterAll(async () => {
    await emulator.close();
  });

  it('knows the buckets that were made, and makes none twice', async () => {
    expect(await bucket().exists()).toEqual([true]);
    expect(await storage.bucket('other').exists()).toEqual([false]);
    await expect(storage.createBucket('bucket')).rejects.toMatchObject({ code: 409 });
    await expect(storage.bucket('other').file('a').save('x', { resumable: false })).rejects.toMatchObject({
      code: 404,
    });
  });

  it('gives each write a generation, and each change of metadata a metageneration', async () => {
    await save('generations', 'one');
    const [first] = await bucket().file('generations').getMetadata();
    await save('generations', 'two');
    const [second] = await bucket()
      .file('generations')
      .setMetadata({ metadata: { a: '1' } });

    expect(Number(second.generation)).toBeGreaterThan(Number(first.generation));
    expect([first.metageneration, second.metageneration]).toEqual(['1', '2']);
    expect(second.metadata).toEqual({ a: '1' });
  });

  it('holds every precondition', async () => {
    await save('guarded', 'x');
    const [{ generation }] = await bucket().file('guarded').getMetadata();
    const file = bucket().file('guarded');
    const refused = { code: 412 };

    await expect(save('guarded', 'y', { preconditionOpts: { ifGenerationMatch: 0 } })).rejects.toMatchObject(refused);
    await expect(file.setMetadata({}, { ifMetagenerationMatch: 7 })).rejects.toMatchObject(refused);
    await expect(file.delete({ ifGenerationMatch: 1 })).rejects.toMatchObject(refused);
    await save('guarded', 'y', { preconditionOpts: { ifGenerationMatch: Number(generation) } });
    expect((await read('guarded')).toString()).toBe('y');
  });

  it('lets one of eight racing writers win, in every way to upload', async () => {
    for (const uploadType of ['media', 'multipart', 'resumable']) {
      const name = `race-${uploadType}`;
      const preconditionOpts = { ifGenerationMatch: 0 };
      const write = (n: number) =>
        uploadType === 'media'
          ? postMedia(name, `${n}`)
          : save(name, `${n}`, { preconditionOpts, resumable: uploadType === 'resumable' });

      const ends = await Promise.allSettled(Array.from({ length: 8 }, (_, n) => write(n)));

      expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    }
  });

  it('refuses bytes that are not the declared ones, with 400', async () => {
    const md5Hash = createHash('md5').update('other').digest('base64');

    await expect(save('declared', 'bytes', { metadata: { md5Hash } })).rejects.toMatchObject({ code: 400 });
    await expect(save('declared', 'bytes', { metadata: { crc32c: 'AAAAAA==' } })).rejects.toMatchObject({ code: 400 });
    expect(await bucket().file('declared').exists()).toEqual([false]);
  });

  it('counts the CRC32C of the check value of its specification', async () => {
    await save('check', '123456789');
    const [metadata] = await bucket().file('check').getMetadata();

    expect(Buffer.from(String(metadata.crc32c), 'base64').toString('hex')).toBe('e3069283');
  });

  it('serves ranges, hashes and the stored type', async () => {
    await save('ranges', '0123456789', { contentType: 'text/plain' });

    const part = await get('ranges', { range: 'bytes=2-4' });
    expect([part.status, await part.text(), part.headers.get('content-range')]).toEqual([206, '234', 'bytes 2-4/10']);
    expect(part.headers.get('x-goog-hash')).toMatch(/^crc32c=.+,md5=.+$/);
    expect(part.headers.get('content-type')).toBe('text/plain');
    expect(await (await get('ranges', { range: 'bytes=-3' })).text()).toBe('789');
    expect((await get('ranges', { range: 'bytes=10-' })).status).toBe(416);
  });

  it('lists by prefix, folder and page', async () => {
    for (const name of ['list/a', 'list/b/1', 'list/b/2', 'list/c']) await save(name, name);

    expect((await bucket().getFiles({ prefix: 'list/' }))[0].map(({ name }) => name)).toEqual([
      'list/a',
      'list/b/1',
      'list/b/2',
      'list/c',
    ]);
    expect(await list('prefix=list/&delimiter=/')).toMatchObject({
      items: [{ name: 'list/a' }, { name: 'list/c' }],
      prefixes: ['list/b/'],
    });
    expect(await list('prefix=list/&maxResults=1&pageToken=list/a')).toMatchObject({
      items: [{ name: 'list/b/1' }],
      nextPageToken: 'list/b/1',
    });
    expect(await list('prefix=list/&delimiter=/&maxResults=2')).toMatchObject({
      prefixes: ['list/b/'],
      nextPageToken: 'list/b/',
    });
  });

  it('copies with bytes and metadata', async () => {
    await save('source', 'bytes', { metadata: { metadata: { a: '1' } } });

    await bucket().file('source').copy(bucket().file('copied'));

    expect((await read('copied')).toString()).toBe('bytes');
    expect((await bucket().file('copied').getMetadata())[0].metadata).toEqual({ a: '1' });
  });

  it('takes a resumable upload in pieces, tells how far it got, and goes on there', async () => {
    const bytes = randomBytes(QUANTUM * 2 + 100);
    const opened = await post('/upload/storage/v1/b/bucket/o?uploadType=resumable&name=pieces');
    const session = opened.headers.get('location') ?? '';
    const put = (range: string, body?: Buffer) =>
      fetch(session, {
        method: 'PUT',
        headers: { 'content-range': range },
        ...(body && { body: new Uint8Array(body) }),
      });

    expect((await put('bytes */*')).status).toBe(308);
    const first = await put(`bytes 0-${QUANTUM - 1}/*`, bytes.subarray(0, QUANTUM));
    expect([first.status, first.headers.get('range')]).toEqual([308, `bytes=0-${QUANTUM - 1}`]);
    expect((await put(`bytes ${QUANTUM}-${QUANTUM + 9}/*`, bytes.subarray(QUANTUM, QUANTUM + 10))).status).toBe(400);
    const last = await put(`bytes 0-${bytes.length - 1}/${bytes.length}`, bytes);
    expect(last.status).toBe(200);
    expect((await put('bytes */*')).status).toBe(200);
    expect((await read('pieces')).equals(bytes)).toBe(true);
  });

  it('checks the signature and the expiry of signed URLs', async () => {
    await save('signed', 'bytes');
    const stranger = await startGcsEmulator();
    await stranger.close();
    const url = await signed(emulator.credentials);

    expect((await fetch(url)).status).toBe(200);
    expect((await fetch(url.replace('/signed?', '/pieces?'))).status).toBe(403);
    expect((await fetch(await signed(stranger.credentials))).status).toBe(403);
    expect((await fetch(`${emulator.url}/bucket/signed`)).status).toBe(403);
    ahead = 61_000;
    expect((await fetch(url)).status).toBe(400);
    ahead = 0;
  });

  it('keeps bytes in files when given a folder', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gcs-emulator-'));
    const onDisk = await startGcsEmulator({ folder, buckets: ['bucket'] });
    const url = `${onDisk.url}/upload/storage/v1/b/bucket/o?uploadType=media&name=a`;

    for (const body of ['one', 'two']) await fetch(url, { method: 'POST', body });

    expect(await readdir(folder)).toHaveLength(1);
    expect(await (await fetch(`${onDisk.url}/storage/v1/b/bucket/o/a?alt=media`)).text()).toBe('two');
    await onDisk.close();
    await rm(folder, { recursive: true });
  });

  it.each([
    '/storage/v1/b/bucket/o/%zz',
    '/upload/storage/v1/b/bucket/o',
    '/upload/storage/v1/b',
    '/',
    '/storage/v1/b/bucket/o/a/copyTo',
  ])('answers %s with an error and lives on', async (path) => {
    expect((await post(path)).status).toBeGreaterThanOrEqual(400);
    expect(await bucket().exists()).toEqual([true]);
  });
});
