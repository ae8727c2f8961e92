import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type TestApi } from '../../support/start-api.ts';

let api: TestApi;
const sockets: Socket[] = [];

beforeAll(async () => {
  api = await startApi({ env: { BODY_LIMIT_MB: '1', BODIES_MAX_MB: '1' } });
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await api[Symbol.asyncDispose]();
});

/** A body of about `bytes`, which no two calls have in common. */
const bodyOf = (bytes: number) => ({
  prompt: `a mug ${sockets.length}`,
  dedup: false,
  metadata: {},
  references: [{ data: `data:image/png;base64,${'A'.repeat(bytes)}` }],
});
const large = () => api.call('POST', '/v1/jobs', { body: bodyOf(600_000) });
const small = (headers = {}) => api.call('POST', '/v1/jobs', { body: { prompt: 'x', dedup: false }, headers });

/** Begins to send a body, and stops half way. */
async function hold(header: string, key = api.key): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: api.port });
  sockets.push(socket);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(
    `POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\n${header}\r\n\r\n`,
  );
  return socket;
}

describe('request bodies', () => {
  it.each(['Content-Length: 700000', 'Transfer-Encoding: chunked'])(
    'are refused while others fill their room (%s), and taken again after',
    async (header) => {
      const socket = await hold(header);
      await expect.poll(async () => (await large()).status).toBe(503);

      const refused = await large();
      expect([refused.json.code, refused.json.retryable, refused.headers.get('retry-after')]).toEqual([
        'not_ready',
        true,
        '1',
      ]);
      expect((await api.call('GET', '/v1/jobs')).status).toBe(200);

      socket.destroy();
      await expect.poll(async () => (await large()).status).toBe(422);
      expect((await small()).status).toBe(202);
    },
  );

  it('of one caller are read though it is the largest that may be, when there is no other', async () => {
    expect((await api.call('POST', '/v1/jobs', { body: bodyOf(1_040_000) })).status).toBe(422);
    expect((await api.call('POST', '/v1/jobs', { body: bodyOf(2_000_000) })).status).toBe(413);
  });

  it('of strangers take no room', async () => {
    const socket = await hold('Content-Length: 700000', 'dk_nobody_0123456789abcdef');
    await once(socket, 'data');

    expect((await large()).status).toBe(422);
  });

  it('take no room while their callers wait for the end of a job', async () => {
    const metadata = { long: 'm'.repeat(200) };
    const tags = Array.from({ length: 5 }, (_, n) => `tag-${n}`);
    const padded = `${JSON.stringify({ prompt: 'waits', dedup: false, metadata, tags })}${' '.repeat(600_000)}`;
    const waiting = api.call('POST', '/v1/jobs', {
      raw: padded,
      headers: { 'content-type': 'application/json', prefer: 'wait=20' },
    });
    await expect.poll(async () => (await api.call('GET', '/v1/jobs?tag=tag-0')).json.data).toHaveLength(1);

    expect((await large()).status).toBe(422);

    const [{ id }] = (await api.call('GET', '/v1/jobs?tag=tag-0')).json.data;
    await api.call('POST', `/v1/jobs/${id}/cancel`);
    expect((await waiting).json).toMatchObject({ id, status: 'canceled' });
  });
});
