/** The paid call over real sockets: what is sent, how often, and what is made of every way it can end. */

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type LookupFunction } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { createGeminiChannel, type GeminiChannelOptions } from '@darkroom/shared/channels';
import type { JobRequest } from '@darkroom/shared/domain';
import type { Exchange, SpoolEntry } from '@darkroom/shared/ports';
import { createFolderSpool } from '@darkroom/shared/storage/spool';
import { aReference } from '@darkroom/shared/testing/factories';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  dropConnection,
  hang,
  replyCut,
  replyRaw,
  replyWith,
  type StubProvider,
  type StubReply,
  startStubProvider,
} from '../support/stub-provider.ts';

const KEY = 'AIzaTestKey';
const image = randomBytes(300_000);
const signature = randomBytes(200_001);

const SUCCESS = {
  candidates: [
    {
      content: {
        parts: [
          {
            inlineData: { data: image.toString('base64'), mimeType: 'image/jpeg' },
            thoughtSignature: signature.toString('base64'),
          },
        ],
        role: 'model',
      },
      finishReason: 'STOP',
      index: 0,
    },
  ],
  modelVersion: 'gemini-3-pro-image',
};
const SKELETON = {
  candidates: [
    {
      content: {
        parts: [{ inlineData: { data: '@blob:0', mimeType: 'image/jpeg' }, thoughtSignature: '@blob:1' }],
        role: 'model',
      },
      finishReason: 'STOP',
      index: 0,
    },
  ],
  modelVersion: 'gemini-3-pro-image',
};

let cleanup: AsyncDisposableStack;
let root: string;
let attempts = 0;

beforeEach(async () => {
  cleanup = new AsyncDisposableStack();
  root = await mkdtemp(join(tmpdir(), 'channel-'));
  cleanup.defer(() => rm(root, { recursive: true, force: true }));
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await cleanup.disposeAsync();
});

function aRequest(more: Partial<JobRequest> = {}): JobRequest {
  return {
    prompt: 'a red bicycle',
    model: 'gemini-3-pro-image',
    size: '2K',
    references: [],
    tools: [],
    safety: [],
    lane: 'standard',
    priority: 5,
    onUnknownOutcome: 'retry',
    dedup: false,
    tags: [],
    metadata: {},
    ...more,
  };
}

type Sent = { request?: JobRequest; references?: Buffer[]; timeoutMs?: number; signal?: AbortSignal };

/** A channel to `baseUrl`, and calls through it with an entry of their own. */
function aChannel(baseUrl: string, more: { committing?: () => void; connect?: GeminiChannelOptions['connect'] } = {}) {
  const { committing, connect } = more;
  const clock = { now: Date.now };
  const spool = cleanup.use(createFolderSpool({ root: join(root, 'spool'), owner: 'worker', clock }));
  const channel = cleanup.use(
    createGeminiChannel({ apiKey: KEY, baseUrl, apiVersion: 'v1beta', ...(connect && { connect }) }),
  );
  const call = async (sent: Sent = {}): Promise<{ end: Exchange; entry: SpoolEntry }> => {
    const entry = await spool.intend({ tenant: 't', job: 'j', attempt: `att_${++attempts}` });
    cleanup.defer(() => entry.remove());
    const { request = aRequest(), references = [], timeoutMs = 20_000, signal = new AbortController().signal } = sent;
    const commit: SpoolEntry['commit'] = (...args) => {
      committing?.();
      return entry.commit(...args);
    };
    const options = { entry: { ...entry, commit }, references, timeoutMs, signal };
    return { end: await channel.call(request, options), entry };
  };
  return { call, preconnect: () => channel.preconnect() };
}

