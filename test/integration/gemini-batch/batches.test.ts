/** Batches over real sockets: what is sent, how often, and what is made of every way a call can end. */

import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  aBatchChannel,
  batchChannelTo,
  errorBody,
  PROVIDER_KEY,
  page,
  refuse,
  urlsOf,
} from '../../support/batch-channel.ts';
import { dropConnection, hang, replyCut, replyRaw, replyWith, type StubReply } from '../../support/stub-provider.ts';

let cleanup: AsyncDisposableStack;

beforeEach(() => {
  cleanup = new AsyncDisposableStack();
});

afterEach(() => cleanup.disposeAsync());

const { signal } = new AbortController();

async function aClosedPort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
}

describe('creating a batch', () => {
  const batch = { model: 'gemini-3-pro-image', fileName: 'files/in', displayName: 'dk-1' };
  const created = { name: 'batches/abc', metadata: { state: 'BATCH_STATE_PENDING' } };

  it('is one call, which names the input and the batch', async () => {
    const [channel, stub] = await aBatchChannel(cleanup, [replyWith(200, created)]);

    expect(await channel.create(batch, signal)).toEqual({ type: 'done', name: 'batches/abc' });

    expect(urlsOf(stub)).toEqual(['POST /v1beta/models/gemini-3-pro-image:batchGenerateContent']);
    expect(stub.calls[0]?.headers).toMatchObject({
      'x-goog-api-key': PROVIDER_KEY,
      'content-type': 'application/json',
    });
    expect(JSON.parse(stub.calls[0]?.body ?? '')).toEqual({
      batch: { inputConfig: { fileName: 'files/in' }, displayName: 'dk-1' },
    });
  });

  it.each<[string, StubReply]>([
    ['a dropped connection', dropConnection],
    ['an answer that is cut', replyCut(200, created, 10)],
    ['an answer that is cut where nothing shows it', replyRaw('HTTP/1.1 200 OK\r\n\r\n{"name":"batches/a')],
    ['an answer without a name', replyWith(200, { metadata: {} })],
    ['an answer that is a page', replyWith(200, '<html>hello</html>')],
    ['something that is no HTTP', replyRaw('hello\r\n\r\n')],
    ['a 500', refuse(500)],
    ['a 503', refuse(503)],
    ['a 504', refuse(504, 'Deadline expired before operation could complete.')],
    ['a 499', refuse(499)],
    ['a redirection', replyWith(307, '', { location: 'http://127.0.0.1:9/' })],
    ['an error page that the provider did not write', replyWith(413, '<html>413</html>')],
    ['a 429 whose body is cut', replyCut(429, errorBody(429), 12)],
  ])('after %s may have happened, and is not tried again', async (_, reply) => {
    const [channel, stub] = await aBatchChannel(cleanup, [reply]);

    expect(await channel.create(batch, signal)).toEqual({ type: 'unknown', reason: expect.any(String) });

    expect(stub.calls).toHaveLength(1);
  });

  it('may have happened when no answer came in time, or the caller gave up', async () => {
    const [channel, stub] = await aBatchChannel(cleanup, [hang], { callTimeoutMs: 100 });
    const giving = new AbortController();

    const late = await channel.create(batch, signal);
    const aborted = channel.create(batch, giving.signal);
    await expect.poll(() => stub.calls.length).toBe(2);
    giving.abort();

    expect(late).toEqual({ type: 'unknown', reason: 'no whole answer within 100 ms' });
    expect(await aborted).toEqual({ type: 'unknown', reason: 'the call was aborted' });
  });

  it('certainly did not happen when the provider refused it', async () => {
    const help = { '@type': 'type.googleapis.com/google.rpc.Help', links: [{ url: 'https://ai.google.dev' }] };
    const quota = errorBody(429, 'Resource has been exhausted (e.g. check quota).', { details: [help] });
    const [channel] = await aBatchChannel(cleanup, [
      replyWith(429, quota),
      replyWith(400, [errorBody(400, 'API key not valid. Please pass a valid API key.')]),
      refuse(403, 'You do not have permission to access the File in or it may not exist.'),
      replyWith(404, errorBody(404, 'models/x is not found for API version v1beta', { status: 'NOT_FOUND' })),
    ]);

    expect(await channel.create(batch, signal)).toMatchObject({
      type: 'rejected',
      verdict: { code: 'upstream_rate_limited', retryable: true, limit: 'unknown', http: 429 },
    });
    expect(await channel.create(batch, signal)).toMatchObject({ verdict: { channelDown: true } });
    expect(await channel.create(batch, signal)).toMatchObject({ verdict: { code: 'upstream_rejected' } });
    expect(await channel.create(batch, signal)).toMatchObject({ verdict: { code: 'model_retired' } });
  });

  it('certainly did not happen when nothing could be sent', async () => {
    const channel = batchChannelTo(cleanup, await aClosedPort());

    expect(await channel.create(batch, signal)).toMatchObject({
      type: 'rejected',
      verdict: { code: 'upstream_unreachable', retryable: true, http: 0 },
    });
  });
});

