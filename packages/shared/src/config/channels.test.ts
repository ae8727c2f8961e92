import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { MODELS } from '../domain/index.ts';
import { type ReadChannels, readChannels } from './channels.ts';

const EXAMPLE = join(import.meta.dirname, '../../../../darkroom.config.example.yaml');
const cwd = mkdtempSync(join(tmpdir(), 'channels-'));
const ENV = { KEY: 'a secret key' };

function read(options: Partial<ReadChannels>) {
  return readChannels({ env: ENV, cwd, credentials: 'resolve', ...options });
}

/** What a text is refused for, line by line. */
function mistakesOf(text: string, options: Partial<ReadChannels> = {}): string[] {
  try {
    read({ text, ...options });
  } catch (error) {
    return String(error)
      .split('\n')
      .slice(1)
      .map((line) => line.trim());
  }
  return [];
}

/** One good channel of a kind, and what a test adds to it. */
function channel(more: string, kind = 'gemini', models = '{ pro: {} }'): string {
  const lines = [
    'channels:',
    `  - id: a`,
    `    kind: ${kind}`,
    '    credentials: { api_key: env:KEY }',
    `    models: ${models}`,
  ];
  return [...lines, ...more.split('\n').map((line) => `    ${line}`)].join('\n');
}

describe('without a file', () => {
  it('there is one channel out of the environment, for every model and both lanes', () => {
    const env = { GEMINI_API_KEY: 'k', GEMINI_BASE_URL: 'http://127.0.0.1:9/', GEMINI_RPM: '90' };

    const { channels, ...rest } = read({ env, defaults: { batch: { slots: 3, enqueuedTokens: 7 } } });

    expect(rest).toEqual({ tenants: {}, keys: {}, hedge: { enabled: false }, placeholder: { enabled: false } });
    expect(channels).toMatchObject([
      {
        id: 'gemini',
        lanes: ['standard', 'batch'],
        trust: { references: true },
        connection: { kind: 'gemini', auth: 'api_key', baseUrl: 'http://127.0.0.1:9' },
        batch: { slots: 3, enqueuedTokens: 7 },
      },
    ]);
    expect(Object.keys(channels[0]?.models ?? {})).toEqual(MODELS.map(({ id }) => id));
    expect(Object.values(channels[0]?.models ?? {}).map(({ limits }) => limits.requestsPerMinute)).toEqual(
      MODELS.map(() => 90),
    );
  });

  it('the key is required only where it is used', () => {
    expect(() => read({ env: {} })).toThrow('GEMINI_API_KEY is required');
    expect(read({ env: {}, credentials: 'leave' }).channels).toHaveLength(1);
  });
});

