import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import { createLookup } from './resolve.ts';
import { createSafeFetch } from './safe-fetch.ts';

const A = 1;
const AAAA = 28;

const RECORDS: Record<string, number[]> = {
  [`a.example/${A}`]: [93, 184, 215, 14],
  [`a.example/${AAAA}`]: [0x26, 6, 0x47, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x11, 0x11],
  [`four.example/${A}`]: [10, 0, 0, 5],
};

/** What a query asks for, as `name/type`, and the bytes of its question. */
function parseQuery(query: Buffer): { asks: string; type: number; question: Buffer } {
  const labels: string[] = [];
  let at = 12;
  for (let size = query.readUInt8(at); size > 0; size = query.readUInt8(at)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + size).toLowerCase());
    at += size + 1;
  }
  const type = query.readUInt16BE(at + 1);
  return { asks: `${labels.join('.')}/${type}`, type, question: query.subarray(12, at + 5) };
}

function answerTo(query: Buffer): Buffer {
  const { asks, type, question } = parseQuery(query);
  const data = RECORDS[asks];
  // Flags: an answer, recursion available; then either one record, or "no such name".
  const head = Buffer.from([0x81, data ? 0x80 : 0x83, 0, 1, 0, data ? 1 : 0, 0, 0, 0, 0]);
  const record = data ? [0xc0, 12, 0, type, 0, 1, 0, 0, 0, 0, 0, data.length, ...data] : [];
  return Buffer.concat([query.subarray(0, 2), head, question, Buffer.from(record)]);
}

/** A name server on loopback that knows the records above and nothing else. */
async function startNameServer(): Promise<{ servers: string[]; asked: string[] }> {
  const asked: string[] = [];
  const socket = createSocket('udp4', (query, peer) => {
    asked.push(parseQuery(query).asks);
    socket.send(answerTo(query), peer.port, peer.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  onTestFinished(() => void socket.close());
  return { servers: [`127.0.0.1:${socket.address().port}`], asked };
}

it('answers with the addresses of both families', async () => {
  const { servers } = await startNameServer();

  expect(await createLookup({ servers })('a.example')).toEqual(['93.184.215.14', '2606:4700::1111']);
});

it('answers with one family when the other has none, and with nothing for an unknown name', async () => {
  const { servers, asked } = await startNameServer();
  const lookup = createLookup({ servers });

  expect(await lookup('four.example')).toEqual(['10.0.0.5']);
  expect(await lookup('unknown.example')).toEqual([]);
  expect(asked.toSorted()).toEqual(['four.example/1', 'four.example/28', 'unknown.example/1', 'unknown.example/28']);
});

it('gives up on a name server that never answers', async () => {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  onTestFinished(() => void socket.close());

  const lookup = createLookup({ servers: [`127.0.0.1:${socket.address().port}`], timeoutMs: 50 });

  expect(await lookup('a.example')).toEqual([]);
});

it('keeps a private answer of a real name server out', async () => {
  const dials: string[] = [];
  const { download } = createSafeFetch({
    lookup: createLookup(await startNameServer()),
    connect: ({ hostname }, callback) => {
      dials.push(hostname);
      callback(new Error('nothing is dialled here'), null);
    },
  });

  await expect(download('https://four.example/', { maxBytes: 1 })).rejects.toMatchObject({
    message: expect.stringContaining('not public'),
  });
  await expect(download('https://a.example/', { maxBytes: 1 })).rejects.toMatchObject({ code: 'invalid_request' });
  expect(dials).toEqual(['93.184.215.14', '2606:4700::1111']);
});
