import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type TestApi } from '../../support/start-api.ts';

let api: TestApi;
const sockets: Socket[] = [];

beforeAll(async () => {
  api = await startApi({ limits: { headersTimeout: 300, requestTimeout: 600, connectionsCheckingInterval: 50 } });
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await api[Symbol.asyncDispose]();
});

async function open(): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: api.port, allowHalfOpen: false });
  sockets.push(socket);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** Sends `start`, then one byte every 20 ms until it is cut. @returns all that came back */
async function dribble(start: string, byte: string): Promise<string> {
  const socket = await open();
  socket.write(start);
  const timer = setInterval(() => socket.write(byte), 20);
  try {
    return await text(socket).catch(() => 'reset');
  } finally {
    clearInterval(timer);
  }
}

/** Sends it all and reads until the other side is done. */
async function shout(bytes: string | Uint8Array): Promise<string> {
  const socket = await open();
  socket.end(bytes);
  return text(socket).catch(() => 'reset');
}

const HEAD = (length: number | string) =>
  `POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${api.key}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;

/** Status, problem code and request id of a raw answer. */
function parseRaw(answer: string) {
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  return {
    status: Number(head.split(' ')[1]),
    code: JSON.parse(body).code,
    id: /x-request-id: (req_\w+)/i.exec(head)?.[1],
  };
}

describe('a caller who is too slow', () => {
  it('with the headers is cut off, and told so', async () => {
    const answer = parseRaw(await dribble('GET /v1/jobs HTTP/1.1\r\nHost: x\r\nX-Slow: ', 'a'));

    expect(answer).toEqual({ status: 408, code: 'invalid_request', id: expect.stringMatching(/^req_/) });
  });

  it('with the body is cut off', async () => {
    const answer = await dribble(HEAD(10_000), ' ');

    expect(answer.split('\r\n')[0]).toMatch(/ 408 |^reset$|^$/);
    expect(api.lines.filter(({ event }) => event === 'http.bug')).toEqual([]);
  });

  it('with a chunked upload is cut off', async () => {
    const head = `POST /v1/assets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${api.key}\r\nTransfer-Encoding: chunked\r\n\r\n`;

    expect(await dribble(head, '1\r\na\r\n')).toMatch(/ 408 |^reset$|^$/);
  });

  it('holds up nobody else', async () => {
    const slow = Array.from({ length: 50 }, () => dribble(HEAD(10_000), ' '));

    const answers = await Promise.all(Array.from({ length: 20 }, () => api.call('GET', '/v1/models')));

    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    await Promise.all(slow);
  });
});

/** Pieces of requests, to be put together in ways that nobody means. */
const WORDS = [
  'GET ',
  'POST ',
  '/v1/jobs',
  '/v1/assets',
  '%2e%2e/',
  ' HTTP/1.1\r\n',
  '\r\n',
  '\n',
  'Host: x\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: 99999999999\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Connection: upgrade\r\n',
  'Upgrade: h2c\r\n',
  'Expect: 100-continue\r\n',
  '0\r\n\r\n',
  'ffffffff\r\n',
  'Content-Type: application/json\r\n',
  'Content-Encoding: gzip\r\n',
  'Idempotency-Key: \x01\r\n',
  'Prefer: wait=1\r\n',
  '{"prompt":',
  '\0',
  '\xff',
];

describe('what is no request', () => {
  it('with 16 kB of headers is refused by its size', async () => {
    const answer = await shout(`GET /v1/jobs HTTP/1.1\r\nHost: x\r\nX-Long: ${'a'.repeat(20_000)}\r\n\r\n`);

    expect(parseRaw(answer)).toEqual({ status: 431, code: 'payload_too_large', id: expect.stringMatching(/^req_/) });
  });

  it.each([
    ['noise', '\x00\xff\x16\x03\x01 hello\r\n\r\n'],
    ['another protocol', '*1\r\n$8\r\nFLUSHALL\r\n'],
    ['a request line without a version', 'GET\r\n\r\n'],
    ['a bare line feed in a header', 'GET / HTTP/1.1\nHost: x\n\n\x00'],
    ['two lengths', `POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\n{}`],
    [
      'a length and chunks',
      `POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    [
      'an odd chunk size',
      `POST /v1/jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffffff\r\n`,
    ],
    ['a negative length', `POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n`],
    ['no host', 'GET /livez HTTP/1.1\r\n\r\n'],
  ])('is refused: %s', async (_name, bytes) => {
    expect((await shout(bytes)).split('\r\n')[0]).toMatch(/^HTTP\/1\.1 4\d\d |^reset$/);
    expect((await api.call('GET', '/livez', { key: '' })).status).toBe(200);
  });

  it('never smuggles a second one', async () => {
    const prompt = 'smuggled behind another';
    const inner = `POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${api.key}\r\nContent-Type: application/json\r\nContent-Length: 36\r\n\r\n{"prompt":"${prompt}"}`;
    const outer = `POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n`;

    await shout(outer + inner);

    const { data } = (await api.call('GET', '/v1/jobs')).json;
    expect(data.filter((job: { prompt: string }) => job.prompt === prompt)).toEqual([]);
  });

  it('leaves the process alive, whatever its bytes', async () => {
    const words = fc.constantFrom(...WORDS, `x-api-key: ${api.key}\r\n`);
    const noise = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
    const message = fc.array(fc.oneof({ arbitrary: words, weight: 9 }, noise), { maxLength: 25 });

    await fc.assert(
      fc.asyncProperty(fc.array(message, { minLength: 8, maxLength: 8 }), async (messages) => {
        const answers = await Promise.all(messages.map((parts) => shout(Buffer.from(parts.join(''), 'latin1'))));
        expect(answers.join('\n')).not.toMatch(/HTTP\/1\.1 5/);
      }),
      { numRuns: Number(process.env['FUZZ_RUNS'] ?? 40) },
    );
    expect((await api.call('GET', '/livez', { key: '' })).status).toBe(200);
    expect(api.lines.filter(({ event }) => event === 'http.bug')).toEqual([]);
  });
});