describe('listing batches', () => {
  const at = (day: number) => `2026-11-${String(day).padStart(2, '0')}T00:00:00.123456789Z`;
  const entry = (id: string, day: number, more: object = {}, rest: object = {}) => ({
    name: `batches/${id}`,
    metadata: { displayName: `dk-${id}`, createTime: at(day), state: 'BATCH_STATE_RUNNING', ...more },
    ...rest,
  });
  const since = Date.parse('2026-11-10');

  it('reads page after page until it comes to what is older', async () => {
    const [channel, stub] = await aBatchChannel(cleanup, [
      replyWith(200, { operations: [entry('d', 20), entry('c', 15)], nextPageToken: 'two words' }),
      replyWith(200, { operations: [], nextPageToken: 'three' }),
      replyWith(200, { operations: [entry('b', 11), entry('a', 9)], nextPageToken: 'four' }),
      refuse(500),
    ]);

    const listed = await channel.list(since, signal);

    expect(listed.type === 'done' && listed.batches.map(({ name }) => name)).toEqual([
      'batches/d',
      'batches/c',
      'batches/b',
    ]);
    expect(urlsOf(stub)).toEqual([
      'GET /v1beta/batches?pageSize=100',
      'GET /v1beta/batches?pageSize=100&pageToken=two+words',
      'GET /v1beta/batches?pageSize=100&pageToken=three',
    ]);
  });

  it('does not end with the oldest when it begins with them', async () => {
    const [channel] = await aBatchChannel(cleanup, [
      replyWith(200, { operations: [entry('a', 7)], nextPageToken: 'two' }),
      replyWith(200, { operations: [entry('b', 8), entry('c', 9)], nextPageToken: 'three' }),
      replyWith(200, { operations: [entry('d', 15)] }),
    ]);

    const listed = await channel.list(since, signal);

    expect(listed.type === 'done' && listed.batches.map(({ name }) => name)).toEqual(['batches/d']);
  });

  it('reads what a batch says of itself, in both places and both spellings', async () => {
    const stats = { requestCount: '9007', successfulRequestCount: '9000', failedRequestCount: '7' };
    const [channel] = await aBatchChannel(cleanup, [
      replyWith(200, {
        operations: [
          entry('a', 20, {
            state: 'BATCH_STATE_SUCCEEDED',
            inputConfig: { fileName: 'files/in' },
            output: { responsesFile: 'files/batch-a' },
            batchStats: stats,
          }),
          entry('b', 20, { state: 'JOB_STATE_EXPIRED' }, { done: true }),
          entry('c', 20, { state: 'JOB_STATE_CANCELLED' }, { response: { responsesFile: 'files/batch-c' } }),
          entry('d', 20, { state: 'BATCH_STATE_FAILED' }, { error: { code: 13, message: 'Internal.' } }),
          entry('e', 20, { state: 'JOB_STATE_PARTIALLY_SUCCEEDED', output: { responsesFile: '../../secret' } }),
          { name: 'batches/f' },
        ],
      }),
    ]);

    const createdAt = Date.parse('2026-11-20T00:00:00.123Z');
    expect(await channel.list(since, signal)).toEqual({
      type: 'done',
      batches: [
        {
          name: 'batches/a',
          displayName: 'dk-a',
          createdAt,
          inputFile: 'files/in',
          end: 'succeeded',
          state: 'BATCH_STATE_SUCCEEDED',
          responsesFile: 'files/batch-a',
          stats: { total: 9007, succeeded: 9000, failed: 7 },
        },
        { name: 'batches/b', displayName: 'dk-b', createdAt, end: 'expired', state: 'JOB_STATE_EXPIRED' },
        {
          name: 'batches/c',
          displayName: 'dk-c',
          createdAt,
          end: 'canceled',
          state: 'JOB_STATE_CANCELLED',
          responsesFile: 'files/batch-c',
        },
        {
          name: 'batches/d',
          displayName: 'dk-d',
          createdAt,
          end: 'failed',
          state: 'BATCH_STATE_FAILED',
          message: 'Internal.',
        },
        { name: 'batches/e', displayName: 'dk-e', createdAt, state: 'JOB_STATE_PARTIALLY_SUCCEEDED' },
        { name: 'batches/f', displayName: '', createdAt: 0, state: 'unknown' },
      ],
    });
  });

  it.each<[string, StubReply, object]>([
    ['is refused', refuse(429), { type: 'rejected', verdict: { limit: 'unknown' } }],
    ['fails', refuse(503), { type: 'rejected', verdict: { limit: 'overload' } }],
    ['takes the provider too long', refuse(504), { type: 'unknown' }],
    ['breaks off', replyCut(200, { operations: [] }, 5), { type: 'unknown' }],
    ['is empty', replyRaw('HTTP/1.1 200 OK\r\n\r\n'), { type: 'unknown' }],
    ['is no list', replyWith(200, []), { type: 'unknown' }],
    ['has no list in it', replyWith(200, { operations: {} }), { type: 'unknown' }],
    ['is a page of somebody else', replyWith(200, '<html>log in</html>'), { type: 'unknown' }],
    ['has an entry without a name', replyWith(200, { operations: [{ metadata: {} }] }), { type: 'unknown' }],
    ['leads back', replyWith(200, { nextPageToken: 'next' }), { type: 'unknown' }],
  ])('is never half done: a later page that %s spoils all', async (_, reply, expected) => {
    const [channel] = await aBatchChannel(cleanup, [
      replyWith(200, { operations: [entry('d', 20)], nextPageToken: 'next' }),
      reply,
    ]);

    expect(await channel.list(since, signal)).toMatchObject(expected);
  });

  it('of an account without batches is empty', async () => {
    const [channel] = await aBatchChannel(cleanup, [replyWith(200, {})]);

    expect(await channel.list(since, signal)).toEqual({ type: 'done', batches: [] });
  });

  it('ends at ten thousand', async () => {
    let page = 0;
    const [channel, stub] = await aBatchChannel(cleanup, [
      (response, call) => replyWith(200, { nextPageToken: String(++page) })(response, call),
    ]);

    expect(await channel.list(since, signal)).toMatchObject({ type: 'unknown' });
    expect(stub.calls).toHaveLength(100);
  });
});

