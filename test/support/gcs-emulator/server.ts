/** The emulator's server: takes faults, keeps a journal, answers. */

import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { createBuckets } from './buckets.ts';
import { Refusal } from './errors.ts';
import { type Fault, takeFault } from './faults.ts';
import { createResumableUploads } from './resumable.ts';
import { type Parts, route } from './router.ts';
import { type Asked, refusal, send } from './wire.ts';

const LONGEST_JOURNAL = 10_000;

export type GcsEmulatorOptions = {
  port?: number;
  /** Buckets that are there from the start. */
  buckets?: string[];
  /** Where bytes are kept; in memory without it. */
  folder?: string;
  /** Judges the expiry of signed URLs. */
  clock?: { now(): number };
  /** Further public keys (PEM) that may sign, by e-mail address. */
  signers?: Record<string, string>;
};

export type GcsEmulator = {
  url: string;
  /** Credentials whose signed URLs are accepted. */
  credentials: { client_email: string; private_key: string };
  /** Waiting faults; each is used up by one request. */
  faults: Fault[];
  /** Every request so far, without its body. */
  journal: { method: string; path: string; status: number }[];
  /** Connections open right now. */
  connections(): number;
  /** While down, every connection is broken at once. */
  setDown(down: boolean): void;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** Starts an emulator on loopback. */
export async function startGcsEmulator(options: GcsEmulatorOptions = {}): Promise<GcsEmulator> {
  const now = () => (options.clock ?? Date).now();
  const { credentials, publicKey } = createSigner();
  const buckets = createBuckets({ now, ...(options.folder !== undefined && { folder: options.folder }) });
  for (const name of options.buckets ?? []) buckets.create(name);
  const signers = new Map([[credentials.client_email, publicKey], ...Object.entries(options.signers ?? {})]);
  const parts: Parts = { buckets, sessions: createResumableUploads(buckets), signers, now };
  const emulator: Pick<GcsEmulator, 'faults' | 'journal'> = { faults: [], journal: [] };
  const sockets = new Set<Socket>();
  let down = false;

  const server = createServer((request, response) => void serve(request, response, parts, emulator));
  server.on('connection', (socket: Socket) => {
    if (down) socket.destroy();
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;

  const breakAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  const close = async () => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    breakAll();
    await closed;
  };
  return {
    ...emulator,
    url: `http://127.0.0.1:${port}`,
    credentials,
    connections: () => sockets.size,
    setDown: (value) => {
      down = value;
      if (down) breakAll();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  parts: Parts,
  { faults, journal }: Pick<GcsEmulator, 'faults' | 'journal'>,
): Promise<void> {
  const asked = parse(request);
  const fault = takeFault(faults, { method: asked.method, path: asked.url.pathname + asked.url.search });
  const note = (status: number) => {
    journal.push({ method: asked.method, path: asked.url.pathname + asked.url.search, status });
    if (journal.length > LONGEST_JOURNAL) journal.shift();
  };
  const breakOff = () => {
    note(0);
    request.socket.resetAndDestroy();
  };

  if (fault?.type === 'hang') {
    note(0);
    request.resume();
    return;
  }
  if (fault?.type === 'reset') return breakOff();
  if (fault?.type === 'cut') asked.body = () => cutAfter(request, request, fault.afterBytes);
  const reply =
    fault?.type === 'status'
      ? refusal(new Refusal(fault.status, 'backendError', 'The fault that was asked for.'))
      : await route(asked, parts).catch(refusal);
  if (request.destroyed && !request.complete) return note(0);
  if (fault?.type === 'reset_after_commit') return breakOff();
  request.resume(); // Whatever part of the body nobody read: an answer before its end must not break the sender.
  note(reply.status);
  if (fault?.type === 'garble' && reply.body) reply.body = garbled(reply.body);
  send(response, reply, asked.method !== 'HEAD');
}

function parse(request: IncomingMessage): Asked {
  const url = new URL(request.url ?? '/', `http://${request.headers.host ?? 'localhost'}`);
  const path = url.pathname.split('/').filter((segment) => segment !== '');
  return { method: request.method ?? 'GET', path, url, request, body: () => request };
}

async function* cutAfter(
  body: AsyncIterable<Buffer>,
  { socket }: IncomingMessage,
  bytes: number,
): AsyncIterable<Buffer> {
  let left = bytes;
  for await (const chunk of body) {
    yield chunk.subarray(0, left);
    left -= chunk.length;
    if (left <= 0) socket.resetAndDestroy();
  }
}

function garbled(body: Buffer): Buffer {
  const copy = Buffer.from(body);
  copy.writeUInt8(copy.readUInt8(0) ^ 1, 0);
  return copy;
}

function createSigner(): { credentials: GcsEmulator['credentials']; publicKey: string } {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  return { credentials: { client_email: 'emulator@darkroom.invalid', private_key: privateKey }, publicKey };
}
