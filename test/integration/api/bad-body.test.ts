import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, type Call, startApi, type TestApi } from '../../support/start-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api[Symbol.asyncDispose]());

const PROMPT = 'a red mug';
const LONE = '\ud83d';

/** What the answer says, and what the request left behind. */
async function look({ status, headers, json }: Answer) {
  const { param, errors = [], fix, retryable } = json;
  const stored = (await readdir(api.folder, { recursive: true })).filter((name) => name.startsWith('objects/'));
  return {
    status,
    type: headers.get('content-type'),
    problem: { status: json.status, retryable, fix },
    names: [param, ...errors.map(({ path }: { path: string }) => path)],
    left: [...(await api.redis.keys(`${api.prefix}{t:*`)), ...stored],
  };
}

/** An answer that names `param`, says how to mend it, and leaves nothing behind. */
function refusal(status: number, param?: string) {
  return {
    status,
    type: 'application/problem+json; charset=utf-8',
    problem: { status, retryable: false, fix: expect.stringMatching(/\w/) },
    names: expect.arrayContaining(param === undefined ? [] : [param]),
    left: [],
  };
}

const submit = (call: Call) => api.call('POST', '/v1/jobs', call);

const WRONG: [field: string, value: unknown, param?: string][] = [
  ...[undefined, null, 1, true, [], {}, '', ' \n\t', 'a'.repeat(20_001), `half ${LONE}`].map(
    (value): [string, unknown] => ['prompt', value],
  ),
  ...[null, 1, '', [], {}, 'gpt-image', 'a'.repeat(129)].map((value): [string, unknown] => ['model', value]),
  ...[null, 1, '', '3K', '1k', 1024, 'ENORMOUS!'].map((value): [string, unknown] => ['size', value]),
  ...[null, 1, '', '7:3', '1:1:1', ['1:1']].map((value): [string, unknown] => ['aspect_ratio', value]),
  ...[null, '42', -1, 1.5, 2_147_483_648, 1e308, true].map((value): [string, unknown] => ['seed', value]),
  ...[null, 1, '', 'extreme', {}].map((value): [string, unknown] => ['thinking', value]),
  ...[null, {}, 'x', 1].map((value): [string, unknown] => ['references', value]),
  ...[null, 1, 'x', [], {}].map((value): [string, unknown, string] => ['references', [value], 'references[0]']),
  ['references', [{ asset: 'x' }], 'references[0].asset'],
  ['references', [{ asset: `ast_${'a'.repeat(64)}`, data: 'data:image/png;base64,AA==' }], 'references[0]'],
  ['references', [{ url: 1 }], 'references[0].url'],
  ['references', [{ url: 'a'.repeat(2_049) }], 'references[0].url'],
  ['references', [{ gcs_uri: 'https://bucket/name' }], 'references[0].gcs_uri'],
  ['references', [{ image: 'job_1' }], 'references[0].image'],
  ['references', [{ data: 'hello' }], 'references[0].data'],
  ['references', [{ data: 'data:image/png;base64,AA==', role: 'villain' }], 'references[0].role'],
  ['references', [{ data: 'data:image/png;base64,AA==', name: '' }], 'references[0].name'],
  ['references', [{ data: 'data:image/png;base64,AA==', name: LONE }], 'references[0].name'],
  ['references', [{ data: 'data:image/png;base64,AA==', weight: 2 }], 'references[0].weight'],
  ...[null, {}, 'google_search', ['google_search', 'google_search']].map((value): [string, unknown] => [
    'tools',
    value,
  ]),
  ['tools', ['web'], 'tools[0]'],
  ['tools', [1], 'tools[0]'],
  ...[null, {}, 'OFF'].map((value): [string, unknown] => ['safety', value]),
  ['safety', [{ category: 'HARM_CATEGORY_BOREDOM', threshold: 'OFF' }], 'safety[0].category'],
  ['safety', [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'LOW' }], 'safety[0].threshold'],
  ['safety', [{ category: 'HARM_CATEGORY_HARASSMENT' }], 'safety[0].threshold'],
  ['safety', Array.from({ length: 2 }, () => ({ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'OFF' }))],
  ...[null, 1, '', 'express', ['standard']].map((value): [string, unknown] => ['lane', value]),
  ...[null, 1, 'tomorrow', '2026-11-21', '2026-13-01T00:00:00Z', '2999-01-01T00:00:00Z', '2000-01-01T00:00:00Z'].map(
    (value): [string, unknown] => ['deadline', value],
  ),
  ...[null, 0.3, '', '-1', '1e3', '0.30 USD', '0.0000001', '9'.repeat(40)].map((value): [string, unknown] => [
    'max_cost',
    value,
  ]),
  ...[null, 0, 10, 1.5, '5'].map((value): [string, unknown] => ['priority', value]),
  ...[null, 1, 'pray'].map((value): [string, unknown] => ['on_unknown_outcome', value]),
  ...[null, true, 0, '60s'].map((value): [string, unknown] => ['dedup', value]),
  ...['0s', '25h', '1 week', 60, null].map((window): [string, unknown, string] => [
    'dedup',
    { window },
    'dedup.window',
  ]),
  ...[null, true, '24h', [], 1].map((value): [string, unknown] => ['cache', value]),
  ['cache', {}, 'cache.ttl'],
  ['cache', { ttl: '31d' }, 'cache.ttl'],
  ['cache', { ttl: '24h', scope: 'all' }, 'cache.scope'],
  ...[null, 'summer', {}, Array.from({ length: 17 }, (_, n) => `t${n}`)].map((value): [string, unknown] => [
    'tags',
    value,
  ]),
  ['tags', [''], 'tags[0]'],
  ['tags', ['ok', 5], 'tags[1]'],
  ['tags', ['a'.repeat(65)], 'tags[0]'],
  ['tags', [LONE], 'tags[0]'],
  ...[null, 'x', [], Object.fromEntries(Array.from({ length: 33 }, (_, n) => [`k${n}`, 'v']))].map(
    (value): [string, unknown] => ['metadata', value],
  ),
  ['metadata', { sku: 123 }, 'metadata.sku'],
  ['metadata', { sku: null }, 'metadata.sku'],
  ['metadata', { sku: 'a'.repeat(513) }, 'metadata.sku'],
  ['metadata', { sku: LONE }, 'metadata.sku'],
  ['metadata', { 'a b': '1' }, 'metadata.a b'],
  ['metadata', { '': '1' }, 'metadata.'],
];

