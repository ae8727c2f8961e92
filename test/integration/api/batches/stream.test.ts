import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { objectsOf, rowsOf } from '../../../support/batch-calls.ts';
import { startApi } from '../../../support/start-api.ts';

const ROWS = 100_000;

/** Nobody holds the whole body, neither here nor there. */
async function* lines(): AsyncGenerator<Buffer> {
  for (let n = 0; n < ROWS; n += 500) {
    const rows = Array.from({ length: 500 }, (_, i) => `{"key":"k${n + i}","prompt":"a mug, number ${n + i}"}\n`);
    yield Buffer.from(rows.join(''));
  }
}

it('takes in a hundred thousand rows that come in pieces of unknown number', async () => {
  await using api = await startApi();

  const response = await fetch(`${api.url}/v1/batches?size=2K`, {
    method: 'POST',
    headers: { authorization: `Bearer ${api.key}`, 'content-type': 'application/x-ndjson' },
    body: Readable.from(lines()),
    duplex: 'half',
  } as unknown as RequestInit);

  expect(response.status).toBe(202);
  const { id, counts } = (await response.json()) as { id: string; counts: object };
  expect(counts).toMatchObject({ total: ROWS, queued: ROWS, invalid: 0 });
  expect(await objectsOf(api, id)).toHaveLength(ROWS / 1_000);
  const rows = await rowsOf(api, id);
  expect(rows.map(({ n, key }) => `${n} ${key}`)).toEqual(Array.from({ length: ROWS }, (_, n) => `${n} k${n}`));
  expect(new Set(rows.map(({ fingerprint }) => fingerprint)).size).toBe(ROWS);
});
