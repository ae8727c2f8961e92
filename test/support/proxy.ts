/** A TCP proxy before Redis whose connections can be made to swallow everything, without a reset. */

import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export type Proxy = AsyncDisposable & {
  url: string;
  /** Connections so far. */
  count(): number;
  /** The connections there are go on being open, and carry nothing any more. */
  swallow(): void;
  /** The same for those that ask for `command` or have ever done so, and for all that are opened from now on. */
  swallowAsking(command: string): void;
};

type Pair = { client: Socket; upstream: Socket; asked: string };

/** Of what a connection sends, this much at its end is remembered. */
const REMEMBERED = 4_096;

/** Listens on a free port of the loopback, before the Redis at `target`. */
export async function startProxy(target: string): Promise<Proxy> {
  const { hostname, port } = new URL(target);
  const pairs: Pair[] = [];
  let refused: string | undefined;
  const asksIt = ({ asked }: Pair) => refused !== undefined && asked.includes(refused);
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    const pair: Pair = { client, upstream, asked: '' };
    pairs.push(pair);
    for (const socket of [client, upstream]) socket.on('error', () => {});
    client.on('data', (chunk) => {
      pair.asked = (pair.asked + String(chunk)).slice(-REMEMBERED);
      if (asksIt(pair)) cut(pair);
    });
    if (refused) return void client.resume();
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(target);
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: url.href,
    count: () => pairs.length,
    swallow: () => pairs.forEach(cut),
    swallowAsking: (command) => {
      refused = command;
      pairs.filter(asksIt).forEach(cut);
    },
    [Symbol.asyncDispose]: async () => {
      for (const { client, upstream } of pairs) {
        client.destroy();
        upstream.destroy();
      }
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function cut({ client, upstream }: Pair): void {
  client.unpipe(upstream).resume();
  upstream.unpipe(client).resume();
}