describe('a body with a field that is wrong', () => {
  const short = (value: unknown) => (JSON.stringify(value) ?? 'undefined').slice(0, 60);
  const cases = WRONG.map(([field, value, param = field]) => {
    // A string that no model offers is well formed, and refused for what it asks.
    const status =
      typeof value === 'string' && value && value.length < 9 && /^(size|aspect_ratio|thinking)$/.test(field)
        ? 422
        : 400;
    return { field, value, param, status, shown: short(value) };
  });

  it.each(cases)('is refused for $param: $shown', async ({ field, value, param, status }) => {
    const body = { prompt: PROMPT, [field]: value };

    const answer = await submit({ body, headers: { 'idempotency-key': 'k1' } });

    expect(await look(answer)).toEqual(refusal(status, param));
  });

  it('is refused with every field at fault at once', async () => {
    const body = { prompt: 1, seed: 'x', tags: [2], colour: 'red', metadata: { sku: 3 } };

    const answer = await submit({ body });

    const paths = answer.json.errors.map(({ path }: { path: string }) => path);
    expect(paths.toSorted()).toEqual(['colour', 'metadata.sku', 'prompt', 'seed', 'tags[0]']);
    expect(await look(answer)).toEqual(refusal(400, 'colour'));
  });

  it('is refused for what the model cannot do, with the model that can', async () => {
    const model = 'gemini-2.5-flash-image';
    expect(await look(await submit({ body: { prompt: PROMPT, model, size: '4K' } }))).toEqual(refusal(422, 'size'));
    expect(await look(await submit({ body: { prompt: PROMPT, model, aspect_ratio: '8:1' } }))).toEqual(
      refusal(422, 'aspect_ratio'),
    );
    expect(await look(await submit({ body: { prompt: PROMPT, model, thinking: 'high' } }))).toEqual(
      refusal(422, 'thinking'),
    );
    expect(await look(await submit({ body: { prompt: PROMPT, model, tools: ['google_search'] } }))).toEqual(
      refusal(422, 'tools'),
    );
    expect(await look(await submit({ body: { prompt: PROMPT, model: 'imagen-4.0' } }))).toEqual(refusal(410, 'model'));
    expect(await look(await submit({ body: { prompt: PROMPT, max_cost: '0.000001' } }))).toEqual(
      refusal(422, 'max_cost'),
    );
  });

  it.each(['edit_of', 'mask'])('is refused by name for %s, which is not there yet', async (field) => {
    const answer = await submit({ body: { prompt: PROMPT, [field]: {} } });

    expect(await look(answer)).toEqual(refusal(400, field));
    expect(answer.json.detail).toBe(`${field} is not available yet.`);
  });

  it('is refused for the lane "batch" together with a tool, which no provider batch uses', async () => {
    const body = { prompt: PROMPT, lane: 'batch', tools: ['google_search'] };

    expect(await look(await submit({ body }))).toEqual(refusal(422, 'lane'));
  });

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'Prompt', 'n', ''])(
    'is refused for the unknown field %j',
    async (field) => {
      const raw = `{"prompt":"${PROMPT}",${JSON.stringify(field)}:{"admin":true}}`;

      expect(await look(await submit({ raw, headers: { 'content-type': 'application/json' } }))).toEqual(
        refusal(400, field || undefined),
      );
    },
  );

  it.each(['metadata', 'cache', 'dedup'])('is refused for __proto__ inside %s', async (field) => {
    const raw = `{"prompt":"${PROMPT}","${field}":{"__proto__":"x"}}`;

    const answer = await submit({ raw, headers: { 'content-type': 'application/json' } });

    expect(await look(answer)).toEqual(refusal(400, `${field}.__proto__`));
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  });
});

