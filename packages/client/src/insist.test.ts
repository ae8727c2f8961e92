import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { createClient } from './client.ts';
import { DarkroomError } from './error.ts';
import { insist } from './insist.ts';

it.each([
  ['a proxy that is busy', 429, '<html>429</html>', {}],
  ['a server that is full', 503, '{"code":"queue_full","detail":"full","retryable":true}', { 'retry-after': '1' }],
])('asks %s again, as late as it was told to', async (_who, status, body, headers) => {
  const asked: number[] = [];
  const server = createServer((_req, res) => {
    asked.push(performance.now());
    if (asked.length === 1) res.writeHead(status, headers).end(body);
    else res.end('{"id":"bat_1"}');
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const client = createClient({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, apiKey: 'dk_test' });

  const batch = await insist(() => client.getBatch('bat_1'), { firstMs: 1 });

  server.close();
  const [first = 0, second = 0] = asked;
  expect(batch).toEqual({ id: 'bat_1' });
  expect(second - first >= 990).toBe('retry-after' in headers);
});

it('does not ask again what no repeat mends', async () => {
  let asked = 0;
  const refused = new DarkroomError('no', { status: 400 });

  await expect(insist(async () => Promise.reject((asked++, refused)))).rejects.toBe(refused);

  expect(asked).toBe(1);
});
