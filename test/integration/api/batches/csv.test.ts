import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { acceptedBatches, batchFolders, objectsOf, rowsOf, sendBatch } from '../../../support/batch-calls.ts';
import { startApi, type TestApi } from '../../../support/start-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api[Symbol.asyncDispose]());

const ROWS = 20_000;
const HEADER = 'key,prompt,model,size,aspect_ratio,seed,tags,metadata.sku,reference_1';
const LONG = 'x'.repeat(65_537);

type Bad = { cells: string; key: string; column: string; code: string };

/** What may be wrong with row `n`, as it stands in the file and as it is told of. */
const KINDS: ((n: number) => Bad)[] = [
  (n) => bad(n, `key-${n},,pro,1K,1:1,1,,,`, 'prompt', 'invalid_request'),
  (n) => bad(n, `key-${n},mug,pro,8K,1:1,1,,,`, 'size', 'unsupported_size'),
  (n) => bad(n, `key-${n},mug,pro,1K,1:1,one,,,`, 'seed', 'invalid_request'),
  (n) => bad(n, `key-${n},mug,imagen-4,1K,1:1,1,,,`, 'model', 'model_retired'),
  (n) => ({ ...bad(n, 'key-0,mug,pro,1K,1:1,1,,,', 'key', 'invalid_request'), key: 'key-0' }),
  (n) => ({ ...bad(n, `key-${n},mug,pro`, '', 'invalid_request'), key: '' }),
  (n) => ({ ...bad(n, `key-${n},${LONG},pro,1K,1:1,1,,,`, 'prompt', 'invalid_request'), key: '' }),
];

function bad(n: number, cells: string, column: string, code: string): Bad {
  return { cells, key: `key-${n}`, column, code };
}

/** 126 bad rows of seven kinds, spread over 20,000. */
function catalogue() {
  const lines = [HEADER];
  const errors: string[] = ['line,key,column,code'];
  for (let n = 0; n < ROWS; n++) {
    const isBad = n % 158 === 157 && errors.length <= 126;
    if (!isBad) {
      lines.push(`key-${n},"a mug, number ${n}",pro,2K,4:5,${n},summer;sale,SKU-${n},`);
      continue;
    }
    const fault = KINDS[errors.length % KINDS.length]?.(n);
    if (!fault) throw new Error('no such kind');
    lines.push(fault.cells);
    errors.push([n + 2, fault.key, fault.column, fault.code].join(','));
  }
  return { csv: `${lines.join('\n')}\n`, errors };
}

/** Every record of a file of errors but its last cell, which is words for people. */
function withoutMessages(text: string): string[] {
  expect(text).toMatch(/message\r\n/);
  return text.split('\r\n').flatMap((line) => (line ? [line.split(',').slice(0, 4).join(',')] : []));
}

