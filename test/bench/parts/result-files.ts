/**
 * Stands before the provider and makes its result files cheap: each is drawn once, laid on this disk and served from
 * there, so that whoever fetches it is not measured by the speed of drawing. All else passes through.
 */

import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

/** A result file that is about to be sent: nothing of it goes out before `served` has ended. */
export type Served = { path: string; bytes: number };

export type ResultFiles = AsyncDisposable & { url: string };

export async function startResultFiles(
  provider: string,
  { folder, served }: { folder: string; served: (file: Served) => Promise<void> },
): Promise<ResultFiles> {
  const path = join(folder, 'responses.jsonl');

  async function serve(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    await using file = await open(path, 'w');
    await pipeline(await passOn(provider, asked), file.createWriteStream({ flush: true }));
    const { size: bytes } = await stat(path);
    await served({ path, bytes });
    answer.writeHead(200, { 'content-type': 'application/jsonl', 'content-length': bytes });
    await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), answer);
  }

  async function pass(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    const given = await passOn(provider, asked);
    answer.writeHead(given.statusCode ?? 502, given.headers);
    await pipeline(given, answer);
  }

  const server = createServer((asked, answer) => {
    const handle = asked.url?.includes(':download') ? serve : pass;
    // A connection that breaks is the worker's to see.
    handle(asked, answer).catch(() => answer.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function passOn(provider: string, asked: IncomingMessage): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', headers, url = '/' } = asked;
    const sent = request(new URL(url, provider), { method, headers }, resolve).on('error', reject);
    asked.pipe(sent);
  });
}
