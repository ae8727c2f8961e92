import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { type Client, createClient } from './client.ts';
import { createWatchedFetch } from './silence.ts';

const SILENCE_MS = 250;

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** A client of a server that answers like this. */
async function openClient(answer: RequestListener): Promise<{ url: string; client: Client }> {
  const server = createServer(answer);
  servers.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, client: createClient({ url, apiKey: 'dk_test', silenceMs: SILENCE_MS }) };
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  return Array.fromAsync(items);
}

describe('a connection that falls silent', () => {
  const silent = { name: 'DarkroomError', status: 0, retryable: true, message: expect.stringContaining('silent') };

  it('is given up before the answer', async () => {
    const open = await openClient(() => undefined);

    await expect(open.client.getBatch('bat_1')).rejects.toMatchObject(silent);
    await expect(open.client.download('/elsewhere')).rejects.toMatchObject(silent);
  });

  it('is given up within the answer', async () => {
    const open = await openClient((_req, res) => void res.write('{"key":"a"}\n'));

    await expect(open.client.getBatch('bat_1')).rejects.toMatchObject(silent);
    await expect(all(open.client.manifest('bat_1'))).rejects.toMatchObject(silent);
    const image = await open.client.download('/elsewhere');
    await expect(image.arrayBuffer()).rejects.toMatchObject(silent);
  });

  it('is no watch that ends: it goes on when somebody answers again', async () => {
    let asked = 0;
    const open = await openClient((_req, res) => {
      if (++asked > 1) res.end('{"id":"bat_1","status":"completed"}');
    });

    expect(await all(open.client.watchBatch('bat_1', { everyMs: 1 }))).toMatchObject([{ status: 'completed' }]);
  });

  it('is told from a caller who stops it', async () => {
    const open = await openClient(() => undefined);
    const reason = new Error('stopped');

    await expect(open.client.getBatch('bat_1', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

describe('no silence', () => {
  it('is a reader that is busy', async () => {
    const rows = 200_000;
    const open = await openClient((_req, res) => void res.end('{"key":"a"}\n'.repeat(rows)));
    let read = 0;

    for await (const _ of open.client.manifest('bat_1')) {
      if (read === 0) await sleep(2 * SILENCE_MS);
      read++;
    }

    expect(read).toBe(rows);
  });

  it('is a wait that was asked for', async () => {
    const open = await openClient((_req, res) => void setTimeout(() => res.end('{"id":"job_1"}'), 2 * SILENCE_MS));

    expect(await open.client.getJob('job_1', { waitSeconds: 1 })).toEqual({ id: 'job_1' });
  });

  it('is a body that is still on its way there', async () => {
    const open = await openClient((req, res) => void text(req).then((body) => res.end(body)));
    const rows = async function* () {
      for (let n = 0; n < 5; n++) {
        await sleep(SILENCE_MS / 2);
        yield Buffer.from(`${n}\n`);
      }
    };
    const fetch = createWatchedFetch(globalThis.fetch, SILENCE_MS);

    const body = ReadableStream.from<Uint8Array>(rows());
    const answer = await fetch(new URL(open.url), { method: 'POST', body, duplex: 'half' });

    expect(await answer.text()).toBe('0\n1\n2\n3\n4\n');
  });
});

it('says so when what answers is something else', async () => {
  const open = await openClient((_req, res) => void res.end('<html>'));

  await expect(open.client.getBatch('bat_1')).rejects.toMatchObject({ name: 'DarkroomError', retryable: false });
});
