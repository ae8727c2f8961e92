/** A TCP forwarder that remembers what was answered. */

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export type WireTap = {
  url: string;
  /** The body of the latest answer, its chunks put together. */
  lastBody(): string;
  [Symbol.asyncDispose](): Promise<void>;
};

/** Listens on a free port of the loopback, before the server at `target`. Each connection is to carry one answer. */
export async function startWireTap(target: string): Promise<WireTap> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let latest: Buffer[] = [];
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    const answer: Buffer[] = [];
    pair(client, upstream);
    upstream.on('data', (chunk: Buffer) => {
      answer.push(chunk);
      latest = answer;
    });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    }
    client.pipe(upstream).pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    lastBody: () => bodyOf(Buffer.concat(latest)),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** What ends one side badly ends the other just so. */
function pair(client: Socket, upstream: Socket): void {
  for (const [one, other] of [[client, upstream] as const, [upstream, client] as const]) {
    one.on('error', () => other.resetAndDestroy());
    one.on('close', () => other.destroySoon());
  }
}

function bodyOf(answer: Buffer): string {
  const end = answer.indexOf('\r\n\r\n');
  const head = answer.toString('latin1', 0, end).toLowerCase();
  const body = answer.subarray(end + 4);
  return (head.includes('transfer-encoding: chunked') ? dechunked(body) : body).toString('utf8');
}

function dechunked(body: Buffer): Buffer {
  const chunks: Buffer[] = [];
  for (let at = 0; ; ) {
    const line = body.indexOf('\r\n', at);
    const size = Number.parseInt(body.toString('latin1', at, line), 16);
    if (!size) return Buffer.concat(chunks);
    chunks.push(body.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
}