describe('one batch', () => {
  it('that is not there is undefined; by any other answer nothing is known of it', async () => {
    const [channel] = await aBatchChannel(cleanup, [
      refuse(404, 'Requested entity was not found.'),
      page(404),
      refuse(503),
      replyWith(200, {}),
      replyWith(200, { name: 'batches/a', metadata: { state: 'BATCH_STATE_RUNNING' } }),
    ]);

    expect(await channel.get('batches/a', signal)).toEqual({ type: 'done', batch: undefined });
    expect(await channel.get('batches/a', signal)).toMatchObject({ type: 'rejected' });
    expect(await channel.get('batches/a', signal)).toMatchObject({ type: 'rejected' });
    expect(await channel.get('batches/a', signal)).toMatchObject({ type: 'unknown' });
    expect(await channel.get('batches/a', signal)).toMatchObject({ type: 'done', batch: { name: 'batches/a' } });
    await expect(channel.get('batches/../files', signal)).rejects.toThrow(RangeError);
  });

  it('is canceled, also when it is gone or over already', async () => {
    const over = { name: 'batches/a', metadata: { state: 'BATCH_STATE_SUCCEEDED' } };
    const running = { name: 'batches/a', metadata: { state: 'BATCH_STATE_RUNNING' } };
    const [channel, stub] = await aBatchChannel(cleanup, [
      replyWith(200, {}),
      refuse(404),
      refuse(400, 'Batch is in a terminal state.'),
      replyWith(200, over),
      refuse(400, 'Something else.'),
      replyWith(200, running),
      refuse(503),
      dropConnection,
    ]);

    const ends = [];
    for (let n = 0; n < 6; n++) ends.push((await channel.cancel('batches/a', signal)).type);

    expect(ends).toEqual(['done', 'done', 'done', 'rejected', 'rejected', 'unknown']);
    expect(urlsOf(stub).slice(0, 4)).toEqual([
      'POST /v1beta/batches/a:cancel',
      'POST /v1beta/batches/a:cancel',
      'POST /v1beta/batches/a:cancel',
      'GET /v1beta/batches/a',
    ]);
    expect(stub.calls[0]?.body).toBe('{}');
  });

  it('and its files are deleted, also when they are gone', async () => {
    const [channel, stub] = await aBatchChannel(cleanup, [
      replyWith(200, {}),
      refuse(404),
      replyWith(200, {}),
      refuse(403, 'You do not have permission to access the File b or it may not exist.'),
      refuse(403, 'Your API key was reported as leaked. Please use another API key.'),
      page(404),
      dropConnection,
    ]);

    expect(await channel.deleteBatch('batches/a', signal)).toEqual({ type: 'done' });
    expect(await channel.deleteBatch('batches/a', signal)).toEqual({ type: 'done' });
    expect(await channel.deleteFile('files/b', signal)).toEqual({ type: 'done' });
    expect(await channel.deleteFile('files/b', signal)).toEqual({ type: 'done' });
    expect(await channel.deleteFile('files/b', signal)).toMatchObject({ verdict: { channelDown: true } });
    expect(await channel.deleteFile('files/b', signal)).toMatchObject({ type: 'rejected' });
    expect(await channel.deleteFile('files/b', signal)).toMatchObject({ type: 'unknown' });
    expect(urlsOf(stub).slice(1, 3)).toEqual(['DELETE /v1beta/batches/a', 'DELETE /v1beta/files/b']);
  });
});
