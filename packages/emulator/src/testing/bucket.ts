/** A bucket of this machine, as far as jobs use one: whole objects, read and written by name. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

export type TestBucket = AsyncDisposable & {
  endpoint: string;
  /** By `bucket/name`. */
  objects: Map<string, string>;
  /** Refuses all that is written from now on. */
  refuseWrites(): void;
};

const OBJECT = /^\/(upload\/)?storage\/v1\/b\/([^/]+)\/o(?:\/(.+))?$/;

export async function openBucket(objects: Record<string, string> = {}): Promise<TestBucket> {
  const stored = new Map(Object.entries(objects));
  let writable = true;
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? '/', 'http://bucket');
    const [, upload, bucket = '', name = ''] = OBJECT.exec(url.pathname) ?? [];
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    if (upload && !writable) return response.writeHead(403).end();
    if (upload) {
      stored.set(`${bucket}/${url.searchParams.get('name')}`, body);
      return response.end('{}');
    }
    const object = stored.get(`${bucket}/${decodeURIComponent(name)}`);
    return object === undefined ? response.writeHead(404).end() : response.end(object);
  };
  const server = createServer((request, response) => void answer(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    endpoint: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`,
    objects: stored,
    refuseWrites() {
      writable = false;
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
