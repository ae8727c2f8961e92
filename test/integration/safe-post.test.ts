import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { connect as connectTcp, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { createSafePost, createUrlCheck, type GuardOptions, type Lookup, localToo } from '@darkroom/shared/net';
import { describe, expect, it, onTestFinished } from 'vitest';

/** An address that stands for the public internet: a connection to it ends at the test's own server. */
const PUBLIC = '93.184.215.14';
const URL_ASKED = 'https://receiver.example/hook';
const MESSAGE = { headers: { 'webhook-id': 'evt_1' }, body: '{"type":"job.succeeded"}' };

type Posting = { post: (url?: string, message?: typeof MESSAGE) => Promise<unknown>; dials: string[] };

/** A poster that knows one name, and whose connector reaches nothing but `port` on loopback. */
function posting(port: number, options: GuardOptions & { timeoutMs?: number } = {}): Posting {
  const dials: string[] = [];
  const poster = createSafePost({
    lookup: async () => [PUBLIC],
    connect({ hostname }, callback) {
      dials.push(hostname);
      if (hostname !== PUBLIC) return callback(new Error('forbidden'), null);
      const socket: Socket = connectTcp({ host: '127.0.0.1', port });
      socket.once('connect', () => callback(null, socket)).once('error', (error) => callback(error, null));
    },
    timeoutMs: 5_000,
    ...options,
  });
  onTestFinished(() => poster[Symbol.asyncDispose]());
  return { dials, post: (url = URL_ASKED, message = MESSAGE) => poster.post(url, message) };
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => new Promise((done) => server.close(() => done())));
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

const serve = (listener: RequestListener): Promise<number> => listen(createServer(listener));

/** A server that does as it likes with the socket once a request has come. */
function serveRaw(onRequest: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  onTestFinished(() => sockets.forEach((socket) => socket.destroy()));
  return listen(
    createTcpServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('data', () => onRequest(socket));
    }),
  );
}

describe('a request', () => {
  it('is a POST of JSON with the headers given, and none of them in the place of our own', async () => {
    const seen: unknown[] = [];
    const port = await serve((req, res) => {
      seen.push([req.method, req.url, req.headers]);
      res.end();
    });
    const headers = { 'webhook-id': 'evt_1', authorization: 'Bearer theirs', 'user-agent': 'other', host: 'other' };

    await posting(port).post(URL_ASKED, { ...MESSAGE, headers });

    const own = { 'content-type': 'application/json', 'user-agent': 'darkroom', 'accept-encoding': 'identity' };
    expect(seen).toEqual([['POST', '/hook', expect.objectContaining({ ...own, authorization: 'Bearer theirs' })]]);
  });

  it('that has a header which HTTP does not allow is not sent', async () => {
    const { post } = posting(await serve((_req, res) => res.end()));

    await expect(post(URL_ASKED, { ...MESSAGE, headers: { 'webhook-id': 'a\r\nx: y' } })).resolves.toEqual({
      type: 'failed',
      reason: 'a header that was to be sent is not allowed in HTTP',
    });
  });
});

