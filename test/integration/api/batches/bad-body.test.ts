import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { acceptedBatches, batchFolders, ndjson, rowsOf, sendBatch } from '../../../support/batch-calls.ts';
import { type Json, startApi, type TestApi } from '../../../support/start-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi({
    limits: { requestTimeout: 1_500, headersTimeout: 1_000, connectionsCheckingInterval: 50 },
    replace: () => ({ batchPace: { idleMs: 600, totalMs: 8_000 } }),
  });
});
afterAll(() => api[Symbol.asyncDispose]());

const GOOD = 'key,prompt\na,a mug\nb,a bowl\n';
const UTF16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(GOOD, 'utf16le')]);

describe('a file as programs for tables write it', () => {
  it.each([
    ['with a byte order mark', `\ufeff${GOOD}`],
    ['with CRLF', GOOD.replaceAll('\n', '\r\n')],
    ['with CR alone', GOOD.replaceAll('\n', '\r')],
    ['with every cell in quotes', '"key","prompt"\r\n"a","a mug"\r\n"b","a bowl"\r\n'],
    ['without an end of the last line', GOOD.trimEnd()],
    ['with empty lines', `${GOOD}\n\n`.replace('\na', '\n\na')],
  ])('is read: %s', async (_name, csv) => {
    const { status, json } = await sendBatch(api, 'csv', csv);

    expect(status).toBe(202);
    const rows = await rowsOf(api, json.id);
    expect(rows.map(({ key, request }) => [key, request.prompt])).toEqual([
      ['a', 'a mug'],
      ['b', 'a bowl'],
    ]);
  });

  it('keeps commas, quotes and line breaks within quotes, and the lines of errors', async () => {
    const csv = 'key,prompt,size\r\na,"a ""mug"",\r\nred",2K\r\nb,x,9K\r\n';

    const refused = await sendBatch(api, 'csv', csv);
    const { json } = await sendBatch(api, 'csv', csv, { query: 'on_invalid=skip' });

    expect(refused.json.errors).toMatchObject([{ line: 4, key: 'b', path: 'size' }]);
    expect((await rowsOf(api, json.id))[0]?.request.prompt).toBe('a "mug",\r\nred');
  });
});

/** Name, CSV, query, and what the problem says. */
const WRONG: [string, string | Buffer<ArrayBuffer>, string, Json][] = [
  ['nothing at all', '', '', { status: 400, detail: expect.stringContaining('empty') }],
  ['a header alone', 'key,prompt\n', '', { status: 400, detail: 'The batch has no rows.' }],
  [
    'an unknown column',
    'key,prompt,colour\na,b,c\n',
    '',
    { status: 400, param: 'colour', fix: expect.stringContaining('mapping[colour]') },
  ],
  [
    'a missing column',
    'key,size\na,2K\n',
    '',
    { status: 400, param: 'prompt', detail: expect.stringContaining('"key", "size"') },
  ],
  ['no key', 'prompt\nb\n', '', { status: 400, param: 'key', fix: expect.stringContaining('key_column=#') }],
  [
    'a header twice',
    'key,prompt,prompt\na,b,c\n',
    '',
    { status: 400, param: 'prompt', detail: expect.stringContaining('twice') },
  ],
  ['two columns for a field', 'key,prompt,text\na,b,c\n', 'mapping[text]=prompt', { status: 400, param: 'text' }],
  [
    'a cell below no name',
    'key,prompt,\na,b,c\n',
    '',
    { status: 422, code: 'invalid_rows', errors: [{ line: 2, message: expect.stringContaining('Cell 3') }] },
  ],
  [
    'a stray quote',
    'key,prompt\na,a "mug\n',
    '',
    { status: 400, param: 'line 2', detail: expect.stringContaining('quote') },
  ],
  ['text after a quote', 'key,prompt\na,b\nc,"a"mug\n', '', { status: 400, param: 'line 3' }],
  [
    'a quote that is never closed',
    'key,prompt\na,"a mug\n',
    '',
    { status: 400, param: 'line 2', detail: expect.stringContaining('never closed') },
  ],
  ['UTF-16', UTF16, '', { status: 400, param: 'byte 0', fix: expect.stringContaining('UTF-8') }],
  ['Latin-1', Buffer.from('key,prompt\na,caf\xe9 mug\n', 'latin1'), '', { status: 400, param: 'byte 16' }],
  ['a cut character', Buffer.from('key,prompt\na,caf\xc3', 'latin1'), '', { status: 400, param: 'byte 16' }],
  [
    'a cell of 10 MB',
    `key,prompt\na,b\nc,${'x'.repeat(10 << 20)}\n`,
    '',
    { status: 400, param: 'line 3', detail: expect.stringContaining('1 MB') },
  ],
  [
    'bad keys alone',
    'key,prompt\na b,x\n,x\n',
    '',
    {
      status: 422,
      code: 'invalid_rows',
      errors: [
        { line: 2, path: 'key' },
        { line: 3, path: 'key' },
      ],
    },
  ],
  [
    'no row that is good',
    'key,prompt\na,\n',
    'on_invalid=skip',
    { status: 422, code: 'invalid_rows', counts: { rows: 1, valid: 0, invalid: 1 } },
  ],
];

