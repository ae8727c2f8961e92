import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { connect as connectTcp, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { createSafeFetch, type Download, type Lookup, type SafeFetch } from '@darkroom/shared/net';
import { buildConnector } from 'undici';
import { describe, expect, it, onTestFinished } from 'vitest';

const BYTES = Buffer.from('the bytes of an image');
const options = { maxBytes: 1_000 };

/** An address that stands for the public internet: a connection to it ends at the test's own server. */
const PUBLIC = '93.184.215.14';

/** A guard that knows one name, and whose connector reaches nothing but `port` on loopback. */
function guard(port: number, lookup: Lookup = async () => [PUBLIC]): SafeFetch {
  return createSafeFetch({
    lookup,
    connect({ hostname }, callback) {
      expect(hostname).toBe(PUBLIC);
      const socket: Socket = connectTcp({ host: '127.0.0.1', port });
      socket.once('connect', () => callback(null, socket)).once('error', (error) => callback(error, null));
    },
  });
}

const lookupForEver: Lookup = () => new Promise(() => undefined);

const URL_ASKED = 'https://photos.example/';

const fetchFrom = (port: number, timeoutMs = 5_000): Promise<Download> =>
  guard(port).download(URL_ASKED, { ...options, timeoutMs });

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => new Promise((done) => server.close(() => done())));
  return portOf(server);
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
      socket.once('data', () => onRequest(socket));
    }),
  );
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

