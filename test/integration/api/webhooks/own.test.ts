import { fingerprint } from '@darkroom/shared/domain';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ndjson, rowsOf, sendBatch } from '../../../support/batch-calls.ts';
import { failJob } from '../../../support/run-job.ts';
import { type Json, startApi, type TestApi } from '../../../support/start-api.ts';

const HOOK = { url: 'https://shop.example/hook?token=s3cret', events: ['job.failed', 'job.succeeded'] };
const SHOWN = { url: 'https://shop.example/hook', events: ['job.succeeded', 'job.failed'] };

let api: TestApi;
beforeAll(async () => {
  api = await startApi({ lookup: async (host) => (host === 'inside.example' ? ['10.0.0.7'] : ['93.184.215.14']) });
});
afterAll(() => api[Symbol.asyncDispose]());

const submit = (body: object, headers: Record<string, string> = {}) =>
  api.call('POST', '/v1/jobs', { body: { prompt: 'a mug', dedup: false, ...body }, headers });
const recordOf = (id: string) => api.deps.ledger.read('default', id);

describe('the webhook of a job', () => {
  it('is kept whole and shown without its query string, wherever the job is shown', async () => {
    const { status, json } = await submit({ webhook: HOOK });

    expect([status, json.webhook]).toEqual([202, SHOWN]);
    expect((await recordOf(json.id))?.request.webhook).toEqual({ ...SHOWN, url: HOOK.url });
    const shown = [await api.call('GET', `/v1/jobs/${json.id}`), await api.call('GET', '/v1/jobs?limit=200')];
    expect(shown[0]?.json.webhook).toEqual(SHOWN);
    const events = await api.call('GET', `/v1/events?job=${json.id}`);
    expect(events.json.data[0].data).not.toHaveProperty('webhook');
    expect(JSON.stringify([shown.map(({ text }) => text), events.text, api.lines])).not.toContain('s3cret');
  });

  it('needs no events: then it is told how the job ends', async () => {
    expect((await submit({ webhook: { url: HOOK.url } })).json.webhook).toEqual({ url: SHOWN.url });
  });

  it('comes with a caller’s own id as well, and is part of what that is known again by', async () => {
    const put = (webhook: object) =>
      api.call('PUT', '/v1/jobs/order-1', { body: { prompt: 'mine', dedup: false, webhook } });

    const answers = [await put(HOOK), await put(HOOK), await put({ url: 'https://other.example/' })];

    expect(answers.map(({ status }) => status)).toEqual([202, 202, 422]);
    expect(answers[1]?.headers.get('idempotent-replayed')).toBe('true');
  });

  it('makes no other work of it: with or without, a twin is joined', async () => {
    const prompt = 'the same with a webhook';
    const first = await submit({ prompt, dedup: undefined });

    const second = await submit({ prompt, dedup: undefined, webhook: HOOK });

    expect(second.headers.get('x-dedup')).toBe('joined');
    expect(second.json).toMatchObject({ deduplicated_of: first.json.id, webhook: SHOWN });
    const job = await recordOf(second.json.id);
    expect(job && fingerprint(job.request)).toBe((await recordOf(first.json.id))?.fingerprint);
  });

  it('goes on with a job that is made again', async () => {
    const { id } = (await submit({ webhook: HOOK })).json;
    await failJob(api.deps, id);

    const again = await api.call('POST', `/v1/jobs/${id}/retry`);

    expect([again.status, again.json.webhook]).toEqual([202, SHOWN]);
    expect(again.json.id).not.toBe(id);
  });

  it('is answered as the first time under one key, wherever its name leads by then', async () => {
    const key = { 'idempotency-key': 'with-a-webhook' };
    const first = await submit({ webhook: HOOK }, key);
    const { checkUrl } = api.deps;
    api.deps.checkUrl = async () => Promise.reject(new Error('nobody is asked again'));

    const again = await submit({ webhook: HOOK }, key).finally(() => {
      api.deps.checkUrl = checkUrl;
    });

    expect([again.json.id, again.headers.get('idempotent-replayed')]).toEqual([first.json.id, 'true']);
  });

  it.each<[webhook: unknown, param: string, says: RegExp]>([
    ['https://shop.example/', 'webhook', /must be an object/],
    [{}, 'webhook.url', /is required/],
    [{ url: '' }, 'webhook.url', /must not be empty/],
    [{ url: 'shop.example' }, 'webhook.url', /not a valid absolute URL/],
    [{ url: 'http://shop.example/' }, 'webhook.url', /scheme must be https/],
    [{ url: 'https://shop.example:8443/' }, 'webhook.url', /port 8443/],
    [{ url: 'https://u:p@shop.example/' }, 'webhook.url', /credentials/],
    [{ url: 'https://127.1/' }, 'webhook.url', /not a public one/],
    [{ url: 'https://inside.example/' }, 'webhook.url', /leads to an address that is not public/],
    [{ url: 'https://shop.example/', events: ['batch.completed'] }, 'webhook.events[0]', /must be a type of event/],
    [{ url: 'https://shop.example/', events: [] }, 'webhook.events', /must not be empty/],
    [{ url: 'https://shop.example/', secret: 'x' }, 'webhook.secret', /is not a field/],
  ])('is refused by name: %j', async (webhook, param, says) => {
    const { status, json } = await submit({ webhook });

    expect([status, json.code, json.param]).toEqual([400, 'invalid_request', param]);
    expect(json.detail).toMatch(says);
    expect(json.fix).toMatch(/\w/);
  });
});

