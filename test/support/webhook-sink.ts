import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';

/** One request as it came. */
export type Received = { path: string; headers: IncomingHttpHeaders; body: string; at: number };

type Answer = (res: ServerResponse, received: Received) => void;

/** A receiver of webhooks on loopback: it writes down what comes, and answers each path as it is told. */
export type Sink = AsyncDisposable & {
  port: number;
  url: (path?: string) => string;
  received: Received[];
  /** Of one path. */
  at: (path: string) => Received[];
  /** From now on; 204 unless told otherwise. */
  answer: (path: string, answer: Answer | number) => void;
  /** Connections that were ever made. */
  connections: () => number;
};

export async function startSink(): Promise<Sink> {
  const received: Received[] = [];
  const answers = new Map<string, Answer>();
  let connections = 0;
  const server = createServer((req, res) => {
    const answer = async () => {
      const one = await take(req);
      received.push(one);
      const way = answers.get(one.path);
      if (way) way(res, one);
      else res.writeHead(204).end();
    };
    void answer();
  });
  server.on('connection', () => connections++);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    received,
    url: (path = '/') => `http://127.0.0.1:${port}${path}`,
    at: (path) => received.filter((one) => one.path === path),
    answer: (path, answer) => {
      answers.set(path, typeof answer === 'function' ? answer : (res) => res.writeHead(answer).end());
    },
    connections: () => connections,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

async function take(req: IncomingMessage): Promise<Received> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk as Buffer);
  return { path: req.url ?? '', headers: req.headers, body: Buffer.concat(chunks).toString(), at: Date.now() };
}

/** The event, if the npm package finds it signed with the secret at the time it names. */
export function verified(secret: string, { headers, body }: Received): unknown {
  const at = new Date(Number(headers['webhook-timestamp']) * 1_000);
  const expected = new Webhook(secret).sign(String(headers['webhook-id']), at, body);
  if (!String(headers['webhook-signature']).split(' ').includes(expected))
    throw new Error('the signature does not fit');
  return JSON.parse(body);
}
