/** Uploads over real sockets: what is sent, from where it goes on, and what counts as done. */

import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aBatchChannel, batchChannelTo, refuse, urlsOf } from '../../support/batch-channel.ts';
import {
  dropConnection,
  hang,
  replyWith,
  type StubProvider,
  type StubReply,
  startStubProvider,
} from '../../support/stub-provider.ts';

const MIB = 1 << 20;

let cleanup: AsyncDisposableStack;

beforeEach(() => {
  cleanup = new AsyncDisposableStack();
});

afterEach(() => cleanup.disposeAsync());

const { signal } = new AbortController();

describe('uploading', () => {
  /** A file on disk, and what the provider would say of it. */
  async function aFile(bytes: Buffer) {
    const folder = await mkdtemp(join(tmpdir(), 'upload-'));
    cleanup.defer(() => rm(folder, { recursive: true, force: true }));
    const path = join(folder, 'chunk.jsonl');
    await writeFile(path, bytes);
    const hex = createHash('sha256').update(bytes).digest('hex');
    const view = { name: 'files/chunk-1', sizeBytes: String(bytes.length), state: 'ACTIVE' };
    return {
      file: { path, bytes: bytes.length, name: 'chunk-1', displayName: 'a chunk' },
      view: { ...view, sha256Hash: Buffer.from(hex).toString('base64') },
      raw: { ...view, sha256Hash: Buffer.from(hex, 'hex').toString('base64') },
    };
  }

  const SESSION = 'https://upload.elsewhere.example/upload/v1beta/files?upload_id=u1&upload_protocol=resumable';
  const started = replyWith(200, {}, { 'x-goog-upload-url': SESSION, 'x-goog-upload-status': 'active' });
  const status = (word: string, received?: number) =>
    replyWith(
      200,
      {},
      {
        'x-goog-upload-status': word,
        ...(received !== undefined && { 'x-goog-upload-size-received': String(received) }),
      },
    );
  const commandsOf = (stub: StubProvider) =>
    stub.calls.map(({ method, headers, body }) =>
      method === 'POST'
        ? [headers['x-goog-upload-command'], headers['x-goog-upload-offset'], body.length].filter(
            (x) => x !== undefined,
          )
        : [method],
    );
  const done = { type: 'done', fileName: 'files/chunk-1' };

  it('goes in chunks of 8 MiB to our own host, whatever address is given', async () => {
    const bytes = Buffer.from('line\n'.repeat(4 * MIB)); // 20 MiB
    const { file, view } = await aFile(bytes);
    const [channel, stub] = await aBatchChannel(cleanup, [
      started,
      status('active'),
      status('active'),
      status('final'),
      replyWith(200, view),
    ]);

    expect(await channel.upload(file, signal)).toEqual(done);

    expect(urlsOf(stub)).toEqual([
      'POST /upload/v1beta/files',
      ...Array.from({ length: 3 }, () => 'POST /upload/v1beta/files?upload_id=u1&upload_protocol=resumable'),
      'GET /v1beta/files/chunk-1',
    ]);
    expect(stub.calls[0]?.headers).toMatchObject({
      'x-goog-upload-protocol': 'resumable',
      'x-goog-upload-header-content-length': String(20 * MIB),
      'x-goog-upload-header-content-type': 'application/jsonl',
    });
    expect(JSON.parse(stub.calls[0]?.body ?? '')).toEqual({
      file: {
        name: 'files/chunk-1',
        displayName: 'a chunk',
        mimeType: 'application/jsonl',
        sizeBytes: String(20 * MIB),
      },
    });
    expect(commandsOf(stub).slice(1, 4)).toEqual([
      ['upload', '0', 8 * MIB],
      ['upload', String(8 * MIB), 8 * MIB],
      ['upload, finalize', String(16 * MIB), 4 * MIB],
    ]);
    const sent = stub.calls.slice(1, 4).map(({ body }) => body);
    expect(sent.join('') === bytes.toString()).toBe(true);
  });

  it('keeps the path that leads through a relay', async () => {
    const { file, view } = await aFile(Buffer.from('x'));
    const stub = cleanup.use(await startStubProvider(started, status('final'), replyWith(200, view)));

    expect(await batchChannelTo(cleanup, `${stub.url}/relay`).upload(file, signal)).toEqual(done);

    expect(urlsOf(stub)).toEqual([
      'POST /relay/upload/v1beta/files',
      'POST /relay/upload/v1beta/files?upload_id=u1&upload_protocol=resumable',
      'GET /relay/v1beta/files/chunk-1',
    ]);
  });

  it('goes on from where it was broken off', async () => {
    const { file, view } = await aFile(Buffer.from('0123456789'));
    const [channel, stub] = await aBatchChannel(cleanup, [
      started,
      dropConnection,
      status('active', 4),
      refuse(503),
      status('active', 10),
      status('final'),
      replyWith(200, view),
    ]);

    expect(await channel.upload(file, signal)).toEqual(done);

    expect(commandsOf(stub)).toEqual([
      ['start', expect.any(Number)],
      ['upload, finalize', '0', 10],
      ['query', 0],
      ['upload, finalize', '4', 6],
      ['query', 0],
      ['finalize', '10', 0],
      ['GET'],
    ]);
  });

  it('is done when only its last answer was lost', async () => {
    const { file, view } = await aFile(Buffer.from('0123456789'));
    const [channel] = await aBatchChannel(cleanup, [started, dropConnection, status('final'), replyWith(200, view)]);

    expect(await channel.upload(file, signal)).toEqual(done);
  });

  it('starts anew when its session is gone, and gives up in the end', async () => {
    const { file } = await aFile(Buffer.from('0123456789'));
    const round: StubReply[] = [started, dropConnection, refuse(404)];
    const [channel, stub] = await aBatchChannel(
      cleanup,
      [started, dropConnection, refuse(404), ...round, ...round, started, hang],
      {
        callTimeoutMs: 200,
      },
    );
    const giving = new AbortController();

    const uploading = channel.upload(file, giving.signal);
    await expect.poll(() => stub.calls.length).toBe(11);
    giving.abort();

    expect(await uploading).toEqual({ type: 'unknown', reason: 'the call was aborted' });

    const [stubborn, other] = await aBatchChannel(cleanup, [started, dropConnection]);
    expect(await stubborn.upload(file, signal)).toMatchObject({ type: 'unknown' });
    expect(commandsOf(other).slice(1)).toHaveLength(1 + 5);
  });

  it('takes a name that is taken by the same bytes for its own', async () => {
    const { file, view, raw } = await aFile(Buffer.from('0123456789'));
    const [channel] = await aBatchChannel(cleanup, [
      refuse(409, 'File files/chunk-1 already exists.'),
      replyWith(200, view),
      refuse(409),
      replyWith(200, { ...raw, state: 'PROCESSING' }),
      replyWith(200, raw),
      started,
      refuse(409),
      replyWith(200, view),
    ]);

    for (let n = 0; n < 3; n++) expect(await channel.upload(file, signal)).toEqual(done);
  });

  it.each<[string, StubReply]>([
    ['of another size', replyWith(200, { sizeBytes: '11', state: 'ACTIVE' })],
    ['with another digest', replyWith(200, { sizeBytes: '10', state: 'ACTIVE', sha256Hash: 'QUJD' })],
    ['with no digest to tell by', replyWith(200, { sizeBytes: '10', state: 'ACTIVE' })],
    ['of somebody else', refuse(403, 'You do not have permission to access the File chunk-1 or it may not exist.')],
  ])('is refused a name that is taken by a file %s', async (_, reply) => {
    const { file } = await aFile(Buffer.from('0123456789'));
    const [channel, stub] = await aBatchChannel(cleanup, [refuse(409), reply]);

    expect(await channel.upload(file, signal)).toMatchObject({
      type: 'rejected',
      verdict: { code: 'object_conflict', retryable: false, http: 409 },
    });
    expect(stub.calls).toHaveLength(2);
  });

  it('does not leave behind what came out wrong', async () => {
    const { file, view } = await aFile(Buffer.from('0123456789'));
    const wrong = replyWith(200, { ...view, sha256Hash: 'QUJD' });
    const [channel, stub] = await aBatchChannel(cleanup, [started, status('final'), wrong, replyWith(200, {})]);

    expect(await channel.upload(file, signal)).toEqual({
      type: 'unknown',
      reason: 'files/chunk-1 did not come out as it was sent',
    });
    expect(urlsOf(stub).at(-1)).toBe('DELETE /v1beta/files/chunk-1');
  });

  it('that the provider refuses is not tried again', async () => {
    const { file } = await aFile(Buffer.from('0123456789'));
    const [channel, stub] = await aBatchChannel(cleanup, [
      refuse(429, 'You have exceeded file_storage_bytes.'),
      refuse(503),
      replyWith(200, {}),
      started,
      refuse(429),
    ]);

    expect(await channel.upload(file, signal)).toMatchObject({ verdict: { limit: 'unknown' } });
    expect(await channel.upload(file, signal)).toMatchObject({ verdict: { code: 'upstream_overloaded' } });
    expect(await channel.upload(file, signal)).toMatchObject({ type: 'unknown' });
    expect(await channel.upload(file, signal)).toMatchObject({ type: 'rejected' });
    expect(stub.calls).toHaveLength(5);
  });

  it('refuses names that the provider would refuse, and files that are not there', async () => {
    const { file } = await aFile(Buffer.from('x'));
    const channel = batchChannelTo(cleanup, 'http://127.0.0.1:9');

    for (const name of ['Chunk', '-a', 'a-', 'a_b', 'files/a', '', 'a'.repeat(41)]) {
      await expect(channel.upload({ ...file, name }, signal)).rejects.toThrow(RangeError);
    }
    await expect(channel.upload({ ...file, bytes: 0 }, signal)).rejects.toThrow('is empty');
    await expect(channel.upload({ ...file, path: `${file.path}.gone` }, signal)).rejects.toThrow('ENOENT');
  });
});