describe('a file that cannot be taken', () => {
  it.each(WRONG)('is refused in clear words: %s', async (_name, csv, query, problem) => {
    const before = await acceptedBatches(api);

    const { json } = await sendBatch(api, 'csv', csv, { query });

    expect(json).toMatchObject({ code: 'invalid_request', ...problem });
    expect(await acceptedBatches(api)).toEqual(before);
  });

  it('leaves no objects but the errors of a day', async () => {
    const folders = await batchFolders(api);

    await sendBatch(api, 'csv', `key,prompt\n${Array.from({ length: 2_500 }, (_, n) => `k${n},x\n`).join('')}z,"a"b\n`);
    await sendBatch(api, 'csv', 'key,prompt,prompt\n');

    expect(await batchFolders(api)).toEqual(folders);
  });
});

describe('lines of JSON', () => {
  it('are told apart one by one', async () => {
    const lines = [
      '{"key":"a","prompt":"a mug"}',
      '{"key":"b",',
      '"text"',
      '{"key":"c","prompt":"half \\ud800"}',
      '{"key":"d","prompt":"x","surprise":1}',
      `{"key":"e","prompt":"${'x'.repeat(1 << 20)}"}`,
      '{"key":"f","prompt":"x","lane":"batch"}',
      '{"key":"g","prompt":"x","__proto__":{}}',
      '',
      '{"key":"a","prompt":"twice"}',
      `{"key":"h","prompt":${'['.repeat(100)}${']'.repeat(100)}}`,
    ];

    const { status, json } = await sendBatch(api, 'ndjson', lines.join('\n'));

    expect(status).toBe(422);
    expect(json.errors.map(({ line, key, path, code }: Json) => [line, key, path, code])).toEqual([
      [2, undefined, '', 'invalid_request'],
      [3, undefined, '', 'invalid_request'],
      [4, undefined, 'prompt', 'invalid_request'],
      [5, 'd', 'surprise', 'invalid_request'],
      [6, undefined, '', 'payload_too_large'],
      [7, 'f', 'lane', 'invalid_request'],
      [8, undefined, '__proto__', 'invalid_request'],
      [10, 'a', 'key', 'invalid_request'],
      [11, undefined, '', 'invalid_request'],
    ]);
  });

  it('may be one body, of a thousand items at most', async () => {
    const items = Array.from({ length: 1_001 }, (_, n) => ({ key: `k${n}`, prompt: 'a mug' }));
    const submit = (body: object) => api.call('POST', '/v1/batches', { body });

    expect((await submit({ items })).json).toMatchObject({ status: 400, param: 'items' });
    expect((await submit({ items: [] })).json).toMatchObject({ status: 400, param: 'items' });
    expect((await submit({ items: items.slice(1), surprise: 1 })).json).toMatchObject({ param: 'surprise' });
    const { status, json } = await submit({ items: items.slice(1), name: 'set', size: '2K', max_cost: '100' });
    expect([status, json.counts.total, json.name, json.cost.max]).toEqual([202, 1_000, 'set', '100.00']);
    expect((await rowsOf(api, json.id))[999]).toMatchObject({ n: 999, key: 'k1000', request: { size: '2K' } });
  });

  it('must be said to be what they are', async () => {
    const headers = { 'content-type': 'text/plain' };
    const gzip = { 'content-encoding': 'gzip' };

    expect((await sendBatch(api, 'csv', GOOD, { headers })).status).toBe(415);
    expect((await sendBatch(api, 'csv', GOOD, { headers: gzip })).json).toMatchObject({
      status: 415,
      param: 'Content-Encoding',
    });
  });
});

