import { describe, expect, it } from 'vitest';
import { AppError } from '../domain/index.ts';
import { assertBounded, parse } from './parse.ts';
import { SubmitJobBody } from './submit-job.ts';

const MUG = { prompt: 'a red mug' };

/** What is refused about `body` where it comes in: path and words of every fault. */
function faultsOf(body: unknown): { path: string; message: string }[] {
  try {
    assertBounded(body);
    parse(SubmitJobBody, body);
    return [];
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'invalid_request') throw error;
    return error.errors ?? [];
  }
}

const pathsOf = (body: unknown) => [...new Set(faultsOf(body).map(({ path }) => path))];
const reference = (more: object) => ({ ...MUG, references: [more] });
const URL = { url: 'https://example.com/mug.png' };

describe('a body with nothing but a prompt', () => {
  it('gets the defaults', () => {
    expect(parse(SubmitJobBody, MUG)).toEqual({
      prompt: 'a red mug',
      model: 'flash',
      references: [],
      tools: [],
      safety: [],
      lane: 'auto',
      priority: 5,
      on_unknown_outcome: 'retry',
      tags: [],
      metadata: {},
    });
  });
});

describe('a body with every field', () => {
  it('is read as it was meant', () => {
    const body = {
      ...MUG,
      model: 'pro',
      size: '2K',
      aspect_ratio: '4:5',
      seed: 42,
      thinking: 'high',
      references: [
        { asset: `ast_${'a'.repeat(64)}`, name: ' mug ', role: 'object' },
        URL,
        { gcs_uri: 'gs://bucket/a/b.png' },
        { image: 'img_~sku-1.0' },
        { data: 'data:image/png;base64,AAAA' },
      ],
      tools: ['google_search'],
      safety: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'OFF' }],
      lane: 'standard',
      deadline: '2026-11-21T06:00:00+01:00',
      max_cost: '0.30',
      priority: 9,
      on_unknown_outcome: 'hold',
      dedup: { window: '90s' },
      cache: { ttl: '24h' },
      tags: [' summer '],
      metadata: { sku: '123', empty: '' },
    };

    expect(parse(SubmitJobBody, body)).toEqual({
      ...body,
      references: [{ ...body.references[0], name: 'mug' }, ...body.references.slice(1)],
      deadline: Date.UTC(2026, 10, 21, 5),
      max_cost: 300_000,
      dedup: { window: 90_000 },
      cache: { ttl: 86_400_000 },
      tags: ['summer'],
    });
    expect(parse(SubmitJobBody, { ...MUG, dedup: false }).dedup).toBe(false);
  });
});