async function aStub(...script: [StubReply, ...StubReply[]]): Promise<StubProvider> {
  return cleanup.use(await startStubProvider(...script));
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

describe('a whole answer', () => {
  it('is durable before the call returns, its base64 lifted into files', async () => {
    const stub = await aStub(replyWith(200, SUCCESS, { 'server-timing': 'gfet4t7; dur=16754', 'x-secret': 'no' }));
    const { call } = aChannel(stub.url);

    const { end, entry } = await call();

    if (end.type !== 'answered') throw new Error(end.reason);
    expect(end.answer.httpStatus).toBe(200);
    expect(end.answer.body).toEqual(SKELETON);
    expect(end.answer.headers).toMatchObject({ 'server-timing': 'gfet4t7; dur=16754' });
    expect(end.answer.headers).not.toHaveProperty('x-secret');
    expect(end.answer.blobs.map((blob) => blob.sha256)).toEqual([sha256(image), sha256(signature)]);
    expect(await readFile(end.answer.blobs[0]?.path ?? '')).toEqual(image);
    expect(await entry.answer()).toEqual(end.answer);
    expect(stub.calls).toHaveLength(1);
  });

  it('keeps what the SDK drops: the finish message', async () => {
    const body = { candidates: [{ content: {}, finishReason: 'IMAGE_OTHER', finishMessage: 'Unable to show it.' }] };
    const { call } = aChannel((await aStub(replyWith(200, body))).url);

    const { end } = await call();

    expect(end).toMatchObject({ type: 'answered', answer: { body, blobs: [] } });
  });

  it('in an array, in snake case and in small pieces is read all the same', async () => {
    const inline_data = { data: image.toString('base64'), mime_type: 'image/png' };
    const text = JSON.stringify([{ candidates: [{ content: { parts: [{ inline_data }] } }] }], null, 1);
    const pieces = text.match(/[^]{1,30011}/g) ?? [];
    const { call } = aChannel(
      (
        await aStub(async (response) => {
          response.writeHead(200, { 'content-type': 'application/json' });
          for (const piece of pieces) await new Promise<void>((sent) => void response.write(piece, () => sent()));
          response.end();
        })
      ).url,
    );

    const { end } = await call();

    expect(end).toMatchObject({ type: 'answered', answer: { blobs: [{ sha256: sha256(image) }] } });
  });

  it('that is broken JSON is an answer all the same, with its text', async () => {
    const { call } = aChannel((await aStub(replyWith(200, `{"candidates":[${'x'.repeat(100_000)}`))).url);

    const { end } = await call();

    expect(end.type).toBe('answered');
    expect(end.type === 'answered' && String(end.answer.body)).toMatch(/^\{"candidates":\[x{60000}/);
    expect(end.type === 'answered' && String(end.answer.body)).toHaveLength(65_536);
  });

  it.each([204, 304])('of status %i has no body', async (status) => {
    const { call } = aChannel((await aStub((response) => void response.writeHead(status).end())).url);

    expect((await call()).end).toMatchObject({ type: 'answered', answer: { httpStatus: status, body: '' } });
  });

  it('too large to be an answer is given up, and its money is in doubt', async () => {
    const body = { candidates: [{ content: { parts: [{ text: 'x'.repeat(5 << 20) }] } }] };
    const { call } = aChannel((await aStub(replyWith(200, body))).url);

    const { end } = await call();

    expect(end).toEqual({ type: 'unknown', reason: expect.stringContaining('more than 4194304 bytes') });
  });

  it('that the disk cannot keep until the process must end is not called an answer', async () => {
    const stub = await aStub(async (response, call) => {
      await rm(join(root, 'spool'), { recursive: true });
      await writeFile(join(root, 'spool'), 'a file where the folder should be');
      await replyWith(200, SUCCESS)(response, call);
    });
    const stopping = new AbortController();
    const { call } = aChannel(stub.url, { committing: () => stopping.abort() });

    const { end } = await call({ signal: stopping.signal });

    expect(end).toMatchObject({ type: 'unknown', ours: true, reason: expect.stringContaining('could not be kept') });
  });

  it('waits for a disk that comes back', async () => {
    const away = join(root, 'away');
    const stub = await aStub(async (response, call) => {
      await rename(join(root, 'spool'), away);
      await writeFile(join(root, 'spool'), 'a file where the folder should be');
      response.on('close', () => {
        void rm(join(root, 'spool')).then(() => rename(away, join(root, 'spool')));
      });
      await replyWith(200, SUCCESS)(response, call);
    });
    const { call } = aChannel(stub.url);

    const { end } = await call();

    expect(end).toMatchObject({ type: 'answered', answer: { blobs: [{ sha256: sha256(image) }, {}] } });
  });
});

describe('an error answer', () => {
  const error = (code: number) => ({ error: { code, message: 'No.', status: 'X', details: [{ retryDelay: '34s' }] } });

  it.each([400, 401, 403, 404, 413, 429, 499, 500, 502, 503, 504, 599])(
    '%i is handed over with its details, after exactly one call',
    async (status) => {
      const stub = await aStub(replyWith(status, error(status), { 'retry-after': '7' }));
      const { call } = aChannel(stub.url);

      const { end } = await call();

      expect(end).toMatchObject({
        type: 'answered',
        answer: { httpStatus: status, body: error(status), headers: { 'retry-after': '7' } },
      });
      expect(stub.calls).toHaveLength(1);
    },
  );

  it('as a page, as nothing, or as JSON that is none, comes as text', async () => {
    const json = { 'content-type': 'application/json' };
    const page = `<html>502</html>${' '.repeat(100_000)}`;
    const stub = await aStub(replyWith(502, page), replyWith(503, '', json), replyWith(500, '{"error"', json));
    const { call } = aChannel(stub.url);

    const bodies = [];
    for (let n = 0; n < 3; n++) {
      const { end } = await call();
      bodies.push(end.type === 'answered' ? end.answer.body : end);
    }

    expect(bodies).toEqual([page.slice(0, 65_536), '', '{"error"']);
  });

  it('whose body breaks off stands by its status', async () => {
    const { call } = aChannel((await aStub(replyCut(429, error(429), 20))).url);

    expect((await call()).end).toMatchObject({
      type: 'answered',
      answer: { httpStatus: 429, body: '{"error":{"code":429' },
    });
  });

  it('that redirects is not followed', async () => {
    const elsewhere = await aStub(replyWith(200, SUCCESS));
    const { call } = aChannel((await aStub(replyWith(307, '', { location: elsewhere.url }))).url);

    expect((await call()).end).toMatchObject({ type: 'answered', answer: { httpStatus: 307 } });
    expect(elsewhere.calls).toHaveLength(0);
  });
});

describe('no answer', () => {
  it.each<[string, StubReply]>([
    ['a connection that drops', dropConnection],
    ['a success that breaks off within the image', replyCut(200, SUCCESS, 100_000)],
    ['a success that breaks off before it', replyCut(200, SUCCESS, 10)],
    [
      'a success without a told length that ends early',
      replyRaw('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{"candidates":['),
    ],
    ['a success with too few bytes', replyRaw('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}')],
    ['something that is no HTTP', replyRaw('hello\r\n\r\n')],
  ])('after %s leaves the outcome unknown, after exactly one call', async (_, reply) => {
    const stub = await aStub(reply);
    const { call } = aChannel(stub.url);

    const { end, entry } = await call();

    expect(end.type).toBe('unknown');
    expect(stub.calls).toHaveLength(1);
    expect(await entry.answer()).toBeUndefined();
  });

  it('within the time leaves the outcome unknown', async () => {
    const stub = await aStub(hang);
    const { call } = aChannel(stub.url);

    const { end } = await call({ timeoutMs: 100 });

    expect(end).toEqual({ type: 'unknown', reason: 'no whole answer within 100 ms' });
    expect(stub.calls).toHaveLength(1);
  });

  it('before an abort leaves the outcome unknown, at once', async () => {
    const controller = new AbortController();
    const stub = await aStub(() => controller.abort());
    const { call } = aChannel(stub.url);

    const { end } = await call({ signal: controller.signal });

    expect(end).toEqual({ type: 'unknown', reason: 'the call was aborted' });
    expect(stub.calls).toHaveLength(1);
  });

  it('after an abort before the call means that nothing was sent', async () => {
    const stub = await aStub(replyWith(200, SUCCESS));
    const { call } = aChannel(stub.url);

    const { end } = await call({ signal: AbortSignal.abort() });

    expect(end).toEqual({ type: 'unsent', reason: 'the call was aborted' });
    expect(stub.connections).toBe(0);
  });

  it('from a closed port or an unknown name means that nothing was sent', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    server.close();
    await once(server, 'close');

    const refused = (await aChannel(`http://127.0.0.1:${port}`).call()).end;
    const unresolved = (await aChannel('http://nowhere.invalid', { connect: { lookup: resolvesNothing } }).call()).end;

    expect(refused).toEqual({ type: 'unsent', reason: expect.stringContaining('ECONNREFUSED') });
    expect(unresolved).toEqual({ type: 'unsent', reason: expect.stringContaining('ENOTFOUND') });
  });

  it('because the request was refused on this side means that nothing was sent', async () => {
    const stub = await aStub(replyWith(200, SUCCESS));
    const { call } = aChannel(stub.url);

    const { end } = await call({ request: aRequest({ thinking: 'furious' }) });

    expect(end).toEqual({ type: 'unsent', reason: expect.stringContaining('FURIOUS') });
    expect(stub.calls).toHaveLength(0);
  });
});

describe('a connection opened ahead', () => {
  it('carries the call that comes next, and only that one', async () => {
    const stub = await aStub(replyWith(200, SUCCESS));
    const { call, preconnect } = aChannel(stub.url);
    await call();

    preconnect();
    await vi.waitUntil(() => stub.connections === 2);
    const ends = [(await call()).end, (await call()).end];

    expect(ends.map(({ type }) => type)).toEqual(['answered', 'answered']);
    expect(stub.calls).toHaveLength(3);
    expect(stub.connections).toBe(3);
  });

  it('is waited for by a call that comes before it is open', async () => {
    const stub = await aStub(replyWith(200, SUCCESS));
    const { call, preconnect } = aChannel(stub.url);
    await call();

    preconnect();
    const { end } = await call();

    expect(end.type).toBe('answered');
    expect(stub.connections).toBe(2);
  });

  it('is not used once the provider has closed it', async () => {
    const stub = await aStub(replyWith(200, SUCCESS));
    const { call, preconnect } = aChannel(stub.url);
    await call();
    await vi.waitUntil(() => stub.open === 0);

    preconnect();
    await vi.waitUntil(() => stub.open === 1);
    stub.hangUp();
    await vi.waitUntil(() => stub.open === 0);
    const { end } = await call();

    expect(end.type).toBe('answered');
    expect(stub.connections).toBe(3);
  });

  it('is closed when no call takes it', async () => {
    const stub = await aStub(replyWith(200, SUCCESS));
    const { call, preconnect } = aChannel(stub.url);
    await call();

    preconnect();
    await vi.waitUntil(() => stub.connections === 2);

    await vi.waitUntil(() => stub.open === 0, { timeout: 10_000 });
    expect(stub.calls).toHaveLength(1);
  });
});

describe('time', () => {
  it('that ran out while the event loop stood still throws no answer away', async () => {
    const { url, answered } = await aThreadThatAnswers();
    const { call } = aChannel(url);

    const calling = call({ timeoutMs: 250 });
    await answered.sent; // the request is out, and the thread has begun to wait before it answers
    standStill(900);
    const { end } = await calling;

    expect(end).toMatchObject({ type: 'answered', answer: { blobs: [{ bytes: 3_000_000 }] } });
  });

  it('is not up while bytes still flow', async () => {
    // What is under test: an answer that comes in pieces, with the call's whole time over before the second one.
    const PAUSE_MS = 250;
    const text = JSON.stringify(SUCCESS);
    const stub = await aStub(async (response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      for (let at = 0; at < text.length; at += 100_000) {
        response.write(text.slice(at, at + 100_000));
        await sleep(PAUSE_MS);
      }
      response.end();
    });
    const { call } = aChannel(stub.url);

    const { end } = await call({ timeoutMs: 200 });

    expect(end).toMatchObject({ type: 'answered', answer: { blobs: [{ sha256: sha256(image) }, {}] } });
  });

  it('is up once an answer that had begun falls silent', async () => {
    const stub = await aStub((response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{"candidates":[');
    });
    const { call } = aChannel(stub.url);

    expect((await call({ timeoutMs: 200 })).end).toMatchObject({
      type: 'unknown',
      reason: 'no whole answer within 200 ms',
    });
  });
});

describe('the request', () => {
  it('says what was asked, with references named, and nothing else', async () => {
    const stub = await aStub(replyWith(200, SUCCESS));
    const { call } = aChannel(stub.url);
    const request = aRequest({
      aspectRatio: '16:9',
      seed: 7,
      thinking: 'high',
      references: [
        aReference({ name: 'red mug', role: 'object' }),
        aReference({ mime: 'image/webp' }),
        aReference({ role: 'style' }),
      ],
      tools: ['google_search'],
      safety: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }],
    });

    await call({
      request,
      references: [Buffer.from('one'), Buffer.from('two'), Buffer.from('six')],
      timeoutMs: 30_500,
    });

    const [sent] = stub.calls;
    expect(sent?.url).toBe('/v1beta/models/gemini-3-pro-image:generateContent');
    expect(sent?.headers).toMatchObject({ 'x-goog-api-key': KEY, 'x-server-timeout': '31', connection: 'close' });
    expect(JSON.parse(sent?.body ?? '')).toEqual({
      contents: [
        {
          role: 'user',
          parts: [
            { text: 'a red bicycle' },
            { text: 'Image 1 ("red mug", object reference):' },
            { inlineData: { mimeType: 'image/png', data: 'b25l' } },
            { inlineData: { mimeType: 'image/webp', data: 'dHdv' } },
            { text: 'Image 3 (style reference):' },
            { inlineData: { mimeType: 'image/png', data: 'c2l4' } },
          ],
        },
      ],
      safetySettings: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }],
      tools: [{ googleSearch: {} }],
      generationConfig: {
        seed: 7,
        responseModalities: ['TEXT', 'IMAGE'],
        thinkingConfig: { thinkingLevel: 'HIGH' },
        imageConfig: { aspectRatio: '16:9', imageSize: '2K' },
      },
    });
  });

  it('leaves out what was not asked, and the size where the model has only one', async () => {
    const stub = await aStub(replyWith(200, SUCCESS));
    const { call } = aChannel(stub.url);

    await call({ request: aRequest({ model: 'gemini-2.5-flash-image', size: '1K', aspectRatio: '1:1' }) });

    expect(JSON.parse(stub.calls[0]?.body ?? '')).toEqual({
      contents: [{ role: 'user', parts: [{ text: 'a red bicycle' }] }],
      generationConfig: { responseModalities: ['TEXT', 'IMAGE'], imageConfig: { aspectRatio: '1:1' } },
    });
  });

  it('goes where it was told, whatever the environment says', async () => {
    const stub = await aStub(replyWith(200, SUCCESS));
    for (const name of ['GOOGLE_GEMINI_BASE_URL', 'GOOGLE_VERTEX_BASE_URL', 'HTTP_PROXY', 'http_proxy']) {
      vi.stubEnv(name, 'http://127.0.0.1:9');
    }
    vi.stubEnv('GOOGLE_GENAI_USE_VERTEXAI', 'true');
    vi.stubEnv('GOOGLE_GENAI_USE_ENTERPRISE', 'true');
    vi.stubEnv('GOOGLE_GENAI_API_VERSION', 'v9');
    vi.stubEnv('GOOGLE_API_KEY', 'another');

    const { end } = await aChannel(stub.url).call();

    expect(end.type).toBe('answered');
    expect(stub.calls[0]).toMatchObject({
      url: expect.stringMatching(/^\/v1beta\//),
      headers: { 'x-goog-api-key': KEY },
    });
  });

  it('gets a connection of its own each time', async () => {
    const stub = await aStub(replyWith(200, SUCCESS));
    const { call } = aChannel(stub.url);

    await call();
    await Promise.all([call(), call(), call()]);

    expect([stub.calls.length, stub.connections]).toEqual([4, 4]);
  });
});

const resolvesNothing: LookupFunction = (name, _, done) => {
  done(Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: 'ENOTFOUND' }), '');
};

/** Keeps this thread busy: no timer fires and no socket is read. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** A provider on another thread, which answers while this one stands still, 400 ms after it was called. */
async function aThreadThatAnswers() {
  const program = `
    const { createServer } = require('node:http');
    const { parentPort } = require('node:worker_threads');
    const data = Buffer.alloc(3_000_000, 7).toString('base64');
    const body = JSON.stringify({ candidates: [{ content: { parts: [{ inlineData: { data, mimeType: 'image/png' } }] } }] });
    const server = createServer((request, response) => {
      request.resume().on('end', () => {
        parentPort.postMessage('called');
        setTimeout(() => response.writeHead(200, { 'content-type': 'application/json' }).end(body), 400);
      });
    });
    server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
  `;
  const worker = new Worker(program, { eval: true });
  cleanup.defer(() => void worker.terminate());
  const [port] = await once(worker, 'message');
  return { url: `http://127.0.0.1:${String(port)}`, answered: { sent: once(worker, 'message') } };
}
