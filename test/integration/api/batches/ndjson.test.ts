import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type TestApi } from '../../../support/start-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api[Symbol.asyncDispose]());

const NDJSON = { 'content-type': 'application/x-ndjson' };
const lines = (rows: object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

describe('a batch of lines', () => {
  it('is accepted whole, and lies in the object store', async () => {
    const rows = Array.from({ length: 25 }, (_, n) => ({ key: `row-${n}`, prompt: `a red mug, number ${n}` }));

    const answer = await api.call('POST', '/v1/batches?name=mugs&size=2K', { raw: lines(rows), headers: NDJSON });

    expect(answer.json).toMatchObject({ name: 'mugs', status: 'ingesting', counts: { total: 25, queued: 25 } });
    expect(answer.status).toBe(202);
  });
});