/** Field, then values that are not what it takes. */
const WRONG: [string, unknown[]][] = [
  ['prompt', [undefined, null, 7, true, [], {}, '', ' \n\t', 'x'.repeat(20_001), 'half \ud800 a pair']],
  ['model', [null, 7, '', 'x'.repeat(129), ['pro'], 'pr\udc00']],
  ['size', [null, 2, '', 'x'.repeat(9), {}, '\ud800']],
  ['aspect_ratio', [null, 1.5, '', 'x'.repeat(9), [4, 5], '\ud800']],
  ['seed', [null, '42', -1, 1.5, 2_147_483_648, 1e300, Number.NaN, true]],
  ['thinking', [null, true, '', 'x'.repeat(17), '\ud800']],
  ['references', [null, 'https://a', {}, 7]],
  [
    'references[0]',
    [null, 'https://a', 7, [], {}, { role: 'object' }, { ...URL, asset: `ast_${'a'.repeat(64)}` }].map((one) => [one]),
  ],
  ['references[1].url', [null, 7, 'x'.repeat(2_049), 'https://a/\ud800'].map((url) => [URL, { url }])],
  [
    'references[0].asset',
    [null, 7, '', 'ast_', `ast_${'a'.repeat(63)}`, `ast_${'A'.repeat(64)}`, `../${'a'.repeat(64)}`].map((asset) => [
      { asset },
    ]),
  ],
  [
    'references[0].gcs_uri',
    [null, 7, '', 'gs://', 'gs://bucket', 'gs://bucket/', 's3://bucket/a', `gs://b/${'x'.repeat(1_024)}`].map(
      (gcs_uri) => [{ gcs_uri }],
    ),
  ],
  ['references[0].image', [null, 7, '', 'job_1', `img_${'x'.repeat(253)}`].map((image) => [{ image }])],
  [
    'references[0].data',
    [null, 7, '', 'AAAA', 'data:text/html;base64,AAAA', 'data:image/png,AAAA'].map((data) => [{ data }]),
  ],
  ['references[0].name', [null, 7, '', '  ', 'x'.repeat(65), '\ud800'].map((name) => [{ ...URL, name }])],
  ['references[0].role', [null, 7, '', 'face', 'OBJECT'].map((role) => [{ ...URL, role }])],
  ['tools', [null, 'google_search', {}, ['google_search', 'google_search']]],
  ['tools[0]', [['code_execution'], [null], [7]]],
  ['safety', [null, {}, Array.from({ length: 5 }, () => ({ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'OFF' }))]],
  ['safety[0]', [[null], ['OFF'], [7]]],
  ['safety[0].category', [[{ category: 'HARM', threshold: 'OFF' }], [{ threshold: 'OFF' }]]],
  [
    'safety[0].threshold',
    [[{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'off' }], [{ category: 'HARM_CATEGORY_HARASSMENT' }]],
  ],
  ['lane', [null, 7, '', 'Batch', 'Auto']],
  [
    'deadline',
    [null, 7, '', 'tomorrow', '2026-11-21', '2026-11-21T06:00:00', '2026-02-30T00:00:00Z', '2026-11-21T25:00:00Z'],
  ],
  ['max_cost', [null, 0.3, '', '-1', '1e3', '$1', '0.1234567', '1,50', {}]],
  ['priority', [null, '5', 0, 10, 5.5, Number.NaN]],
  ['on_unknown_outcome', [null, 7, '', 'ignore']],
  ['dedup', [null, true, 7, '60s', []]],
  [
    'dedup.window',
    [{}, { window: 60 }, { window: '0s' }, { window: '25h' }, { window: '1w' }, { window: '' }, { window: null }],
  ],
  ['cache', [null, true, '24h', []]],
  ['cache.ttl', [{}, { ttl: 60 }, { ttl: '0s' }, { ttl: '31d' }, { ttl: '1.5h' }, { ttl: '-1s' }]],
  ['tags', [null, 'summer', {}, Array.from({ length: 17 }, () => 'x')]],
  [
    'tags[1]',
    [
      ['a', ''],
      ['a', ' '],
      ['a', 7],
      ['a', null],
      ['a', 'x'.repeat(65)],
      ['a', '\ud800'],
    ],
  ],
  ['metadata', [null, 'sku', [], 7, Object.fromEntries(Array.from({ length: 33 }, (_, n) => [`k${n}`, '']))]],
  ['metadata.sku', [{ sku: 7 }, { sku: null }, { sku: {} }, { sku: 'x'.repeat(513) }, { sku: '\ud800' }]],
];