describe('the file', () => {
  it('of the example is good, with every kind in it', () => {
    const { channels, tenants, keys } = read({ path: EXAMPLE, credentials: 'leave' });

    expect(channels.map(({ id, kind, lanes }) => [id, kind, lanes.length])).toEqual([
      ['gemini-main', 'gemini', 2],
      ['vertex-eu', 'vertex', 2],
      ['openrouter', 'openrouter', 1],
      ['relay', 'openai', 1],
    ]);
    expect(channels[0]).toMatchObject({
      limits: { spendPerTenMinutes: 50_000_000, concurrency: 40 },
      models: { 'gemini-3-pro-image': { limits: { requestsPerMinute: 600, requestsPerDay: 10_000, day: 'pacific' } } },
    });
    expect(channels[3]?.models['gemini-3-pro-image']).toMatchObject({
      providerModel: 'nano-banana-pro',
      price: { perImage: { '1K': 90_000, '2K': 90_000 } },
      capabilities: { references: 3, sizes: ['1K', '2K'] },
    });
    expect(tenants).toEqual({ acme: { weight: 2, concurrency: 20, startsPerMinute: 300 } });
    expect(Object.values(keys)).toEqual([{ concurrency: 5, startsPerMinute: 60, submissionsPerMinute: 300 }]);
  });

  it('is found where the program starts, as YAML or JSON, and is what GEMINI_API_KEY gives way to', () => {
    const folder = mkdtempSync(join(tmpdir(), 'channels-'));
    const file = join(folder, 'darkroom.config.json');
    writeFileSync(file, JSON.stringify({ channels: [aJson()] }));

    expect(read({ cwd: folder })).toMatchObject({ file, channels: [{ id: 'by-json' }] });
    writeFileSync(join(folder, 'darkroom.config.yaml'), channel(''));
    expect(read({ cwd: folder })).toMatchObject({ channels: [{ id: 'a' }] });
  });

  it('that is named and not there is told', () => {
    expect(() => read({ path: 'none.yaml' })).toThrow(
      'DARKROOM_CONFIG names none.yaml, which is not there: put it there, or mend the path',
    );
  });

  it('names secrets by where they lie, and shows none', () => {
    writeFileSync(join(cwd, 'key.txt'), 'from a file\n');
    const { channels } = read({ text: channel('').replace('env:KEY', 'file:key.txt') });
    const [connection] = channels.map((one) => one.connection);

    expect(connection?.kind === 'gemini' && connection.apiKey.read().reveal()).toBe('from a file');
    expect(inspect(read({ text: channel('') }), { depth: 10 }) + JSON.stringify(channels)).not.toMatch(
      /a secret key|from a file/,
    );
  });

  it('can be read without the secrets, which are missed when they are needed', () => {
    const { channels } = read({ text: channel('').replace('KEY', 'NONE'), credentials: 'leave' });
    const [connection] = channels.map((one) => one.connection);

    expect(() => connection?.kind === 'gemini' && connection.apiKey.read()).toThrow(
      'channels:4: channels[0].credentials.api_key names the variable NONE, which is not set',
    );
  });

  it('takes what YAML reads as numbers, and fields without a value', () => {
    const text = channel(
      'trust:\nlimits:\nprice_is: x',
      'gemini',
      '{ nano-banana-2: { price: { per_image: { 512: 0.02, 1K: 1, 2K: 2, 4K: 3 } } }, flash: }',
    );

    expect(mistakesOf(text)).toEqual([
      'channels:8: channels[0].price_is is not known for kind gemini: leave it out; known are kind, id, order, weight, limits, models, capabilities, trust, lanes, base_url, credentials, auth, batch',
    ]);
    expect(read({ text: text.replace('    price_is: x', '') }).channels[0]?.models).toMatchObject({
      'gemini-3.1-flash-image': { price: { perImage: { '512': 20_000, '4K': 3_000_000 } } },
      'gemini-nano-banana-2.1': { limits: { day: 'pacific' } },
    });
  });
});

describe('what a kind does when nothing is said', () => {
  const of = (kind: string, more = '') => read({ text: channel(more, kind) }).channels[0]?.models['gemini-3-pro-image'];

  it('is all of the model on gemini', () => {
    expect(of('gemini')).toMatchObject({
      providerModel: 'gemini-3-pro-image',
      capabilities: { sizes: ['1K', '2K', '4K'], references: 14, thinking: true, seed: true, tools: ['google_search'] },
    });
  });

  it('is pictures and references on openrouter, with a seed in the images shape', () => {
    expect(of('openrouter')).toMatchObject({
      providerModel: 'google/gemini-3-pro-image',
      capabilities: {
        sizes: ['1K', '2K', '4K'],
        references: 14,
        thinking: false,
        seed: false,
        tools: [],
        signatures: false,
      },
    });
    expect(of('openrouter', 'shape: images')?.capabilities.seed).toBe(true);
  });

  it('is what OpenAI has words for on openai', () => {
    expect(of('openai')?.capabilities).toMatchObject({
      sizes: ['1K'],
      aspectRatios: ['1:1', '2:3', '3:2'],
      references: 14,
      thinking: false,
      safety: false,
    });
  });

  it('is never more than the model can, and what a model is said to do wins over its channel', () => {
    const models = '{ pro: { capabilities: { references: 2 } }, lite: {} }';
    const { channels } = read({
      text: channel('capabilities: { sizes: [1K, 4K], references: 99, tools: [google_search] }', 'gemini', models),
    });

    expect(channels[0]?.models).toMatchObject({
      'gemini-3-pro-image': { capabilities: { sizes: ['1K', '4K'], references: 2, tools: ['google_search'] } },
      'gemini-3.1-flash-lite-image': { capabilities: { sizes: ['1K'], references: 14, tools: [] } },
    });
  });

  it('is both lanes with a key, and one by relays and without a bucket', () => {
    const lanes = (text: string) => read({ text }).channels[0]?.lanes;
    const vertex = (more: string) => channel(`project: p\n${more}`, 'vertex').replace('api_key: env:KEY', 'adc: true');

    expect(lanes(channel(''))).toEqual(['standard', 'batch']);
    expect(lanes(channel('auth: bearer'))).toEqual(['standard']);
    expect(lanes(vertex(''))).toEqual(['standard']);
    expect(lanes(vertex('batch: { bucket: gs://my-bucket/x/ }'))).toEqual(['standard', 'batch']);
  });
});

