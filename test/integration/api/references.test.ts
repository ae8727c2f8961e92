import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect as connectTcp } from 'node:net';
import { crc32, deflateSync } from 'node:zlib';
import { createSafeFetch } from '@darkroom/shared/net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anImage, succeedJob } from '../../support/run-job.ts';
import { type Answer, startApi, type TestApi } from '../../support/start-api.ts';

const PUBLIC = '93.184.215.14';
/** Where names lead; only the public address is ever dialled, and then only a server of this test. */
const NAMES: Record<string, string[]> = {
  'photos.example': [PUBLIC],
  'ten.example': ['10.0.0.5'],
  'mixed.example': [PUBLIC, '127.0.0.1'],
};

let api: TestApi;
let other: string;
const dials: string[] = [];
const stack = new AsyncDisposableStack();

beforeAll(async () => {
  const { port } = await servePhotos();
  api = stack.use(
    await startApi({
      safeFetch: createSafeFetch({
        allowHttp: true,
        allowedPorts: [80],
        lookup: async (name) => NAMES[name] ?? Promise.reject(new Error(`no such name: ${name}`)),
        connect({ hostname }, callback) {
          dials.push(hostname);
          const socket = connectTcp({ host: '127.0.0.1', port });
          socket.once('connect', () => callback(null, socket)).once('error', (error) => callback(error, null));
        },
      }),
    }),
  );
  other = await api.addKey('other');
});
afterAll(() => stack.disposeAsync());

/** A public web server: `/a.png`, `/page`, `/moved`, `/huge`, `/gone`. */
async function servePhotos() {
  const photo = await anImage('png', { seed: 9 });
  const server = createServer((req, res) => {
    if (req.url === '/a.png') res.end(photo);
    else if (req.url === '/page') res.end('<!doctype html><html></html>');
    else if (req.url === '/moved') res.writeHead(302, { location: 'http://127.0.0.1/' }).end();
    else if (req.url === '/huge') res.writeHead(200, { 'content-length': 30_000_000 }).end();
    else res.writeHead(404).end();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  stack.defer(() => new Promise((done) => server.close(() => done())));
  const address = server.address();
  return { port: typeof address === 'object' && address ? address.port : 0 };
}

function chunk(name: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(name), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}

/** A PNG as its header says, whatever its pixels are. */
function pngOf(width: number, height: number, ...extra: Buffer[]): Buffer {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2], 8);
  const pixels = chunk('IDAT', deflateSync(Buffer.alloc(1_024)));
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', head), ...extra, pixels, chunk('IEND', Buffer.alloc(0))]);
}

const upload = (bytes: Buffer, type = 'application/octet-stream') =>
  api.call('POST', '/v1/assets', { raw: new Uint8Array(bytes), headers: { 'content-type': type } });
const submit = (references: unknown, key?: string) =>
  api.call('POST', '/v1/jobs', { body: { prompt: 'a mug', references, dedup: false }, ...(key && { key }) });
const dataUri = (bytes: Buffer, mime = 'image/png') => `data:${mime};base64,${bytes.toString('base64')}`;

async function objects(): Promise<string[]> {
  return (await readdir(api.folder, { recursive: true })).filter((name) => /^objects\/assets\/.+\/./.test(name));
}

/** Makes the call, and says what it left in the store beside its answer. */
async function leaving(call: () => Promise<Answer>) {
  const before = await objects();
  const { status, json } = await call();
  const { code, param, fix } = json;
  return { status, code, param, fix, stored: (await objects()).filter((name) => !before.includes(name)) };
}

const refusal = (status: number, code: string, param?: string) => {
  return { status, code, param, fix: expect.stringMatching(/\w/), stored: [] };
};