/** A body in which only the named field is `value`. */
function bodyWith(path: string, value: unknown): unknown {
  return { ...MUG, [path.split(/[.[]/)[0] ?? '']: value };
}

describe.each(WRONG)('%s', (path, values) => {
  it('is refused by name for every value that is not what it takes', () => {
    const refused = values.map((value) => [value, pathsOf(bodyWith(path, value))]);

    expect(refused).toEqual(values.map((value) => [value, [path]]));
  });
});

describe('what is wrong', () => {
  it.each([
    [{}, 'prompt', 'is required'],
    [{ prompt: 7 }, 'prompt', 'must be a string, not a number'],
    [{ prompt: ' ' }, 'prompt', 'must not be empty'],
    [{ ...MUG, priority: 10 }, 'priority', 'must be a whole number from 1 to 9'],
    [{ ...MUG, priority: 5.5 }, 'priority', 'must be a whole number from 1 to 9'],
    [{ ...MUG, priority: '5' }, 'priority', 'must be a whole number from 1 to 9, not a string'],
    [{ ...MUG, seed: 1e300 }, 'seed', 'must be a whole number from 0 to 2147483647'],
    [{ ...MUG, size: 1_024 }, 'size', 'must be one of 512, 1K, 2K, 4K'],
    [{ ...MUG, size: 'ENORMOUS!' }, 'size', 'must be one of 512, 1K, 2K, 4K'],
    [{ ...MUG, thinking: true }, 'thinking', 'must be one of low, high, minimal, medium'],
    [{ ...MUG, lane: 'slow' }, 'lane', 'must be one of auto, standard, batch'],
    [{ ...MUG, lane: 'Standart' }, 'lane', 'must be one of auto, standard, batch; did you mean standard?'],
    [{ ...MUG, tools: ['search'] }, 'tools[0]', 'must be google_search'],
    [{ ...MUG, tags: Array.from({ length: 17 }, () => 'x') }, 'tags', 'must have at most 16 items'],
    [{ ...MUG, tags: 'summer' }, 'tags', 'must be an array, not a string'],
    [{ ...MUG, tags: [' '] }, 'tags[0]', 'must not be empty'],
    [{ ...MUG, tags: ['x'.repeat(65)] }, 'tags[0]', 'must have at most 64 characters'],
    [{ ...MUG, cache: null }, 'cache', 'must be an object, not null'],
    [{ ...MUG, cache: {} }, 'cache.ttl', 'is required'],
    [
      { ...MUG, metadata: { 'a b': 'x' } },
      'metadata.a b',
      'is not a valid name: it must be 1 to 64 of A-Z a-z 0-9 _ . -',
    ],
    [{ ...MUG, surprise: ['x'] }, 'surprise', 'is not a field of this request'],
    [{ ...MUG, tag: ['x'] }, 'tag', 'is not a field of this request; did you mean tags?'],
    [{ ...MUG, aspectRatio: '1:1' }, 'aspectRatio', 'is not a field of this request; did you mean aspect_ratio?'],
    [
      { ...MUG, dedup: { windw: '60s', window: '60s' } },
      'dedup.windw',
      'is not a field of this request; did you mean window?',
    ],
    [
      reference({ ...URL, roles: 'object' }),
      'references[0].roles',
      'is not a field of this request; did you mean role?',
    ],
    [
      reference({ ...URL, role: 'styl' }),
      'references[0].role',
      'must be one of object, character, style; did you mean style?',
    ],
    [
      { ...MUG, safety: [{ category: 'HARM_CATEGORY_HARASSMENT' }] },
      'safety[0].threshold',
      'is required: one of OFF, BLOCK_NONE, BLOCK_ONLY_HIGH, BLOCK_MEDIUM_AND_ABOVE, BLOCK_LOW_AND_ABOVE',
    ],
    [{ ...MUG, dedup: { window: '25h' } }, 'dedup.window', 'must be longer than 0 and at most 24h'],
    [{ ...MUG, dedup: true }, 'dedup', 'must be false or {"window":"60s"}'],
    [{ ...MUG, deadline: 'soon' }, 'deadline', 'must be a time in RFC 3339 such as "2026-11-21T06:00:00Z"'],
    [{ ...MUG, max_cost: '1e3' }, 'max_cost', 'must be dollars as a decimal string such as "0.30"'],
    [{ ...MUG, cache: { ttl: '1 day' } }, 'cache.ttl', 'must be a duration such as "90s", "15m", "8h" or "2d"'],
    [reference({ name: 'mug' }), 'references[0]', 'must have exactly one of asset, url, gcs_uri, image, data'],
    [{ ...MUG, tags: ['\ud800'] }, 'tags[0]', 'holds half of a surrogate pair'],
  ])('is said in words that help (%j)', (body, path, message) => {
    expect(faultsOf(body)).toEqual([{ path, message }]);
  });

  it('is all said at once', () => {
    expect(pathsOf({ prompt: 7, seed: 'x', tags: [''], surprise: 1 }).toSorted()).toEqual([
      'prompt',
      'seed',
      'surprise',
      'tags[0]',
    ]);
  });

  it.each([null, undefined, 7, 'text', [], [MUG], true])('is the body itself when it is %j', (body) => {
    expect(pathsOf(body)).toEqual(['']);
  });
});

describe('names', () => {
  it.each(['Prompt', 'negative_prompt', 'n', 'constructor', 'toString', '__proto__'])(
    'unknown to the wire are refused: %s',
    (name) => {
      const body: unknown = JSON.parse(`{"prompt":"a red mug","${name}":{"x":1}}`);

      expect(pathsOf(body)).toEqual([name]);
    },
  );

  it.each([
    ['references[0].mime', reference({ ...URL, mime: 'image/png' })],
    ['safety[0].level', { ...MUG, safety: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'OFF', level: 1 }] }],
    ['dedup.ttl', { ...MUG, dedup: { window: '60s', ttl: '60s' } }],
    ['cache.window', { ...MUG, cache: { ttl: '60s', window: '60s' } }],
  ])('unknown inside a field are refused: %s', (path, body) => {
    expect(pathsOf(body)).toEqual([path]);
  });

  it.each(['a b', '', 'ä', 'x'.repeat(65), '__proto__'])(
    'of metadata that could not be asked for again are refused: %j',
    (key) => {
      const body: unknown = JSON.parse(`{"prompt":"a red mug","metadata":{"${key}":"x"}}`);

      expect(pathsOf(body)).toEqual([`metadata.${key}`]);
    },
  );
});
