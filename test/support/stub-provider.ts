/**
 * A provider of few words: an HTTP server that answers each call with the next line of its script and counts them.
 *
 * It knows nothing of Gemini; the emulator does. It can do on the socket what no well-behaved server does.
 */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export type StubCall = { method: string; url: string; headers: IncomingMessage['headers']; body: string };

/** Answers one call, by whatever it does to the response or its socket. */
export type StubReply = (response: ServerResponse, call: StubCall) => void | Promise<void>;

export type StubProvider = {
  url: string;
  calls: StubCall[];
  /** Connections opened so far. */
  readonly connections: number;
  /** Connections open now. */
  readonly open: number;
  /** Ends every connection, politely. */
  hangUp(): void;
  [Symbol.asyncDispose](): Promise<void>;
};

/** Listens on a free port of the loopback. The last reply of the script serves all further calls. */
export async function startStubProvider(...script: [StubReply, ...StubReply[]]): Promise<StubProvider> {
  const calls: StubCall[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((request, response) => {
    response.on('error', () => undefined);
    void serve(request, response);
  });
  server.on('connection', (socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const reply = script[Math.min(calls.length, script.length - 1)] ?? script[0];
    const call: StubCall = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body: '' };
    calls.push(call);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    call.body = Buffer.concat(chunks).toString('utf8');
    await reply(response, call);
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('the stub has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    calls,
    get connections() {
      return connections;
    },
    get open() {
      return sockets.size;
    },
    hangUp: () => {
      for (const socket of sockets) socket.end();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** A whole answer: an object goes out as JSON, a text as it is. */
export function replyWith(status: number, body: unknown, headers: Record<string, string> = {}): StubReply {
  const json = typeof body !== 'string';
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return (response) => {
    const type = json ? 'application/json; charset=UTF-8' : 'text/html; charset=UTF-8';
    response.writeHead(status, { 'content-type': type, ...headers }).end(text);
  };
}

/** Takes the request and closes the connection without a word. */
export const dropConnection: StubReply = (response) => {
  response.socket?.resetAndDestroy();
};

/** Takes the request and says nothing. */
export const hang: StubReply = () => undefined;

/** Begins an answer of `body` and breaks off after `bytes` of it. */
export function replyCut(status: number, body: unknown, bytes: number): StubReply {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.write(JSON.stringify(body).slice(0, bytes), () => response.socket?.destroy());
  };
}

/** Sends raw bytes in place of an HTTP answer and closes. */
export function replyRaw(bytes: string): StubReply {
  return (response) => {
    response.socket?.end(bytes);
  };
}