const BAD: [name: string, bytes: () => Buffer | Promise<Buffer>][] = [
  ['SVG', () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>')],
  ['SVG behind an XML head', () => Buffer.from('<?xml version="1.0"?><!DOCTYPE svg><svg width="1"/>')],
  ['GIF', () => Buffer.from('GIF89a\x01\0\x01\0\0\0\0;', 'latin1')],
  ['HTML', () => Buffer.from('<!doctype html><script>alert(1)</script>')],
  ['text', () => Buffer.from('hello')],
  ['a PNG cut in its header', async () => (await anImage()).subarray(0, 20)],
  ['a PNG cut in its pixels', async () => (await anImage()).subarray(0, -14)],
  ['a JPEG cut half way', async () => (await anImage('jpeg')).subarray(0, 150)],
  ['a WebP cut half way', async () => (await anImage('webp')).subarray(0, 30)],
  ['a PNG of 16,000 × 16,000', () => pngOf(16_000, 16_000)],
  ['a PNG without pixels', () => pngOf(0, 10)],
  ['an animated PNG', () => pngOf(4, 4, chunk('acTL', Buffer.from([0, 0, 0, 2, 0, 0, 0, 0])))],
];

describe('an upload', () => {
  it.each(['png', 'jpeg', 'webp'] as const)('of a %s gets an id that names its bytes', async (format) => {
    const bytes = await anImage(format, { seed: 3, side: 20 });
    const sha256 = createHash('sha256').update(bytes).digest('hex');

    const first = await upload(bytes, `image/${format}`);
    const again = await upload(bytes);

    const asset = { id: `ast_${sha256}`, mime: `image/${format}`, width: 20, height: 20, bytes: bytes.length, sha256 };
    expect([first.status, first.json]).toEqual([201, asset]);
    expect([again.status, again.json]).toEqual([201, asset]);
    expect((await api.call('GET', `/v1/assets/${asset.id}`)).json).toEqual(asset);
  });

  it('is taken for what it is, not for what its type says', async () => {
    const { json } = await upload(await anImage('webp', { seed: 77 }), 'image/png');

    expect(json.mime).toBe('image/webp');
  });

  it.each(BAD)('of %s is refused', async (_name, bytes) => {
    const body = await bytes();

    expect(await leaving(() => upload(body))).toEqual(refusal(422, 'unsupported_media', 'body'));
  });

  it('of nothing is refused', async () => {
    expect(await leaving(() => upload(Buffer.alloc(0)))).toEqual(refusal(400, 'invalid_request', 'body'));
  });

  it('of more than 20 MB is refused, with and without Content-Length', async () => {
    const large = Buffer.alloc(20 * 1_048_576 + 1);
    const stream = () =>
      fetch(`${api.url}/v1/assets`, {
        method: 'POST',
        headers: { authorization: `Bearer ${api.key}`, 'content-type': 'image/png' },
        body: new Blob([large]).stream(),
        duplex: 'half',
      });

    expect(await leaving(() => upload(large))).toEqual(refusal(413, 'payload_too_large', 'body'));
    const answer = await stream();
    expect([answer.status, await answer.json()]).toMatchObject([413, { code: 'payload_too_large' }]);
  });

  it('as a form is refused by its type', async () => {
    const form = await leaving(() => upload(Buffer.from('x'), 'multipart/form-data; boundary=x'));

    expect(form).toEqual(refusal(415, 'unsupported_content_type', 'Content-Type'));
  });

  it('that stops half way is no fault of ours', async () => {
    const socket = connectTcp(api.port, '127.0.0.1');
    await once(socket, 'connect');
    const logged = api.lines.length;
    socket.write(
      `POST /v1/assets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${api.key}\r\nContent-Length: 1000\r\n\r\nabc`,
    );
    await expect.poll(() => api.deps.metrics.scrape().then(({ text }) => text.length)).toBeGreaterThan(0);
    socket.destroy();

    await expect.poll(() => api.lines.slice(logged).map(({ event }) => event)).toEqual(['http.request']);
    expect(api.lines.at(-1)).toMatchObject({ aborted: true });
  });

  it('from a url is fetched, and named by the url when it cannot be', async () => {
    const post = (url: unknown) => api.call('POST', '/v1/assets', { body: { url } });

    const fetched = await post('https://photos.example/a.png');
    expect(fetched.status).toBe(201);
    expect(fetched.json.id).toBe((await upload(await anImage('png', { seed: 9 }))).json.id);
    expect(await leaving(() => post('https://127.0.0.1/'))).toEqual(refusal(400, 'invalid_request', 'url'));
    expect(await leaving(() => post('https://photos.example/page'))).toEqual(refusal(422, 'unsupported_media', 'url'));
    expect(await leaving(() => post(7))).toEqual(refusal(400, 'invalid_request', 'url'));
  });
});

describe('a reference', () => {
  it('by each of its sources becomes the same asset', async () => {
    const bytes = await anImage('png', { seed: 9 });
    const { id } = (await upload(bytes)).json;

    const answer = await submit([
      { asset: id, role: 'object', name: 'mug' },
      { data: dataUri(bytes) },
      { url: 'https://photos.example/a.png' },
    ]);

    expect(answer.status).toBe(202);
    const job = await api.deps.ledger.read('default', answer.json.id);
    expect(new Set(job?.request.references.map(({ key }) => key))).toEqual(new Set([`assets/default/${id.slice(4)}`]));
    expect(job?.request.references[0]).toMatchObject({ role: 'object', name: 'mug', width: 8, height: 8 });
  });

  it('to an image of an earlier job is taken from its owner only', async () => {
    const { id } = (await submit([])).json;
    await succeedJob(api.deps, id);
    const image = (await api.call('GET', `/v1/jobs/${id}`)).json.images[0].id;

    expect((await submit([{ image }])).status).toBe(202);
    const foreign = await submit([{ image }], other);
    const unknown = await submit([{ image: 'img_00000000000070000000000000000000.0' }], other);
    expect(foreign.status).toBe(400);
    expect(foreign.json.param).toBe('references[0].image');
    expect({ ...foreign.json, request_id: '' }).toEqual({ ...unknown.json, request_id: '' });
  });

  it('to an asset of another tenant is answered as an unknown one', async () => {
    const { id } = (await upload(await anImage('png', { seed: 11 }))).json;

    const foreign = await submit([{ asset: id }], other);
    const unknown = await submit([{ asset: `ast_${'0'.repeat(64)}` }], other);

    expect(foreign.status).toBe(400);
    expect(foreign.json.param).toBe('references[0].asset');
    expect({ ...foreign.json, request_id: '' }).toEqual({ ...unknown.json, request_id: '' });
  });

  it.each(BAD)('by data that is %s is refused', async (_name, bytes) => {
    const data = dataUri(await bytes());

    expect(await leaving(() => submit([{ data }]))).toEqual(refusal(422, 'unsupported_media', 'references[0].data'));
  });

  it.each([
    ['no base64 at all', 'data:image/png;base64,%%%%'],
    ['base64 with a space', `data:image/png;base64,iVBO Rw0K`],
    ['base64 with text behind its padding', 'data:image/png;base64,iVBORw==tail'],
    ['empty', 'data:image/png;base64,'],
  ])('by data that is %s is refused', async (_name, data) => {
    expect(await leaving(() => submit([{ data }]))).toEqual(refusal(422, 'unsupported_media', 'references[0].data'));
  });

  it('by data above 20 MB is refused by its size', async () => {
    const data = dataUri(Buffer.alloc(21 * 1_048_576));

    expect(await leaving(() => submit([{ data }]))).toEqual(refusal(413, 'payload_too_large', 'references[0].data'));
  });

  it('in a bucket is refused by an installation that stores in a folder, with the reason', async () => {
    const answer = await submit([{ gcs_uri: 'gs://bucket/a.png' }]);

    expect(answer.json).toMatchObject({ status: 400, param: 'references[0].gcs_uri' });
    expect(answer.json.detail).toContain('STORAGE_URL=gs://');
  });

  it.each([
    'https://127.0.0.1/',
    'https://127.1/',
    'https://2130706433/',
    'https://0x7f.1/',
    'https://169.254.169.254/computeMetadata/v1/',
    'https://[::1]/',
    'https://[::ffff:10.0.0.1]/',
    'https://[fd00:ec2::254]/',
    'https://ten.example/',
    'https://mixed.example/',
    'https://unknown.example/',
    'https://user:secret@photos.example/',
    'https://photos.example:6379/',
    'file:///etc/passwd',
    'gopher://127.0.0.1:6379/_FLUSHALL',
    '//photos.example/a.png',
    '',
  ])('at the forbidden URL %j is refused without dialling', async (url) => {
    dials.length = 0;

    expect(await leaving(() => submit([{ url }]))).toEqual(refusal(400, 'invalid_request', 'references[0].url'));
    expect(dials).toEqual([]);
  });

  it.each([
    ['/page', 422, 'unsupported_media'],
    ['/moved', 400, 'invalid_request'],
    ['/huge', 413, 'payload_too_large'],
    ['/missing', 400, 'invalid_request'],
  ])('at a URL that serves no image is refused: %s', async (path, status, code) => {
    dials.length = 0;

    const answer = await leaving(() => submit([{ url: `https://photos.example${path}` }]));

    expect(answer).toEqual(refusal(status, code, 'references[0].url'));
    expect(dials).toEqual([PUBLIC]);
  });

  it('too many is refused before any is fetched', async () => {
    const data = dataUri(await anImage());
    const many = (count: number, role?: string) =>
      Array.from({ length: count }, () => ({ data, ...(role && { role }) }));
    const post = (references: unknown, model: string) =>
      api.call('POST', '/v1/jobs', { body: { prompt: 'x', references, model } });

    const limits = [post(many(15), 'flash'), post(many(4), 'nano-banana'), post(many(7, 'object'), 'pro')];
    for (const answer of await Promise.all(limits)) {
      expect(answer.json).toMatchObject({ status: 422, code: 'too_many_references', param: 'references' });
    }
    expect((await post(many(14), 'flash')).status).toBe(202);
    expect((await post(many(6, 'object'), 'pro')).status).toBe(202);
  });

  it('is named by its own place in the list', async () => {
    const good = { data: dataUri(await anImage()) };

    const answer = await submit([good, good, { data: 'data:image/png;base64,AAAA' }]);

    expect(answer.json.param).toBe('references[2].data');
  });
});