describe('a mistake is told with its line and what would be right', () => {
  it.each([
    [
      'a name that is nearly right',
      'modles: {}',
      '6: channels[0].modles is not known for kind gemini; did you mean models?',
    ],
    ['a number out of range', 'order: -1', '6: channels[0].order must be a whole number from 0 to 1000'],
    [
      'money that is none',
      'limits: { spend_per_10m: lots }',
      '6: channels[0].limits.spend_per_10m must be dollars such as "0.12"',
    ],
    [
      'an address that is none',
      'base_url: relay',
      '6: channels[0].base_url must be an http:// or https:// address without user, query or fragment',
    ],
    [
      'a secret in an address',
      'base_url: https://me:pw@relay',
      '6: channels[0].base_url must be an http:// or https:// address without user, query or fragment',
    ],
    [
      'a size that no model makes',
      'capabilities: { sizes: [8K] }',
      '6: channels[0].capabilities.sizes[0] must be one of 1K, 2K, 4K, 512',
    ],
    [
      'a batch part of no use',
      'lanes: [standard]\nbatch: { slots: 3 }',
      '7: channels[0].batch is of no use without batch among the lanes: add it there, or leave it out',
    ],
    ['a lane that is none', 'lanes: [fast]', '6: channels[0].lanes[0] must be one of standard, batch'],
  ])('%s', (_, more, mistake) => {
    expect(mistakesOf(channel(more))).toEqual([`channels:${mistake}`]);
  });

  it.each([
    ['a model that is not known', '{ por: {} }', '5: channels[0].models.por is no model; did you mean pro?'],
    [
      'a model that is gone',
      '{ imagen-4: {} }',
      '5: channels[0].models.imagen-4 was shut down: use gemini-nano-banana-2.1',
    ],
    ['no models', '{}', '5: channels[0].models must name at least one model, such as "pro: {}"'],
    [
      'a model twice',
      '{ pro: {}, gemini-3-pro-image: {} }',
      '5: channels[0].models.gemini-3-pro-image is gemini-3-pro-image, which stands here already: name it once',
    ],
    [
      'a limit of nothing',
      '{ pro: { limits: { rpm: 0 } } }',
      '5: channels[0].models.pro.limits.rpm must be a whole number, 1 or more',
    ],
    [
      'two prices',
      '{ pro: { price: { factor: 1, per_image: {} } } }',
      '5: channels[0].models.pro.price must have either per_image or factor',
    ],
    [
      'a size without a price',
      '{ pro: { price: { per_image: { 1K: 1, 2K: 1 } } } }',
      '5: channels[0].models.pro.price.per_image has no price for 4K: add it, or leave the size out of capabilities.sizes',
    ],
    [
      'no size left',
      '{ lite: { capabilities: { sizes: [4K] } } }',
      '5: channels[0].models.lite is left without a size: gemini-3.1-flash-lite-image makes 1K, and capabilities allow none',
    ],
  ])('%s', (_, models, mistake) => {
    expect(mistakesOf(channel('', 'gemini', models))).toEqual([`channels:${mistake}`]);
  });

  it.each([
    [
      'a kind that is nearly right',
      channel('', 'gemni'),
      '3: channels[0].kind must be one of gemini, vertex, openrouter, openai; did you mean gemini?',
    ],
    [
      'batches of a relay',
      channel('lanes: [batch]', 'openai'),
      '6: channels[0].lanes must be [standard]: kind openai has no batches',
    ],
    ['no kind', 'channels:\n  - id: a', '2: channels[0].kind is required: one of gemini, vertex, openrouter, openai'],
    ['no channel', 'channels:\n  - 7', '2: channels[0] must be a channel, with id, kind, credentials and models'],
    ['no channels', 'channels: []', '1: channels must list at least one channel'],
    ['an empty file', '', '1: the file is empty: list a channel in it, as darkroom.config.example.yaml does'],
    ['a part that is not known', `${channel('')}\ntenant: {}`, '7: tenant is not known here; did you mean tenants?'],
    [
      'a tenant that nobody can be',
      `${channel('')}\ntenants:\n  ACME: {}`,
      '8: tenants.ACME is not a valid name: it must be the name of a tenant: 1 to 63 of a-z 0-9 -',
    ],
    ['an alias of nothing', channel('limits: *none'), '6: *none stands for nothing: &none must come before it'],
    [
      'no YAML',
      'channels:\n  - a: [',
      '2: is indented too little, or a bracket above it is not closed: indent it like its neighbours, close [ and {',
    ],
    [
      'a name twice',
      `${channel('')}\nhedge: { enabled: true }\nhedge: { enabled: false }`,
      '8: hedge stands here twice: leave one of them out',
    ],
  ])('%s', (_, text, mistake) => {
    expect(mistakesOf(text)).toEqual([`channels:${mistake}`]);
  });

  it('a vertex channel without a way in, or with two, and with batches and no bucket', () => {
    const vertex = (credentials: string, more = '') =>
      channel(`project: p\n${more}`, 'vertex').replace('{ api_key: env:KEY }', credentials);

    const one = 'channels:4: channels[0].credentials must have exactly one of service_account, access_token, adc';
    expect(mistakesOf(vertex('{}'))).toEqual([one]);
    expect(mistakesOf(vertex('{ adc: true, access_token: env:KEY }'))).toEqual([one]);
    expect(mistakesOf(vertex('{ adc: true }', 'lanes: [batch]'))).toEqual([
      'channels:7: channels[0].lanes names batch, which needs batch.bucket: gs://bucket/prefix, on Vertex',
    ]);
  });

  it('a secret in the file, which is not repeated', () => {
    const [mistake = '', ...others] = mistakesOf(channel('').replace('env:KEY', 'AIzaSyVerySecret'));

    expect(others).toEqual([]);
    expect(mistake).toBe(
      'channels:4: channels[0].credentials.api_key must be env:NAME or file:PATH; a secret itself does not belong in this file',
    );
  });

  it('secrets that are not there', () => {
    expect(mistakesOf(channel('').replace('KEY', 'NONE'))).toEqual([
      'channels:4: channels[0].credentials.api_key names the variable NONE, which is not set: set it for this program',
    ]);
    expect(mistakesOf(channel('').replace('env:KEY', 'file:none.txt'))).toEqual([
      `channels:4: channels[0].credentials.api_key names the file ${join(cwd, 'none.txt')}, which is not there: put it there, or mend the path`,
    ]);
  });

  it('all of them together, in the order of their lines', () => {
    const text = [
      'channels:',
      '  - id: a',
      '    kind: openai',
      '    shape: chat',
      '    credentials: { api_key: env:NONE }',
      '    models:',
      '      por: {}',
      '  - id: a',
      '    kind: gemini',
      '    credentials: { api_key: env:KEY }',
      '    models:',
      '      lite:',
      '        limits: { rpm: many }',
      'hedge: yes',
    ].join('\n');

    const mistakes = mistakesOf(text);

    expect(mistakes.map((line) => /^channels:(\d+): (\S+)/.exec(line)?.slice(1).join(' '))).toEqual([
      '4 channels[0].shape',
      '5 channels[0].credentials.api_key',
      '7 channels[0].models.por',
      '8 channels[1].id',
      '13 channels[1].models.lite.limits.rpm',
      '14 hedge',
    ]);
  });
});

function aJson() {
  return { id: 'by-json', kind: 'gemini', credentials: { api_key: 'env:KEY' }, models: { pro: {} } };
}
