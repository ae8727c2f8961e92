import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { startEmulator } from '../server.ts';
import { aPicture, apiErrorOf, sdk } from '../testing/client.ts';
import { call, openUpload, sendChunk, startUpload, upload } from '../testing/upload.ts';

const HOUR = 3_600_000;
const STOPPED = { settings: { clock_scale: 0 } };

describe('a file, through the SDK', () => {
  it('is uploaded in chunks, shown, listed, and deleted', async () => {
    await using emulator = await startEmulator({ settings: { files: { upload_origin: 'https://elsewhere.example' } } });
    const ai = sdk(emulator);
    const bytes = Buffer.alloc(9 * 1024 * 1024, 'line\n');

    const file = await ai.files.upload({
      file: new Blob([bytes]),
      config: { mimeType: 'application/jsonl', displayName: 'a chunk of rows' },
    });

    expect(file).toMatchObject({
      name: expect.stringMatching(/^files\/[a-z0-9]{12}$/),
      displayName: 'a chunk of rows',
      mimeType: 'application/jsonl',
      sizeBytes: String(bytes.length),
      state: 'ACTIVE',
      source: 'UPLOADED',
    });
    const hex = createHash('sha256').update(bytes).digest('hex');
    expect(Buffer.from(file.sha256Hash ?? '', 'base64').toString()).toBe(hex);
    expect(Date.parse(file.expirationTime ?? '') - Date.parse(file.createTime ?? '')).toBe(48 * HOUR);

    const name = file.name ?? '';
    expect(await ai.files.get({ name })).toMatchObject({ name, uri: `${emulator.url}/v1beta/${name}` });
    expect((await Array.fromAsync(await ai.files.list())).map(({ name }) => name)).toEqual([name]);
    await ai.files.delete({ name });
    expect((await apiErrorOf(ai.files.get({ name }))).status).toBe(403);
    expect(emulator.control.journal().entries.map(({ route, file, bytes }) => [route, file, bytes])).toEqual([
      ['start_upload', undefined, bytes.length],
      ['upload_chunk', undefined, 8 * 1024 * 1024],
      ['upload_chunk', name.slice(6), 1024 * 1024],
      ['get_file', name.slice(6), undefined],
      ['list_files', undefined, undefined],
      ['delete_file', name.slice(6), undefined],
      ['get_file', name.slice(6), undefined],
    ]);
  });

  it('keeps the name it was given, which nobody else gets', async () => {
    await using emulator = await startEmulator();
    const ai = sdk(emulator, 'test-key', 'v1');
    const put = (name: string) =>
      ai.files.upload({ file: new Blob(['x']), config: { name, mimeType: 'application/jsonl' } });

    expect((await put('chunk-1')).name).toBe('files/chunk-1');
    const error = await apiErrorOf(put('chunk-1'));
    expect(error.status).toBe(409);
    expect(JSON.parse(error.message).error.status).toBe('ALREADY_EXISTS');
    await ai.files.delete({ name: 'chunk-1' });
    expect((await put('chunk-1')).name).toBe('files/chunk-1');
    for (const bad of ['Chunk', '-a', 'a-', 'a'.repeat(41), 'a_b']) {
      expect((await apiErrorOf(put(bad))).status).toBe(400);
    }
  });

  it('is listed in pages, newest first', async () => {
    await using emulator = await startEmulator();
    const ai = sdk(emulator);
    for (const name of ['one', 'two', 'three', 'four', 'five']) await upload(emulator, 'x', { name: `files/${name}` });

    const pager = await ai.files.list({ config: { pageSize: 2 } });
    expect(pager.page.map(({ name }) => name)).toEqual(['files/five', 'files/four']);
    await upload(emulator, 'x', { name: 'files/six' });
    expect((await Array.fromAsync(pager)).map(({ name }) => name?.slice(6))).toEqual([
      'five',
      'four',
      'three',
      'two',
      'one',
    ]);
    expect((await call(emulator, 'GET', 'v1/files?pageToken=x')).status).toBe(400);
  });
});