describe('a catalogue of 20,000 rows, 126 of them bad', () => {
  const { csv, errors } = catalogue();

  it('is refused as a whole, with every error in errors.csv, and leaves nothing else', async () => {
    const before = await acceptedBatches(api);

    const { status, json } = await sendBatch(api, 'csv', csv);

    expect([status, json.code, json.counts]).toEqual([
      422,
      'invalid_rows',
      { rows: ROWS, valid: ROWS - 126, invalid: 126 },
    ]);
    expect(json.errors).toHaveLength(100);
    expect(json.errors[0]).toEqual({
      line: 159,
      key: 'key-157',
      path: 'size',
      code: 'unsupported_size',
      message: expect.stringContaining('8K'),
    });
    const file = await api.call('GET', json.errors_url);
    expect(file.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    expect(withoutMessages(file.text)).toEqual(errors);
    const id = json.errors_url.split('/')[3];
    expect(await objectsOf(api, id)).toEqual(['errors.csv']);
    expect(await acceptedBatches(api)).toEqual(before);
    expect((await api.call('GET', `/v1/batches/${id}`)).status).toBe(404);
  });

  it('tells nobody else of the errors', async () => {
    const { json } = await sendBatch(api, 'csv', 'key,prompt\na,\n');
    const other = await api.addKey('somebody');

    expect((await api.call('GET', json.errors_url)).status).toBe(200);
    const answer = await api.call('GET', json.errors_url, { key: other });
    expect([answer.status, answer.json.detail]).toEqual([404, 'There is no such batch.']);
  });

  it('runs without the bad ones when it may', async () => {
    const { status, json } = await sendBatch(api, 'csv', csv, { query: 'on_invalid=skip&name=autumn' });

    expect(status).toBe(202);
    expect(json).toMatchObject({ name: 'autumn', counts: { total: ROWS - 126, invalid: 126, queued: ROWS - 126 } });
    expect(withoutMessages((await api.call('GET', json.urls.errors)).text)).toEqual(errors);
    const rows = await rowsOf(api, json.id);
    expect(rows.map(({ n }) => n)).toEqual(Array.from({ length: ROWS - 126 }, (_, n) => n));
    expect(new Set(rows.map(({ key }) => key)).size).toBe(ROWS - 126);
    expect(rows[0]).toMatchObject({
      key: 'key-0',
      request: {
        prompt: 'a mug, number 0',
        model: 'gemini-3-pro-image',
        size: '2K',
        aspectRatio: '4:5',
        seed: 0,
        tags: ['summer', 'sale'],
        metadata: { sku: 'SKU-0' },
        references: [],
      },
    });
  });

  it('is only looked at in a dry run', async () => {
    const folders = await batchFolders(api);
    const batches = await acceptedBatches(api);

    const { status, json } = await sendBatch(api, 'csv', csv, { query: 'dry_run=true' });

    expect(status).toBe(200);
    expect(json).toMatchObject({
      dry_run: true,
      counts: { rows: ROWS, valid: ROWS - 126, invalid: 126 },
      lane: 'batch',
      currency: 'USD',
    });
    // Half the price, but for the ten rows of the canary.
    const standard = Number(json.cost.standard);
    expect(Number(json.cost.batch)).toBeCloseTo((standard + (10 * standard) / (ROWS - 126)) / 2, 2);
    expect(json.errors).toHaveLength(100);
    expect(await batchFolders(api)).toEqual(folders);
    expect(await acceptedBatches(api)).toEqual(batches);
  });
});

describe('a file of a spreadsheet', () => {
  it.each([
    ['semicolons', 'key;prompt;tags\r\na;a mug, red;"x;y"\r\n'],
    ['tabs', 'key\tprompt\ttags\r\na\ta mug, red\tx;y\r\n'],
  ])('may have %s between its cells', async (_name, csv) => {
    const { status, json } = await sendBatch(api, 'csv', csv);

    expect(status).toBe(202);
    expect(await rowsOf(api, json.id)).toMatchObject([
      { key: 'a', request: { prompt: 'a mug, red', tags: ['x', 'y'] } },
    ]);
  });

  it('may have rows of empty cells, which are none', async () => {
    const { json } = await sendBatch(api, 'csv', 'prompt,size\na,\n,,\n, \nb,\n,\n', { query: 'key_column=%23' });

    expect(json.counts).toMatchObject({ total: 2, invalid: 0 });
    expect((await rowsOf(api, json.id)).map(({ key }) => key)).toEqual(['1', '2']);
  });
});

describe('columns', () => {
  it('are named like fields, or mapped to them', async () => {
    const csv = 'SKU,Text,Picture size,Note\nA1,a mug,2K,never mind\n';
    const mapping = { SKU: 'key', Text: 'prompt', 'Picture size': 'size', Note: '' };

    for (const query of [
      `mapping=${encodeURIComponent(JSON.stringify(mapping))}`,
      Object.entries(mapping)
        .map(([column, field]) => `${encodeURIComponent(`mapping[${column}]`)}=${field}`)
        .join('&'),
    ]) {
      const { status, json } = await sendBatch(api, 'csv', csv, { query });
      expect(status).toBe(202);
      expect(await rowsOf(api, json.id)).toMatchObject([{ key: 'A1', request: { prompt: 'a mug', size: '2K' } }]);
    }
  });

  it('are variables of a template', async () => {
    const csv = 'sku,product,color\nA1,a mug,red\nA2,"=HYPERLINK(""x"")",\n';

    const { status, json } = await sendBatch(api, 'csv', csv, {
      query: 'template=swatch&key_column=sku&mapping[product]=product',
    });

    expect([status, json.code]).toEqual([404, 'not_found']);
    await api.call('POST', '/v1/templates', {
      body: {
        name: 'swatch',
        prompt: 'A photo of {{product}}{{#color}} in {{color}}{{/color}}',
        variables: { product: {}, color: { optional: true } },
        defaults: { model: 'pro', size: '2K' },
      },
    });
    const made = await sendBatch(api, 'csv', csv, { query: 'template=swatch&key_column=sku' });
    expect(made.json).toMatchObject({ status: 'ingesting' });
    const rows = await rowsOf(api, made.json.id);
    expect(rows.map(({ key, request }) => [key, request.prompt, request.template, request.size])).toEqual([
      ['A1', 'A photo of a mug in red', 'swatch@1', '2K'],
      ['A2', 'A photo of =HYPERLINK("x")', 'swatch@1', '2K'],
    ]);
  });

  it.each([
    ['Key,prompt', 'Key', 'Column "Key" is not a field of a job; did you mean key?', 'mapping[Key]'],
    ['key,prompt,sise', 'sise', 'Column "sise" is not a field of a job; did you mean size?', 'mapping[sise]=…'],
    ['key,prompt,note', 'note', 'Column "note" is not a field of a job.', 'leave it out by mapping[note]=.'],
    ['sku,prompt', 'sku', 'Column "sku" is not a field of a job.', 'say key_column=sku.'],
    [
      'key,prompt,lane',
      'lane',
      'Column "lane" is an option of the whole batch, and no field of a row.',
      'Say lane=… once, beside the file',
    ],
    ['prompt,size', 'key', 'Column "key" is missing; the header has "prompt", "size".', 'key_column names another'],
  ])('that nobody knows are told what they might be: %s', async (header, param, detail, fix) => {
    const { status, json } = await sendBatch(api, 'csv', `${header}\n`);

    expect([status, json.param, json.detail]).toEqual([400, param, detail]);
    expect(json.fix).toContain(fix);
  });

  it('stand before what is wrong with them, once', async () => {
    const { json } = await sendBatch(api, 'csv', 'key,prompt,size,model\na,x,512,pro\nb,x,1K,nobody\n');

    expect(json.errors.map(({ path, message }: { path: string; message: string }) => [path, message])).toEqual([
      ['size', 'must be one of 1K, 2K, 4K for gemini-3-pro-image, not "512"'],
      ['model', '"nobody" is not known'],
    ]);
  });

  it('may leave the keys to be numbers', async () => {
    const { json } = await sendBatch(api, 'csv', 'prompt\na\nb\n', { query: 'key_column=%23' });

    expect((await rowsOf(api, json.id)).map(({ key }) => key)).toEqual(['1', '2']);
  });

  it('may end in a separator, as long as nothing stands below it', async () => {
    const { status } = await sendBatch(api, 'csv', 'key,prompt,,\na,x,,\n');
    const { json } = await sendBatch(api, 'csv', 'key,prompt,,\na,x,,\nb,y,,z\n');

    expect(status).toBe(202);
    expect(json.errors).toEqual([
      {
        line: 3,
        path: '',
        code: 'invalid_request',
        message: 'Cell 4 holds a value, and its column has no name in the header.',
      },
    ]);
  });

  it('of pictures give their names to errors too, beside a template as well', async () => {
    const csv = 'key,product,photo,reference_1\na,mug,ast_0000,\nb,mug,,ast_0000\nc,mug,ftp://x,\n';
    await api.call('POST', '/v1/templates', {
      body: {
        name: 'shot',
        prompt: 'A photo of {{product}}',
        variables: { product: {}, photo: { type: 'image', optional: true } },
      },
    });

    const { json } = await sendBatch(api, 'csv', csv, { query: 'template=shot' });

    const named = json.errors.map(({ line, path }: { line: number; path: string }) => [line, path]);
    expect(named).toEqual([
      [2, 'photo'],
      [3, 'reference_1'],
      [4, 'photo'],
    ]);
    for (const { message } of json.errors) expect(message).not.toContain('references[');
  });

  it('give their names to errors', async () => {
    const csv = 'SKU,Text,Shot,metadata.a\nA1,,ftp://x,b\n';
    const { json } = await sendBatch(api, 'csv', csv, {
      query: 'mapping[SKU]=key&mapping[Text]=prompt&mapping[Shot]=reference_1',
    });

    expect(json.errors).toEqual([
      { line: 2, key: 'A1', path: 'Text', code: 'invalid_request', message: 'is required' },
    ]);
  });
});

describe('fields for all rows', () => {
  it('hold where a row says nothing', async () => {
    const csv = 'key,prompt,size\na,x,\nb,x,4K\n';
    const { json } = await sendBatch(api, 'csv', csv, { query: 'model=pro&size=2K&cache=24h&tools=google_search' });

    expect(await rowsOf(api, json.id)).toMatchObject([
      { request: { model: 'gemini-3-pro-image', size: '2K', tools: ['google_search'] } },
      { request: { model: 'gemini-3-pro-image', size: '4K', tools: ['google_search'] } },
    ]);
  });

  it('are refused by name when they are wrong', async () => {
    for (const [query, param] of [
      ['priority=10', 'priority'],
      ['priority=high', 'priority'],
      ['dry_run=perhaps', 'dry_run'],
      ['lane=fast', 'lane'],
      ['surprise=1', 'surprise'],
      ['cache=1y', 'cache.ttl'],
      ['mapping=text', 'mapping'],
      ['deadline=soon', 'deadline'],
      ['deadline=2020-01-01T00:00:00Z', 'deadline'],
      ['max_cost=much', 'max_cost'],
      ['canary=1000', 'canary'],
      ['__proto__[x]=1', '__proto__[x]'],
    ] as const) {
      const { status, json } = await sendBatch(api, 'csv', 'key,prompt\na,x\n', { query });
      expect([query, status, json.code, json.param]).toEqual([query, 400, 'invalid_request', param]);
    }
  });

  it('cap the cost of all rows together', async () => {
    const csv = 'key,prompt\na,x\nb,y\n';

    const { status, json } = await sendBatch(api, 'csv', csv, { query: 'max_cost=0.01' });

    expect([status, json.code, json.param]).toEqual([422, 'max_cost_exceeded', 'max_cost']);
    expect((await sendBatch(api, 'csv', csv, { query: 'max_cost=1' })).json.cost.max).toBe('1.00');
  });
});

it('a set that is due tomorrow morning goes at half the price', async () => {
  const deadline = encodeURIComponent(new Date(Date.now() + 10 * 3_600_000).toISOString());
  const rows = Array.from({ length: 150 }, (_, n) => `k${n},mug ${n}`);

  const { json } = await sendBatch(api, 'csv', ['key,prompt', ...rows].join('\n'), { query: `deadline=${deadline}` });

  expect(json).toMatchObject({ lanes: ['batch'], route: 'cheapest that meets the deadline' });
});

describe('rows with tools', () => {
  const HEADER_AND_TOOLS = ['key,prompt,model,tools', 'searching,a map of the weather,pro,google_search'];
  const searching = [...HEADER_AND_TOOLS, ...Array.from({ length: 24 }, (_, n) => `k${n},mug ${n},pro,`)].join('\n');

  it('are not sent to the batch lane, where nobody searches, nor is their batch', async () => {
    const { json } = await sendBatch(api, 'csv', searching);
    const asked = await sendBatch(api, 'csv', searching, { query: 'lane=batch' });

    expect(json).toMatchObject({ lanes: ['standard'], route: 'the only lane offered for this request' });
    expect([asked.status, asked.json.code, asked.json.param]).toEqual([400, 'invalid_request', 'lane']);
  });

  it('are priced on the lane that can carry them', async () => {
    const { json } = await sendBatch(api, 'csv', searching, { query: 'dry_run=true' });
    const asked = await sendBatch(api, 'csv', searching, { query: 'dry_run=true&lane=batch' });

    expect(json).toMatchObject({ lane: 'standard', quote: { lane: 'standard', lanes: [{ lane: 'standard' }] } });
    expect(Object.keys(json.cost)).toEqual(['standard']);
    expect(asked.json).toMatchObject({ dry_run: true, route: 'lane is not offered' });
    expect(asked.json).not.toHaveProperty('quote');
  });
});

describe('a quote', () => {
  it('comes with a dry run, and caps what the same rows may cost', async () => {
    const csv = 'key,prompt\na,x\nb,y\n';
    const { quote } = (await sendBatch(api, 'csv', csv, { query: 'dry_run=true' })).json;
    expect(quote).toMatchObject({ jobs: 2, currency: 'USD', lane: 'standard' });
    expect(quote.lanes.map(({ lane }: { lane: string }) => lane)).toEqual(['standard', 'batch']);

    const { status, json } = await sendBatch(api, 'csv', csv, { query: `quote=${quote.id}` });

    expect([status, json.cost.max]).toEqual([202, quote.cap]);
    const more = await sendBatch(api, 'csv', `${csv}c,z\n`, { query: `quote=${quote.id}` });
    expect([more.status, more.json.param]).toEqual([400, 'quote']);
    const dearer = await sendBatch(api, 'csv', csv, { query: `quote=${quote.id}&model=pro&size=4K` });
    expect([dearer.status, dearer.json.code]).toEqual([422, 'max_cost_exceeded']);
    expect((await sendBatch(api, 'csv', csv, { query: 'quote=quo_1' })).json.param).toBe('quote');
  });
});

describe('locales', () => {
  it('make each row once for each of them', async () => {
    await api.call('POST', '/v1/templates', {
      body: {
        name: 'sign',
        prompt: 'A sign that says {{text}} above {{product}}',
        variables: { text: {}, product: {} },
        locales: { de: { text: 'Neu' }, fr: { text: 'Nouveau' } },
      },
    });

    const { json } = await sendBatch(api, 'csv', 'key,product\na,a mug\nb,a bowl\n', {
      query: 'template=sign&locales=de,fr',
    });

    const rows = await rowsOf(api, json.id);
    expect(rows.map(({ key, request }) => [key, request.prompt])).toEqual([
      ['a:de', 'A sign that says Neu above a mug'],
      ['a:fr', 'A sign that says Nouveau above a mug'],
      ['b:de', 'A sign that says Neu above a bowl'],
      ['b:fr', 'A sign that says Nouveau above a bowl'],
    ]);
  });

  it('that the template does not have are one mistake of the batch', async () => {
    const { status, json } = await sendBatch(api, 'csv', 'key,product\na,a mug\nb,a bowl\n', {
      query: 'template=sign&locales=de,xx',
    });

    expect([status, json.param, json.fix]).toEqual([400, 'locales', 'Use de, fr.']);
    expect(json.detail).toBe('locales names "xx", which template sign does not have.');
  });
});