describe('the webhook of a batch', () => {
  const rows = ndjson([{ key: 'a', prompt: 'a mug' }]);
  const batchOf = async (id: string): Promise<Json> => api.deps.batches.read('default', id);

  it('is an option of its JSON body', async () => {
    const body = {
      items: [{ key: 'a', prompt: 'a mug' }],
      webhook: { url: HOOK.url, events: ['batch.*', 'job.failed'] },
    };

    const { status, json } = await api.call('POST', '/v1/batches', { body });

    expect([status, json.webhook.url]).toEqual([202, SHOWN.url]);
    expect(json.webhook.events).toEqual(expect.arrayContaining(['batch.completed', 'batch.rescued', 'job.failed']));
    expect((await api.call('GET', `/v1/batches/${json.id}`)).json.webhook).toEqual(json.webhook);
    expect((await batchOf(json.id)).webhook.url).toBe(HOOK.url);
    const { data } = (await api.call('GET', `/v1/events?batch=${json.id}`)).json;
    expect(JSON.stringify(data)).not.toContain('shop.example');
  });

  it.each([
    ['short', 'webhook=https%3A%2F%2Fshop.example%2Fhook%3Fa%3Db', undefined],
    ['with events', 'webhook=https%3A%2F%2Fshop.example%2Fhook%3Fa%3Db&webhook[events]=job.failed,batch.completed', 2],
    [
      'the other way round',
      'webhook[events]=job.failed&webhook[events]=batch.completed&webhook=https%3A%2F%2Fshop.example%2Fhook%3Fa%3Db',
      2,
    ],
    ['in full', 'webhook[url]=https%3A%2F%2Fshop.example%2Fhook%3Fa%3Db', undefined],
    ['as JSON', `webhook=${encodeURIComponent('{"url":"https://shop.example/hook?a=b"}')}`, undefined],
  ])('is an option of a query: %s', async (_name, query, events) => {
    const { status, json } = await sendBatch(api, 'ndjson', rows, { query });

    expect([status, json.webhook?.url, json.webhook?.events?.length]).toEqual([202, SHOWN.url, events]);
    expect((await batchOf(json.id)).webhook.url).toBe('https://shop.example/hook?a=b');
  });

  it.each([
    ['webhook=http%3A%2F%2Fshop.example', 'webhook.url', /scheme must be https/],
    ['webhook=https%3A%2F%2Finside.example', 'webhook.url', /not public/],
    ['webhook[events]=batch.completed', 'webhook.url', /is required/],
    ['webhook=https%3A%2F%2Fshop.example&webhook[events]=batches', 'webhook.events[0]', /must be a type/],
    ['webhook=https%3A%2F%2Finside.example&dry_run=true', 'webhook.url', /not public/],
  ])('is refused before any row is read: %s', async (query, param, says) => {
    const { status, json } = await sendBatch(api, 'ndjson', rows, { query });

    expect([status, json.param]).toEqual([400, param]);
    expect(json.detail).toMatch(says);
  });

  it('is none of a row, which is told where it belongs', async () => {
    const { status, json } = await sendBatch(api, 'ndjson', ndjson([{ key: 'a', prompt: 'a mug', webhook: HOOK }]));
    const csv = await sendBatch(api, 'csv', 'key,prompt,webhook\na,a mug,https://shop.example/\n');

    expect([status, json.errors]).toEqual([
      422,
      [
        {
          line: 1,
          key: 'a',
          path: 'webhook',
          code: 'invalid_request',
          message: 'is an option of the whole batch: say it once, beside the rows',
        },
      ],
    ]);
    expect([csv.status, csv.json.param]).toEqual([400, 'webhook']);
    expect(csv.json.fix).toContain('webhook=… once, beside the file');
  });

  it('is not that of its rows’ jobs', async () => {
    const { json } = await sendBatch(api, 'ndjson', rows, { query: 'webhook=https%3A%2F%2Fshop.example' });

    expect((await rowsOf(api, json.id))[0]?.request).not.toHaveProperty('webhook');
  });
});