describe('an upload', () => {
  it('goes on where it was broken off', async () => {
    await using emulator = await startEmulator();
    const url = await openUpload(emulator, { bytes: 10 });

    await sendChunk(url, 'upload', { offset: 0, bytes: '0123' });
    const wrong = await sendChunk(url, 'upload', { offset: 0, bytes: '0123' });
    const query = await sendChunk(url, 'query');
    const early = await sendChunk(url, 'finalize');
    const last = await sendChunk(url, 'upload, finalize', { offset: 4, bytes: '456789' });
    const after = await sendChunk(url, 'query');

    expect(wrong.status).toBe(400);
    expect(await wrong.text()).toContain('Invalid upload offset 0: 4 bytes were received.');
    expect(query.headers.get('x-goog-upload-status')).toBe('active');
    expect(query.headers.get('x-goog-upload-size-received')).toBe('4');
    expect(early.status).toBe(400);
    expect(last.headers.get('x-goog-upload-status')).toBe('final');
    expect(await last.json()).toMatchObject({ file: { sizeBytes: '10' } });
    expect(after.headers.get('x-goog-upload-status')).toBe('final');
  });

  it('counts what arrived before its connection broke', async () => {
    await using emulator = await startEmulator({
      faults: [{ match: { route: 'upload_chunk' }, times: 1, fault: { kind: 'cut_request', atByte: 70_000 } }],
    });
    const bytes = Buffer.alloc(200_000, 'x');
    const url = await openUpload(emulator, { bytes: bytes.length });

    await expect(sendChunk(url, 'upload, finalize', { offset: 0, bytes })).rejects.toThrow('fetch failed');
    const offset = Number((await sendChunk(url, 'query')).headers.get('x-goog-upload-size-received'));
    const rest = await sendChunk(url, 'upload, finalize', { offset, bytes: bytes.subarray(offset) });

    expect(offset).toBe(70_000);
    const { file } = (await rest.json()) as { file: { sha256Hash: string } };
    const hex = createHash('sha256').update(bytes).digest('hex');
    expect(Buffer.from(file.sha256Hash, 'base64').toString()).toBe(hex);
  });

  it('may be cancelled, is refused when it grows, and has to be resumable', async () => {
    await using emulator = await startEmulator();
    const url = await openUpload(emulator, { bytes: 4 });

    expect((await sendChunk(url, 'upload', { offset: 0, bytes: '01234' })).status).toBe(400);
    expect((await sendChunk(url, 'cancel')).headers.get('x-goog-upload-status')).toBe('cancelled');
    expect((await sendChunk(url, 'upload', { offset: 0, bytes: '0123' })).status).toBe(400);
    expect((await sendChunk(`${emulator.url}/upload/v1/files?upload_id=x`, 'query')).status).toBe(404);
    expect((await call(emulator, 'POST', 'upload/v1beta/files', {})).status).toBe(400);
  });

  it('may be done although nobody hears of it', async () => {
    await using emulator = await startEmulator({
      faults: [{ match: { route: 'upload_chunk' }, times: 1, fault: { kind: 'reset_after_billing' } }],
    });
    await expect(upload(emulator, 'x', { name: 'files/mine' })).rejects.toThrow('fetch failed');

    expect((await startUpload(emulator, { name: 'files/mine', bytes: 1 })).status).toBe(409);
    expect((await call(emulator, 'GET', 'v1beta/files/mine')).status).toBe(200);
  });

  it('is refused when the project has no room, or the file is too large', async () => {
    await using emulator = await startEmulator({ settings: { files: { storage_bytes: 10, file_bytes: 8 } } });
    await upload(emulator, '12345678', { name: 'files/first' });

    const full = await startUpload(emulator, { bytes: 3 });
    expect(full.status).toBe(429);
    expect(await full.text()).toContain('generativelanguage.googleapis.com/file_storage_bytes');
    expect((await startUpload(emulator, { bytes: 9 })).status).toBe(400);
    await call(emulator, 'DELETE', 'v1beta/files/first');
    expect((await startUpload(emulator, { bytes: 3 })).status).toBe(200);
  });
});