describe('a query', () => {
  it('of any shape is answered without a fault', async () => {
    const name = fc.oneof(
      fc.constantFrom('status', 'tag', 'limit', 'after', 'metadata[a]', 'created_after', '__proto__', 'wait'),
      fc.string({ maxLength: 10 }),
    );
    const value = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.constantFrom('queued', '50', '%', '\0', ''),
    );
    const query = fc.array(fc.tuple(name, value), { maxLength: 4 });

    await fc.assert(
      fc.asyncProperty(query, async (pairs) => {
        const search = pairs.map(([key, text]) => `${encodeURI(key.toWellFormed())}=${escape(text)}`).join('&');
        const answer = await api.call('GET', `/v1/jobs?${search.replaceAll('#', '')}`);
        expect([200, 400]).toContain(answer.status);
      }),
      { numRuns: Number(process.env['FUZZ_RUNS'] ?? 200) },
    );
  });
});

describe('a tenant', () => {
  it('with too many waiting jobs is told to wait, and others are not', async () => {
    await using small = await startApi({ env: { BACKLOG_MAX: '3' } });
    const other = await small.addKey('other');
    const submit = (key: string) => small.call('POST', '/v1/jobs', { body: { prompt: 'x', dedup: false }, key });
    const statuses: number[] = [];
    for (let n = 0; n < 4; n++) statuses.push((await submit(small.key)).status);

    const full = await submit(small.key);

    expect(statuses).toEqual([202, 202, 202, 503]);
    expect(full.json).toMatchObject({ code: 'queue_full', retryable: true });
    expect(full.headers.get('retry-after')).toBe('30');
    expect((await submit(other)).status).toBe(202);
    expect((await small.call('GET', '/v1/jobs')).json.data).toHaveLength(3);
  });
});