describe('answers', () => {
  it.each([204, 206, 304, 400, 403, 404, 500, 503])('refuses a %d, naming it', async (status) => {
    const port = await serve((_req, res) => res.writeHead(status).end());

    await expect(fetchFrom(port)).rejects.toMatchObject({
      code: 'invalid_request',
      retryable: false,
      message: expect.stringContaining(`could not be fetched: the server answered ${status}`),
    });
  });

  it('takes exactly maxBytes', async () => {
    const port = await serve((_req, res) => res.end(Buffer.alloc(1_000)));

    await expect(fetchFrom(port)).resolves.toMatchObject({ bytes: Buffer.alloc(1_000) });
  });

  it('refuses an announced length above maxBytes before the body comes', async () => {
    const port = await serveRaw((socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n'));

    await expect(fetchFrom(port)).rejects.toMatchObject({ code: 'payload_too_large', retryable: false });
  });

  it('stops an unannounced body at maxBytes and hangs up', async () => {
    const hungUp = Promise.withResolvers<number>();
    const port = await serve((_req, res) => {
      let sent = 0;
      const more = (): void => {
        do sent += 64 * 1024;
        while (res.write(Buffer.alloc(64 * 1024)));
      };
      res.on('drain', more).on('close', () => hungUp.resolve(sent));
      more();
    });

    await expect(fetchFrom(port)).rejects.toMatchObject({ code: 'payload_too_large' });
    expect(await hungUp.promise).toBeLessThan(64 * 1024 * 1024);
  });

  it('keeps no connection after a download, as it would outlive the check of its address', {
    timeout: 2_000,
  }, async () => {
    const closed = Promise.withResolvers<void>();
    const port = await serve((req, res) => {
      req.socket.once('close', () => closed.resolve());
      res.end(BYTES);
    });

    await fetchFrom(port);

    await expect(closed.promise).resolves.toBeUndefined();
  });

  it('does not unpack a compressed answer, so that a bomb stays small', async () => {
    const bomb = gzipSync(Buffer.alloc(500_000));
    const port = await serve((_req, res) => res.setHeader('content-encoding', 'gzip').end(bomb));

    expect(bomb.length).toBeLessThan(options.maxBytes);
    await expect(fetchFrom(port)).rejects.toMatchObject({ code: 'unsupported_media', retryable: false });
  });

  it('hands on packed bytes as they are when the answer does not call them packed', async () => {
    const bomb = gzipSync(Buffer.alloc(500_000));
    const port = await serve((_req, res) => res.end(bomb));

    await expect(fetchFrom(port)).resolves.toMatchObject({ bytes: bomb });
  });

  it.each([
    ['a body cut before its announced length', 'HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nhalf'],
    ['a chunked body cut in a chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhal'],
    ['a chunked body cut between chunks', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n'],
    ['a connection closed without an answer', ''],
    ['half a header', 'HTTP/1.1 200 OK\r\ncontent-le'],
    ['something that is not HTTP', 'SSH-2.0-OpenSSH_9.6\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nhalfs'],
    ['endless headers', `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(20_000)}`],
  ])('refuses %s', async (_name, text) => {
    const port = await serveRaw((socket) => socket.end(text));

    await expect(fetchFrom(port)).rejects.toMatchObject({ code: 'invalid_request', retryable: false });
  });

  it('takes no more than the announced length', async () => {
    const port = await serveRaw((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhalf and more'));

    await expect(fetchFrom(port)).resolves.toMatchObject({ bytes: Buffer.from('half') });
  });

  it('ends a body that dribbles when the time is up', async () => {
    const port = await serveRaw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n');
      const drip = setInterval(() => socket.write('.'), 10);
      socket.on('close', () => clearInterval(drip));
    });

    await expect(fetchFrom(port, 300)).rejects.toMatchObject({
      code: 'invalid_request',
      retryable: false,
      message: 'The URL could not be fetched: it took longer than 0.3 seconds.',
    });
  });

  it.each(['headers', 'name'])('ends a wait for the %s when the time is up', async (what) => {
    const port = await serveRaw(() => undefined);
    const { download } = guard(port, what === 'name' ? lookupForEver : undefined);

    await expect(download(URL_ASKED, { ...options, timeoutMs: 100 })).rejects.toMatchObject({
      message: expect.stringContaining('took longer than 0.1 seconds'),
    });
  });

  it("rejects with the caller's own reason when the caller gives up", async () => {
    const controller = new AbortController();
    const reason = new Error('shutting down');
    const port = await serveRaw(() => controller.abort(reason));

    const { download } = guard(port);

    await expect(download(URL_ASKED, { ...options, signal: controller.signal })).rejects.toBe(reason);
    await expect(download(URL_ASKED, { ...options, signal: controller.signal })).rejects.toBe(reason);
  });

  it('gives up on a server that accepts and never shakes hands', async () => {
    const port = await serveRaw(() => undefined);
    const { download } = createSafeFetch({
      connect: buildConnector({ timeout: 100, allowH2: false }),
      allowAddress: (ip) => ip === '127.0.0.1',
      allowedPorts: [port],
    });

    await expect(download(`https://127.0.0.1:${port}/`, options)).rejects.toMatchObject({
      message: 'The URL could not be fetched: the server did not accept a connection in time.',
    });
  });

  it('says that nobody listens', async () => {
    const server = createTcpServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const port = portOf(server);
    await new Promise((done) => server.close(done));
    const { download } = createSafeFetch({ allowAddress: () => true, allowedPorts: [port] });

    await expect(download(`https://127.0.0.1:${port}/`, options)).rejects.toMatchObject({
      message: 'The URL could not be fetched: the server could not be reached.',
    });
  });
});

describe('allowances', () => {
  it('takes http, a further port and an address that is not public only when each is allowed', async () => {
    const port = await serve((_req, res) => res.end(BYTES));
    const url = `http://127.0.0.1:${port}/`;
    const allowed = { allowHttp: true, allowedPorts: [port], allowAddress: (ip: string) => ip === '127.0.0.1' };
    const without = (key: keyof typeof allowed) => {
      const { [key]: _, ...rest } = allowed;
      return createSafeFetch(rest).download(url, options);
    };

    await expect(createSafeFetch(allowed).download(url, options)).resolves.toMatchObject({ bytes: BYTES });
    await expect(without('allowHttp')).rejects.toMatchObject({ message: expect.stringContaining('scheme') });
    await expect(without('allowedPorts')).rejects.toMatchObject({ message: expect.stringContaining('port') });
    await expect(without('allowAddress')).rejects.toMatchObject({ message: expect.stringContaining('public') });
  });
});