describe('references', () => {
  it('are looked up once, and stand in the rows by their content', async () => {
    let downloads = 0;
    const { anImage } = await import('../../../support/run-job.ts');
    const bytes = await anImage('png');
    await using fetching = await startApi({
      safeFetch: {
        download: async (url: string) => {
          downloads++;
          if (url.endsWith('/dead.png'))
            throw new (await import('@darkroom/shared/domain')).AppError('invalid_request', {
              message: 'the address answered 404',
            });
          return { bytes, url } as never;
        },
      },
    });
    const rows = Array.from({ length: 50 }, (_, n) => `k${n},mug ${n},https://example.com/${n % 2 ? 'a' : 'b'}.png\n`);
    const csv = `key,prompt,reference_1\n${rows.join('')}z,x,https://example.com/dead.png\ny,x,https://example.com/dead.png\n`;

    const { json } = await sendBatch(fetching, 'csv', csv, { query: 'on_invalid=skip' });

    expect(downloads).toBe(3);
    expect(json.counts).toMatchObject({ total: 50, invalid: 2 });
    const made = await rowsOf(fetching, json.id);
    expect(new Set(made.map(({ request }) => request.references[0]?.sha256)).size).toBe(1);
    expect((await fetching.call('GET', json.urls.errors)).text).toContain('52,z,reference_1,invalid_request');
  });
});

/** A request by hand: its head, then whatever the test writes. */
async function open(head: string, of = api) {
  const socket = connect({ host: '127.0.0.1', port: of.port });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(
    `POST /v1/batches${head} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${of.key}\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n`,
  );
  const write = (part: string) => socket.write(`${Buffer.byteLength(part).toString(16)}\r\n${part}\r\n`);
  return { socket, write, end: () => socket.write('0\r\n\r\n') };
}

describe('a caller', () => {
  it('who is slow, yet moves, is waited for beyond the time of other requests', async () => {
    const { socket, write, end } = await open('');
    write('key,prompt\n');
    for (let n = 0; n < 18; n++) {
      await sleep(100);
      write(`slow-${n},a mug\n`);
    }
    end();

    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 202 /);
    socket.destroy();
  });

  it('who sends many at a time leaves room for others', async () => {
    await using patient = await startApi();
    const other = await patient.addKey('other');
    const calls = await Promise.all([1, 2, 3].map(() => open('', patient)));
    const arriving = () => patient.redis.zcard(`${patient.prefix}{t:default}:ingests`);
    await expect.poll(arriving).toBe(3);
    const one = ndjson([{ key: 'a', prompt: 'x' }]);

    const own = await sendBatch(patient, 'ndjson', one);
    const others = await sendBatch(patient, 'ndjson', one, { key: other });

    expect([own.status, own.json.code, own.json.retryable]).toEqual([503, 'not_ready', true]);
    expect(others.status).toBe(202);
    for (const { socket } of calls) socket.destroy();
    await expect.poll(async () => (await sendBatch(patient, 'ndjson', one)).status).toBe(202);
  });

  it('who stands still is told so, and leaves nothing', async () => {
    const folders = await batchFolders(api);
    const { socket, write } = await open('');
    write(`key,prompt\n${Array.from({ length: 1_500 }, (_, n) => `s${n},x\n`).join('')}`);

    const [answer] = (await once(socket, 'data')) as [Buffer];

    expect(answer.toString()).toMatch(/^HTTP\/1\.1 408 [^]*"code":"request_timeout"/);
    socket.destroy();
    await expect.poll(() => batchFolders(api)).toEqual(folders);
  });

  it('who breaks off leaves nothing, and the key free', async () => {
    const [folders, batches] = [await batchFolders(api), await acceptedBatches(api)];
    const notes = `${api.prefix}{t:default}:ingests`;
    const noted = await api.redis.zcard(notes);
    const { socket, write } = await open('?name=broken');
    write(`key,prompt\n${Array.from({ length: 2_500 }, (_, n) => `b${n},x\n`).join('')}`);
    await expect.poll(async () => (await batchFolders(api)).length).toBe(folders.length + 1);

    socket.destroy();

    await expect.poll(() => batchFolders(api)).toEqual(folders);
    expect(await acceptedBatches(api)).toEqual(batches);
    expect(await api.redis.zcard(notes)).toBe(noted);
  });
});

