import { ERROR_CODES } from '@darkroom/shared/domain';
import { FIXES } from '@darkroom/shared/schemas';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { succeedJob } from '../../support/run-job.ts';
import { type Call, startApi, type TestApi } from '../../support/start-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi({ env: { BODY_LIMIT_MB: '1' } });
});
afterAll(() => api[Symbol.asyncDispose]());

const JSON_TYPE = { 'content-type': 'application/json' };
const submit = (call: Call) => api.call('POST', '/v1/jobs', call);
const raw = (text: string, headers = JSON_TYPE) => submit({ raw: text, headers });

describe('a body that is not JSON', () => {
  it.each([
    ['{"prompt":"a mug",}', 1, 19, 18, '} was not expected'],
    ['{\n  "prompt": "a mug"\n  "size": "2K"\n}', 3, 3, 24, '" was not expected'],
    ['{"prompt":"a mug"', 1, 18, 17, 'it ends too early'],
    ["{'prompt':'a mug'}", 1, 2, 1, "' was not expected"],
  ])('is told where: %j', async (text, line, column, offset, what) => {
    const { status, json } = await raw(text);

    expect([status, json.code]).toEqual([400, 'invalid_request']);
    expect(json.detail).toBe(`The body is not valid JSON: at line ${line}, column ${column}, ${what}.`);
    expect(json.errors).toEqual([
      { path: '', message: `is not valid JSON at line ${line}, column ${column} (offset ${offset}): ${what}` },
    ]);
    expect(json.fix).toContain(`line ${line}, column ${column}`);
  });

  it('is told where by either reader', async () => {
    const long = `{"prompt":"${'a'.repeat(100_000)}",}`;

    const answers = [
      await raw(long),
      await raw(long.slice(0, 100), { ...JSON_TYPE, 'content-type': 'application/json;charset=UTF-8' }),
    ];

    expect(answers.map(({ json }) => json.detail)).toEqual([
      'The body is not valid JSON: at line 1, column 100014, } was not expected.',
      'The body is not valid JSON: at line 1, column 101, it ends too early.',
    ]);
  });
});

describe('a body that is too large', () => {
  it('is told the limit, and its own size where it says it', async () => {
    const { status, json } = await raw(`{"prompt":"${'a'.repeat(1_048_576)}"}`);

    expect([status, json.detail]).toEqual([413, 'The body has 1048589 bytes; at most 1048576 bytes (1 MB) are taken.']);
    expect(json.fix).toContain('/v1/assets');
  });

  it('is told the limit alone where it is packed', async () => {
    const { gzipSync } = await import('node:zlib');
    const packed = new Uint8Array(gzipSync(`{"prompt":"${'a'.repeat(2_000_000)}"}`));

    const { json } = await submit({ raw: packed, headers: { ...JSON_TYPE, 'content-encoding': 'gzip' } });

    expect([json.status, json.detail]).toEqual([413, 'The body has more than 1048576 bytes (1 MB).']);
  });

  it('is told so of an image as well', async () => {
    const { status, json } = await api.call('POST', '/v1/assets', { raw: new Uint8Array(25 * 1_048_576) });

    expect([status, json.detail]).toEqual([
      413,
      expect.stringContaining('The body has 26214400 bytes; at most 20971520 bytes (20 MB) are taken.'),
    ]);
  });
});

describe('a slip of the pen', () => {
  it.each([
    [{ aspectRatio: '1:1' }, 'aspectRatio', 'did you mean aspect_ratio?'],
    [{ lane: 'standart' }, 'lane', 'did you mean standard?'],
    [{ model: 'gemini-3-pro-imgae' }, 'model', 'did you mean gemini-3-pro-image?'],
    [{ model: 'Pro' }, 'model', 'did you mean pro?'],
    [{ model: 'pro', size: '2k' }, 'size', 'did you mean 2K?'],
    [{ model: 'pro', thinking: 'hihg' }, 'thinking', 'did you mean high?'],
  ])('is met with what was meant: %j', async (fields, param, hint) => {
    const { json } = await submit({ body: { prompt: 'a mug', ...fields } });

    expect([json.param, json.detail]).toEqual([param, expect.stringContaining(hint)]);
  });

  it('is met so in a query too', async () => {
    const { json } = await api.call('GET', '/v1/jobs?statsu=queued');
    const value = await api.call('GET', '/v1/jobs?status=success');

    expect(json.detail).toBe('statsu is not a filter of this list; did you mean status?');
    expect(value.json.detail).toContain('status must be one of queued, running, succeeded');
  });
});

describe('what a model does not offer', () => {
  it.each([
    ['size', '4K', 'unsupported_size'],
    ['aspect_ratio', '8:1', 'unsupported_aspect_ratio'],
    ['thinking', 'high', 'unsupported_thinking'],
    ['tools', ['google_search'], 'unsupported_tool'],
  ])('is 422, with a code of its own: %s', async (param, value, code) => {
    const body = { prompt: 'a mug', model: 'gemini-2.5-flash-image', [param]: value };

    const { status, json } = await submit({ body });

    expect([status, json.code, json.param]).toEqual([422, code, param]);
    expect(json.fix).toMatch(/\w/);
  });

  it('is listed by what it does offer', async () => {
    const { json } = await submit({ body: { prompt: 'a mug', model: 'pro', size: '512' } });

    expect(json.detail).toBe('size must be one of 1K, 2K, 4K for gemini-3-pro-image, not "512".');
  });
});

describe('a model that is none', () => {
  it.each(['nope', 'gpt-image-1', 'imagen-9'])('is refused in a list, with those there are: %s', async (model) => {
    const { status, json } = await api.call('GET', `/v1/jobs?model=${model}`);

    expect([status, json.code, json.param]).toEqual([400, 'invalid_request', 'model']);
    expect(json.fix).toContain('gemini-3-pro-image');
  });
});

describe('an image that is not there yet', () => {
  it('says how to wait for it, and one that never will be what there is', async () => {
    const { id } = (await submit({ body: { prompt: 'not yet' } })).json;

    const early = await api.call('GET', `/v1/jobs/${id}/images/0`);
    await succeedJob(api.deps, id);
    const never = await api.call('GET', `/v1/jobs/${id}/images/7`);

    expect([early.status, early.json.retryable, early.json.fix]).toEqual([
      404,
      true,
      expect.stringContaining('?wait='),
    ]);
    expect([never.status, never.json.retryable, never.json.fix]).toEqual([
      404,
      false,
      expect.stringContaining('/images'),
    ]);
  });
});

describe('an answer in JSON', () => {
  it.each(['/v1/jobs', '/v1/models', '/livez', '/openapi.json', '/v1/jobs/unknown', '/nowhere'])(
    'ends its line: %s',
    async (path) => {
      const { text, headers } = await api.call('GET', path);

      expect(text.endsWith('}\n')).toBe(true);
      expect(headers.get('content-length')).toBe(String(Buffer.byteLength(text)));
    },
  );

  it('has no empty parts', async () => {
    const { text } = await submit({ body: { prompt: 'nothing to say of its queue' } });

    expect(text).not.toContain('"queue"');
  });
});

it('says for every code what can be done', () => {
  expect(Object.keys(FIXES).toSorted()).toEqual([...ERROR_CODES].toSorted());
  for (const fix of Object.values(FIXES)) expect(fix).toMatch(/^[A-Z].{15,}\.$/);
});