describe('a body that is no job at all', () => {
  const json = { 'content-type': 'application/json' };

  it.each([
    ['', 400],
    ['{', 400],
    [`{"prompt":"${PROMPT}"`, 400],
    [`{"prompt":"${PROMPT}",}`, 400],
    [`{"prompt":"${PROMPT}"}{}`, 400],
    ["{'prompt':'x'}", 400],
    ['null', 400],
    ['true', 400],
    ['17', 400],
    ['"prompt"', 400],
    ['[]', 400],
    [`[{"prompt":"${PROMPT}"}]`, 400],
    ['{}', 400],
    ['NaN', 400],
    ['\ufeff', 400],
  ])('is refused: %j', async (raw, status) => {
    expect(await look(await submit({ raw, headers: json }))).toEqual(refusal(status));
  });

  it.each([
    ['{"prompt":"half \\ud83d"}', 'prompt'],
    ['{"prompt":"x","tags":["\\udc00"]}', 'tags[0]'],
    ['{"prompt":"x","metadata":{"\\udc00":"x"}}', undefined],
    ['{"prompt":"x","\\ud83d":1}', undefined],
  ])('is refused for half a surrogate pair: %s', async (raw, param) => {
    expect(await look(await submit({ raw, headers: { ...json, 'idempotency-key': 'k1' } }))).toEqual(
      refusal(400, param),
    );
  });

  it('is refused when its bytes are not UTF-8', async () => {
    const raw = new Uint8Array([...Buffer.from('{"prompt":"'), 0xc3, 0x28, 0xff, ...Buffer.from('"}')]);

    expect(await look(await submit({ raw, headers: json }))).toEqual(refusal(400));
  });

  it.each([
    ['100,000 arrays', `{"prompt":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
    ['100,000 objects', `{"metadata":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}`],
    ['unclosed arrays', '['.repeat(500_000)],
    ['17 levels', `{"metadata":${'{"a":'.repeat(17)}1${'}'.repeat(17)}}`],
    ['a wide list', `{"tags":[${'1,'.repeat(100_000)}1]}`],
    ['a wide object', `{"metadata":{${Array.from({ length: 50_000 }, (_, n) => `"k${n}":"v"`).join()}}}`],
  ])('is refused for its shape: %s', async (_name, raw) => {
    expect(await look(await submit({ raw, headers: json }))).toEqual(refusal(400));
  });

  it('is refused when it is larger than 30 MB', async () => {
    const raw = `{"prompt":"${'a'.repeat(31 * 1_048_576)}"}`;

    expect(await look(await submit({ raw, headers: json }))).toEqual(refusal(413));
  });

  it('is refused when it unpacks to more than 30 MB', async () => {
    const { gzipSync } = await import('node:zlib');
    const raw = new Uint8Array(gzipSync(`{"prompt":"${'a'.repeat(40 * 1_048_576)}"}`));

    expect(await look(await submit({ raw, headers: { ...json, 'content-encoding': 'gzip' } }))).toEqual(refusal(413));
  });

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/xml',
    'application/jsonx',
    'application/json; charset=latin1',
  ])('is refused as %s', async (type) => {
    const raw = `{"prompt":"${PROMPT}"}`;

    expect(await look(await submit({ raw, headers: { 'content-type': type } }))).toEqual(refusal(415, 'Content-Type'));
  });

  it('is refused without a type, and in an unknown encoding', async () => {
    const raw = new Uint8Array(Buffer.from(`{"prompt":"${PROMPT}"}`));

    expect(await look(await submit({ raw }))).toEqual(refusal(415, 'Content-Type'));
    expect(await look(await submit({ raw, headers: { ...json, 'content-encoding': 'zstd-9' } }))).toEqual(
      refusal(415, 'Content-Encoding'),
    );
  });

  it.each([
    ['empty', ''],
    ['two words', 'a b'],
    ['of 256 characters', 'a'.repeat(256)],
    ['beyond ASCII', 'schl\u00fcssel'],
  ])('is refused with an Idempotency-Key that is %s', async (_name, key) => {
    const answer = await submit({ body: { prompt: PROMPT }, headers: { 'idempotency-key': key } });

    expect(await look(answer)).toEqual(refusal(400, 'Idempotency-Key'));
  });
});

describe('a body that looks odd', () => {
  it('counts the last of two equal names', async () => {
    await using own = await startApi();
    const raw = '{"prompt":"first","prompt":"second","seed":1,"seed":2}';

    const answer = await own.call('POST', '/v1/jobs', { raw, headers: { 'content-type': 'application/json' } });

    expect(answer.status).toBe(202);
    expect(answer.json.prompt).toBe('second');
  });

  it.each([
    ['every plane of Unicode', 'M\u00fcg \u{1f375} \u6771\u4eac \u202e\u0000\u0007'],
    ['markup and quotes', `<script>"'\\$\{x}'; DROP TABLE jobs; --`],
  ])('is taken as it is: %s', async (_name, prompt) => {
    await using own = await startApi();

    const answer = await own.call('POST', '/v1/jobs', { body: { prompt, tags: ['\u{1f375}'] } });

    expect(answer.status).toBe(202);
    expect((await own.call('GET', answer.json.urls.self)).json).toMatchObject({ prompt, tags: ['\u{1f375}'] });
  });
});