describe('the same key', () => {
  const body = ndjson(Array.from({ length: 1_200 }, (_, n) => ({ key: `k${n}`, prompt: 'a mug' })));

  it('makes one batch, however often it comes at once', async () => {
    const before = await acceptedBatches(api);
    const headers = { 'idempotency-key': 'fifty' };

    const answers = await Promise.all(Array.from({ length: 50 }, () => sendBatch(api, 'ndjson', body, { headers })));

    const made = (await acceptedBatches(api)).filter((id) => !before.includes(id));
    expect(made).toHaveLength(1);
    const statuses = new Set(answers.map(({ status }) => status));
    expect([...statuses].every((status) => [202, 409, 503].includes(status))).toBe(true);
    const told = answers.map((answer) => (answer.status === 202 ? answer.json.id : answer.headers.get('retry-after')));
    expect(told.every((word) => word === made[0] || /^\d+$/.test(word))).toBe(true);
    const again = await sendBatch(api, 'ndjson', body, { headers });
    expect([again.status, again.json.id, again.headers.get('idempotent-replayed')]).toEqual([202, made[0], 'true']);
  });

  it('with another body, or other options, is refused', async () => {
    const headers = { 'idempotency-key': 'other' };
    const { json } = await sendBatch(api, 'ndjson', body, { headers, query: 'size=2K' });

    for (const [raw, query] of [
      [body.replace('mug', 'bowl'), 'size=2K'],
      [body, 'size=1K'],
      [body, ''],
    ] as const) {
      const answer = await sendBatch(api, 'ndjson', raw, { headers, query });
      expect([answer.status, answer.json.code]).toEqual([422, 'idempotency_key_reused']);
    }
    expect((await sendBatch(api, 'ndjson', body, { headers, query: 'size=2K' })).json.id).toBe(json.id);
  });

  it('finds the batch again when the word that it was accepted was lost', async () => {
    await using losing = await startApi({
      replace: ({ batches }) => ({
        batches: {
          ...batches,
          accept: async (...accepted) => {
            await batches.accept(...accepted);
            throw new Error('Command timed out');
          },
        },
      }),
    });
    const headers = { 'idempotency-key': 'lost' };

    expect((await sendBatch(losing, 'ndjson', body, { headers })).status).toBe(503);

    const { status, json, headers: answered } = await sendBatch(losing, 'ndjson', body, { headers });
    expect([status, answered.get('idempotent-replayed')]).toEqual([202, 'true']);
    expect(await rowsOf(losing, json.id)).toHaveLength(1_200);
  });

  it.each([
    ['under a key', { 'idempotency-key': 'resent' }],
    ['without one', {}],
  ])('keeps its rows when its acceptance is sent again after a step of the batch, %s', async (_name, headers) => {
    await using resending = await startApi({
      replace: ({ batches }) => ({
        batches: {
          ...batches,
          // The connection broke behind the script, and a worker was quicker than the client that sent it again.
          accept: async (batch, idempotency) => {
            await batches.accept(batch, idempotency);
            await batches.write({ batch: { ...batch, version: 2, status: 'queued' }, events: [] });
            return batches.accept(batch, idempotency);
          },
        },
      }),
    });

    const { status, json } = await sendBatch(resending, 'ndjson', body, { headers });

    expect(status).toBe(202);
    expect(await rowsOf(resending, json.id)).toHaveLength(1_200);
  });

  it('is free again after a refusal', async () => {
    const headers = { 'idempotency-key': 'refused' };
    expect((await sendBatch(api, 'ndjson', '{"key":"a"}', { headers })).status).toBe(422);

    expect((await sendBatch(api, 'ndjson', '{"key":"a","prompt":"x"}', { headers })).status).toBe(202);
  });
});

it('is never told of as a bug, whatever came', () => {
  expect(api.lines.filter(({ event }) => event === 'http.bug')).toEqual([]);
});