describe('an answer', () => {
  it.each([200, 204, 301, 307, 400, 404, 410, 429, 500, 503])('of %d is told as it is', async (status) => {
    const port = await serve((_req, res) => res.writeHead(status).end());

    await expect(posting(port).post()).resolves.toEqual({ type: 'answered', http: status });
  });

  it('that leads elsewhere is not followed', async () => {
    const port = await serve((_req, res) => res.writeHead(302, { location: 'https://127.0.0.1/' }).end('gone'));
    const { post, dials } = posting(port);

    await expect(post()).resolves.toEqual({ type: 'answered', http: 302, body: 'gone' });
    expect(dials).toEqual([PUBLIC]);
  });

  it.each([
    ['120', 120_000],
    ['0', 0],
    [new Date(Date.now() + 90_000).toUTCString(), expect.closeTo(89_500, -4)],
    ['Wed, 21 Oct 2015 07:28:00 GMT', 0],
    ['-5', undefined],
    ['2.5', undefined],
    ['soon', undefined],
    ['', undefined],
  ])('asks by retry-after: %s', async (header, retryAfterMs) => {
    const port = await serve((_req, res) => res.writeHead(503, { 'retry-after': header }).end());

    const expected = { type: 'answered', http: 503, ...(retryAfterMs !== undefined && { retryAfterMs }) };
    await expect(posting(port).post()).resolves.toEqual(expected);
  });

  it('is kept in its beginning, without secrets', async () => {
    const secret = 'Bearer abcdefghijklmnop and https://a.example/x?token=1';
    const port = await serve((_req, res) => res.writeHead(400).end(`${secret} ${'word '.repeat(500)}`));

    const outcome = await posting(port).post();

    expect(outcome).toMatchObject({
      body: expect.stringMatching(/^Bearer \[removed\] and https:\/\/a\.example\/x\?\[removed\] word/),
    });
    expect((outcome as { body: string }).body.length).toBeLessThanOrEqual(500);
  });

  it('of ten megabytes is read to 64 kB, then the connection is dropped; its status counts', async () => {
    const hungUp = Promise.withResolvers<number>();
    const port = await serve((_req, res) => {
      let sent = 0;
      const more = (): void => {
        do sent += 64 * 1024;
        while (res.write(Buffer.alloc(64 * 1024, 'x ')) && sent < 10_000_000);
      };
      res.on('drain', more).on('close', () => hungUp.resolve(sent));
      more();
    });

    await expect(posting(port).post()).resolves.toMatchObject({ type: 'answered', http: 200 });
    expect(await hungUp.promise).toBeLessThan(10_000_000);
  });

  it('is not unpacked, so that a bomb stays small, nor shown', async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    const port = await serve((_req, res) => res.setHeader('content-encoding', 'gzip').end(bomb));

    await expect(posting(port).post()).resolves.toEqual({ type: 'answered', http: 200 });
  });

  it('counts by its status though its body breaks off, or never ends', { timeout: 5_000 }, async () => {
    const cut = await serveRaw((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nhalf'));
    const hanging = await serveRaw((socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nhalf'));

    await expect(posting(cut).post()).resolves.toEqual({ type: 'answered', http: 200, body: 'half' });
    await expect(posting(hanging, { timeoutMs: 15_000 }).post()).resolves.toEqual({
      type: 'answered',
      http: 200,
      body: 'half',
    });
  });
});

describe('a receiver that does not answer', () => {
  it.each([
    ['hangs up at once', '', 'the connection broke off'],
    ['hangs up in its headers', 'HTTP/1.1 200 OK\r\ncontent-le', 'the connection broke off'],
    ['speaks another protocol', 'SSH-2.0-OpenSSH_9.6\r\n\r\n', expect.stringMatching(/not valid HTTP|broke off/)],
    [
      'sends endless headers',
      `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(20_000)}`,
      'the headers of the answer are too large',
    ],
  ])('because it %s fails', async (_name, text, reason) => {
    const port = await serveRaw((socket) => socket.end(text));

    await expect(posting(port).post()).resolves.toEqual({ type: 'failed', reason });
  });

  it('because it hangs is given up when the time is over', async () => {
    const port = await serveRaw(() => undefined);

    await expect(posting(port, { timeoutMs: 150 }).post()).resolves.toEqual({
      type: 'failed',
      reason: 'no answer within 0.15 seconds',
    });
  });

  it('because its name server hangs is given up as well', async () => {
    const lookup: Lookup = () => new Promise(() => undefined);

    await expect(posting(1, { timeoutMs: 150, lookup }).post()).resolves.toMatchObject({ type: 'failed' });
  });

  it('because nobody listens, or it shows no certificate, fails with the reason', async () => {
    const server = createTcpServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    await new Promise((done) => server.close(done));
    const plain = await serveRaw((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n'));
    const poster = createSafePost(localToo());
    onTestFinished(() => poster[Symbol.asyncDispose]());

    await expect(poster.post(`https://127.0.0.1:${port}/`, MESSAGE)).resolves.toEqual({
      type: 'failed',
      reason: 'the server could not be reached',
    });
    await expect(poster.post(`https://127.0.0.1:${plain}/`, MESSAGE)).resolves.toMatchObject({ type: 'failed' });
  });
});

describe('connections', () => {
  it('are kept for the next post to the same origin, and closed when they are idle', { timeout: 8_000 }, async () => {
    let made = 0;
    const closed = Promise.withResolvers<void>();
    const server = createServer((_req, res) => res.end());
    server.keepAliveTimeout = 60_000;
    server.on('connection', (socket) => {
      made++;
      socket.once('close', () => closed.resolve());
    });
    const { post, dials } = posting(await listen(server));

    for (let n = 0; n < 20; n++) await post(`https://receiver.example/${n}`);

    // A connection may be at rest a moment after its answer was read.
    expect(made).toBeLessThanOrEqual(2);
    expect(dials).toHaveLength(made);
    await expect(closed.promise).resolves.toBeUndefined();
  });

  it('are each made to an address that was resolved and checked for it', async () => {
    const port = await serve((_req, res) => res.setHeader('connection', 'close').end());
    const answers = [[PUBLIC], ['127.0.0.1'], [PUBLIC, '169.254.169.254'], [PUBLIC]];
    const { post, dials } = posting(port, { lookup: async () => answers.shift() ?? [] });
    const refused = {
      type: 'refused',
      reason: 'The URL was refused: its host name leads to an address that is not public.',
    };

    expect([await post(), await post(), await post(), await post()]).toEqual([
      { type: 'answered', http: 200 },
      refused,
      refused,
      { type: 'answered', http: 200 },
    ]);
    expect(dials).toEqual([PUBLIC, PUBLIC]);
  });
});

describe('a name that leads elsewhere once it is registered', () => {
  it('is posted to nowhere', async () => {
    const answers = [[PUBLIC], ['127.0.0.1']];
    const lookup: Lookup = async () => answers.shift() ?? [];
    const { post, dials } = posting(1, { lookup });

    await expect(createUrlCheck({ lookup })(URL_ASKED)).resolves.toBeUndefined();
    await expect(post()).resolves.toMatchObject({ type: 'refused' });
    expect(dials).toEqual([]);
  });
});

describe('for a development machine', () => {
  it('http, any port and this machine itself are allowed, and no other', async () => {
    const port = await serve((_req, res) => res.end());
    const lookup: Lookup = async () => ['10.0.0.1'];
    const poster = createSafePost({ ...localToo({ lookup }), timeoutMs: 2_000 });
    onTestFinished(() => poster[Symbol.asyncDispose]());
    const post = (url: string) => poster.post(url, MESSAGE);

    await expect(post(`http://127.0.0.1:${port}/`)).resolves.toEqual({ type: 'answered', http: 200 });
    await expect(post(`http://localhost:${port}/`)).resolves.toEqual({ type: 'answered', http: 200 });
    await expect(post(`http://app.localhost:${port}/`)).resolves.toEqual({ type: 'answered', http: 200 });
    await expect(post(`http://10.0.0.1:${port}/`)).resolves.toMatchObject({ type: 'refused' });
    await expect(post(`http://inside.example:${port}/`)).resolves.toMatchObject({ type: 'refused' });
    await expect(post(`http://169.254.169.254/`)).resolves.toMatchObject({ type: 'refused' });
  });
});