describe('the life of a file', () => {
  it('ends after 48 hours of the emulator’s time', async () => {
    await using emulator = await startEmulator(STOPPED);
    const { name = '' } = await upload(emulator, 'x');

    emulator.control.advance(48 * HOUR - 1);
    expect((await call(emulator, 'GET', `v1beta/${name}`)).status).toBe(200);
    emulator.control.advance(1);
    const gone = await call(emulator, 'GET', `v1beta/${name}`);

    expect(gone.status).toBe(403);
    expect(await gone.text()).toContain(`You do not have permission to access the File ${name.slice(6)}`);
  });

  it('begins with a time in which it cannot be used', async () => {
    await using emulator = await startEmulator({ settings: { clock_scale: 0, files: { processing_ms: 5_000 } } });
    const picture = Buffer.from(await aPicture(), 'base64');
    const file = await upload(emulator, picture, { mimeType: 'image/png' });
    const paint = () =>
      sdk(emulator).models.generateContent({
        model: 'gemini-3-pro-image',
        contents: [{ text: 'repaint' }, { fileData: { fileUri: file['uri'] ?? '', mimeType: 'image/png' } }],
      });

    expect(file['state']).toBe('PROCESSING');
    expect((await apiErrorOf(paint())).message).toContain('is not in an ACTIVE state');
    emulator.control.advance(5_000);
    expect((await sdk(emulator).files.get({ name: file['name'] ?? '' })).state).toBe('ACTIVE');
    await paint();
  });

  it('is lived in its own project', async () => {
    await using emulator = await startEmulator({ settings: { quotas: { project: 'key_prefix' } } });
    const { name } = await upload(emulator, 'x', { key: 'a.1' });

    expect((await call(emulator, 'GET', `v1beta/${name}`, undefined, 'a.2')).status).toBe(200);
    expect((await call(emulator, 'GET', `v1beta/${name}`, undefined, 'b.1')).status).toBe(403);
    expect(await (await call(emulator, 'GET', 'v1beta/files', undefined, 'b.1')).json()).toEqual({});
  });

  it('leaves nothing on disk', async () => {
    const ours = async () => (await readdir(tmpdir())).filter((name) => name.startsWith('darkroom-emulator-'));
    const before = await ours();
    const emulator = await startEmulator();
    await upload(emulator, 'x');
    expect(await ours()).not.toEqual(before);

    await emulator.close();

    expect((await ours()).filter((name) => !before.includes(name))).toEqual([]);
  });

  it('does not hold what was uploaded for download', async () => {
    await using emulator = await startEmulator();
    const { name } = await upload(emulator, 'x');
    expect((await call(emulator, 'GET', `v1beta/${name}:download?alt=media`)).status).toBe(400);
  });
});

describe('the emulator’s time', () => {
  it('goes faster when told to, and says when the next thing is due', async () => {
    await using emulator = await startEmulator(STOPPED);
    const { name = '' } = await upload(emulator, 'x');
    const { now, next } = emulator.control.clock();
    expect(next).toBe(now + 48 * HOUR);

    await fetch(`${emulator.url}/__emulator/settings`, { method: 'PATCH', body: '{"clock_scale":1000000}' });
    while (emulator.control.clock().next !== undefined) await new Promise((resolve) => setImmediate(resolve));
    expect((await call(emulator, 'GET', `v1beta/${name}`)).status).toBe(403);

    const advanced = await fetch(`${emulator.url}/__emulator/advance?ms=1000`, { method: 'POST' });
    expect(await advanced.json()).toMatchObject({ scale: 1_000_000 });
  });
});
