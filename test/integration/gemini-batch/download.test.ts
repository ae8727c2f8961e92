/** Downloads over real sockets: never short, and gone only when the provider says so. */

import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { BatchChannel } from '@darkroom/shared/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aBatchChannel, errorBody, PROVIDER_KEY, page, refuse, urlsOf } from '../../support/batch-channel.ts';
import { dropConnection, hang, replyCut, replyRaw, type StubReply } from '../../support/stub-provider.ts';

const MIB = 1 << 20;

let cleanup: AsyncDisposableStack;

beforeEach(() => {
  cleanup = new AsyncDisposableStack();
});

afterEach(() => cleanup.disposeAsync());

const { signal } = new AbortController();
/** What undici says of a body that did not come whole. */
const BROKEN = /^(?:Response (?:body length )?does not match|other side closed|read ECONNRESET)/;

describe('a download', () => {
  const bytes = randomBytes(2 * MIB);
  const whole: StubReply = (response) => void response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
  const bodyOf = (end: Awaited<ReturnType<BatchChannel['download']>>): Readable => {
    if (end.type !== 'done' || end.body === 'gone') throw new Error(`no body: ${JSON.stringify(end)}`);
    return end.body;
  };
  const expired = refuse(403, 'You do not have permission to access the File batch-a or it may not exist.');

  it('streams the file', async () => {
    const [channel, stub] = await aBatchChannel(cleanup, [whole]);

    const body = await buffer(bodyOf(await channel.download('files/batch-a', signal)));

    expect(body.equals(bytes)).toBe(true);

    expect(urlsOf(stub)).toEqual(['GET /v1beta/files/batch-a:download?alt=media']);
    expect(stub.calls[0]?.headers).toMatchObject({ 'x-goog-api-key': PROVIDER_KEY, 'accept-encoding': 'identity' });
  });

  it('tries the other address where the first is not served', async () => {
    const [channel, stub] = await aBatchChannel(cleanup, [page(404), whole]);

    const body = await buffer(bodyOf(await channel.download('files/batch-a', signal)));

    expect(body.equals(bytes)).toBe(true);

    expect(urlsOf(stub)[1]).toBe('GET /download/v1beta/files/batch-a:download?alt=media');
  });

  it.each<[string, [StubReply, StubReply]]>([
    ['expired, as both addresses say', [expired, expired]],
    ['is unknown to both', [refuse(404), refuse(404)]],
    ['expired, where only one address is served', [expired, page(404)]],
    ['expired, where only the other is served', [page(404), expired]],
  ])('of a file that %s is told to be gone', async (_, script) => {
    const [channel] = await aBatchChannel(cleanup, script);

    expect(await channel.download('files/batch-a', signal)).toEqual({ type: 'done', body: 'gone' });
  });

  it.each<[string, [StubReply, ...StubReply[]], object]>([
    ['no address is served', [page(404)], { type: 'rejected' }],
    ['the key is refused', [refuse(403, 'Your API key was reported as leaked.')], { verdict: { channelDown: true } }],
    ['the provider has no time', [refuse(503)], { verdict: { limit: 'overload' } }],
    ['the other address has no time', [expired, refuse(503)], { verdict: { limit: 'overload' } }],
    ['the answer breaks off', [dropConnection], { type: 'unknown' }],
    ['the error breaks off', [replyCut(503, errorBody(503), 5)], { verdict: { http: 503 } }],
  ])('is not told to be gone when %s', async (_, script, expected) => {
    const [channel] = await aBatchChannel(cleanup, script);

    expect(await channel.download('files/batch-a', signal)).toMatchObject(expected);
  });

  it.each<[string, StubReply]>([
    [
      'a told length',
      (response) => {
        response.writeHead(200, { 'content-length': bytes.length });
        response.write(bytes.subarray(0, MIB), () => response.socket?.destroy());
      },
    ],
    [
      'a told length, and an orderly end',
      (response) => {
        response.socket?.end(
          Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n'), bytes.subarray(0, 99)]),
        );
      },
    ],
    [
      'chunks',
      (response) => {
        response.writeHead(200);
        response.write(bytes, () => response.socket?.destroy());
      },
    ],
    ['chunks, and an orderly end', replyRaw('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n')],
    [
      'chunks, and a reset',
      (response) => {
        response.writeHead(200);
        response.write(bytes, () => response.socket?.resetAndDestroy());
      },
    ],
  ])('that breaks off by %s is an error, never a short file', async (_, reply) => {
    const [channel] = await aBatchChannel(cleanup, [reply]);

    await expect(buffer(bodyOf(await channel.download('files/batch-a', signal)))).rejects.toThrow(BROKEN);
  });

  it('that falls silent is an error, and so is one that is given up', async () => {
    const silent: StubReply = (response) => void response.writeHead(200).write('{"key":');
    const [channel] = await aBatchChannel(cleanup, [silent, silent], { idleTimeoutMs: 300 });
    const giving = new AbortController();

    await expect(buffer(bodyOf(await channel.download('files/batch-a', signal)))).rejects.toThrow('Body Timeout');
    const body = bodyOf(await channel.download('files/batch-a', giving.signal));
    giving.abort();
    await expect(buffer(body)).rejects.toThrow('abort');
  });

  it('that never begins is unknown', async () => {
    const [channel] = await aBatchChannel(cleanup, [hang], { idleTimeoutMs: 300 });

    expect(await channel.download('files/batch-a', signal)).toMatchObject({ type: 'unknown' });
  });
});
