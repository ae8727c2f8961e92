/** A collector of traces: an HTTP server that keeps what is sent to it, by the protocol `http/json`. */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

type Sent = { path: string; headers: IncomingMessage['headers']; body: string };

export type Collector = AsyncDisposable & {
  sent: Sent[];
  /** How it answers from now on; without an answer it leaves who sends waiting. */
  answer(how: (response: ServerResponse) => void): void;
  /** The standard variables that lead to it; what is sent is sent at once, under `key`. */
  env(key: string): Record<string, string>;
};

export async function startCollector(): Promise<Collector> {
  const sent: Sent[] = [];
  let answer: (response: ServerResponse) => void = (response) => void response.end('{}');
  const take = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    sent.push({ path: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks).toString('utf8') });
    answer(response);
  };
  const server = createServer((request, response) => void take(request, response).catch(() => response.destroy()));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    sent,
    answer: (how) => {
      answer = how;
    },
    env: (key) => ({
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_EXPORTER_OTLP_HEADERS: `x-collector-key=${key}`,
      OTEL_BSP_SCHEDULE_DELAY: '20',
    }),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
