/** Mistakes of somebody who writes a channels file for the first time: each message names the line, the field and the fix. */

import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readChannels } from './channels.ts';
import { ConfigError } from './env.ts';

/** In place of a file's content. */
const FOLDER = 'a folder';
const YAML = 'darkroom.config.yaml';
const JSON_FILE = 'darkroom.config.json';
const GOOD = `channels:
  - id: a
    kind: gemini
    credentials: { api_key: env:KEY }
    models: { pro: {} }
`;

/** What a folder with this one file is refused for; nothing when it is read. */
function refusal(content: string | Uint8Array, name: string = YAML): readonly string[] {
  const cwd = mkdtempSync(join(tmpdir(), 'channels-'));
  if (content === FOLDER) mkdirSync(join(cwd, name));
  else writeFileSync(join(cwd, name), content);
  try {
    readChannels({ env: { KEY: 'k' }, cwd, credentials: 'resolve' });
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems;
  }
}

/** A good file, one line of which is another. */
function but(line: string, other: string): string {
  expect(GOOD).toContain(line);
  return GOOD.replace(line, other);
}

const model = (said: string) => but('{ pro: {} }', said);
const credentials = (said: string) => but('{ api_key: env:KEY }', said);
const vertex = (more: string) =>
  `${but('kind: gemini', 'kind: vertex').replace('api_key: env:KEY', 'adc: true')}    ${more}\n`;

const RULES = 'JSON wants double quotes, and neither comments nor a comma before } or ]; call a file of YAML .yaml';
const LIMIT = 'must be a whole number, 1 or more, such as 600, without quotes, commas or a unit';
const TWO_IN_ONE =
  'has a second "name: value" where one value belongs: write env:NAME without a space, put other text in quotes, or begin a line of its own';

describe('JSON that is none is told of as JSON', () => {
  it.each([
    ['a comma too many', '{\n "channels": [],\n}', '3: is not JSON: } was not expected'],
    ['a comma too few', '{\n "channels": []\n "keys": {}\n}', '3: is not JSON: " was not expected'],
    ['a quote too few', '{\n "channels: []\n}', '2: is not JSON: a quote is not closed in this line'],
    ['a brace too few', '{\n "channels": []\n', '3: is not JSON: it ends too early'],
    ['a comment', '{\n // mine\n "channels": []\n}', '2: is not JSON: / was not expected'],
    ['YAML', GOOD, '1: is not JSON: c was not expected'],
  ])('%s', (_, text, mistake) => {
    expect(refusal(text, JSON_FILE)).toEqual([`${JSON_FILE}:${mistake}. ${RULES}`]);
  });

  it('with the lines of its fields, and names that stand twice', () => {
    const channel =
      '\t{"id": "a", "kind": "gemini",\n\t"credentials": {"api_key": "env:KEY"},\n\t"models": {"pro": {}}';

    expect(refusal(`\uFEFF{"channels": [\n${channel}}]}`, JSON_FILE)).toEqual([]);
    expect(refusal(`{"channels": [\n${channel},\n\t"order": "first"}]}`, JSON_FILE)).toEqual([
      `${JSON_FILE}:5: channels[0].order must be a whole number from 0 to 1000, not a string`,
    ]);
    expect(refusal(`{"channels": [\n${channel},\n\t"id": "b"}]}`, JSON_FILE)).toEqual([
      `${JSON_FILE}:5: channels[0].id stands here twice: leave one of them out`,
    ]);
  });
});

describe('what is no YAML', () => {
  it.each([
    ['a tab', but('    kind', '\tkind'), '3: is indented with a tab: use spaces'],
    ['no colon', but('id: a', 'id a'), '2: is no "name: value": write a colon and a space behind the name'],
    ['no space', but('id: a', 'id:a'), '2: is no "name: value": write a colon and a space behind the name'],
    ['env: NAME with a space', credentials('{ api_key: env: KEY }'), `4: ${TWO_IN_ONE}`],
    ['the same in a block', credentials('\n      api_key: env: KEY'), `5: ${TWO_IN_ONE}`],
    ['an open quote', but('id: a', 'id: "a'), '2: opens a quote that is never closed: close it, or leave it out'],
    [
      'an open brace',
      but('{ pro: {} }', '{ pro: {}\nhedge: {}'),
      '6: is indented too little, or a bracket above it is not closed: indent it like its neighbours, close [ and {',
    ],
    [
      'a line too far left',
      but('    kind', '   kind'),
      '3: is not indented like its neighbours, or misses a comma, a bracket or the dash of a list',
    ],
    [
      'two documents',
      `${GOOD}---\n${GOOD}`,
      '6: begins a second document: take out the ---, and keep everything in one',
    ],
    [
      'a tag',
      credentials('{ api_key: !env KEY }'),
      '4: has a tag (!…), which means nothing here: leave it out; a secret is named as env:NAME or file:PATH',
    ],
    [
      'merging by <<',
      `${GOOD.replace('- id', '- &one\n    id')}  - <<: *one\n    id: b\n`,
      '7: << is not followed: write the fields out, or name whole values by alias, such as limits: *usual',
    ],
    [
      'aliases of aliases of aliases',
      [
        'a: &a [x, x, x, x, x]',
        ...'bcde'.split('').map((to, n) => `${to}: &${to} [${`*${'abcd'[n]}, `.repeat(9)}]`),
      ].join('\n'),
      '1: the file has aliases that stand for too much: write some of it out',
    ],
    ['brackets in brackets', '['.repeat(100_000), '1: is nested too deep: channels need no more than eight levels'],
    ['a name twice', but('id: a', 'id: a\n    id: b'), '3: channels[0].id stands here twice: leave one of them out'],
    [
      'a model twice',
      model('\n      pro: {}\n      pro: {}'),
      '7: channels[0].models.pro stands here twice: leave one of them out',
    ],
  ])('%s', (_, text, mistake) => {
    expect(refusal(text)).toEqual([`${YAML}:${mistake}`]);
  });
});

describe('what stands there in place of what belongs there', () => {
  it.each([
    ['a switch', `${GOOD}hedge: true`, '6: hedge must be { enabled: true } or { enabled: false }'],
    ['another switch', `${GOOD}placeholder: on`, '6: placeholder must be { enabled: true } or { enabled: false }'],
    ['a switch that says yes', `${GOOD}hedge: { enabled: yes }`, '6: hedge.enabled must be true or false'],
    ['nothing of a switch', `${GOOD}hedge: {}`, '6: hedge.enabled is required: true or false'],
    [
      'a list of fields',
      '- id: a\n',
      '1: the file must begin with "channels:" and a list below it, as darkroom.config.example.yaml does',
    ],
    [
      'a map of channels',
      'channels:\n  a: {}',
      '1: channels must be a list, each channel of which begins with "- id: …"',
    ],
    ['channels of nothing', 'channels:', '1: channels must be a list, each channel of which begins with "- id: …"'],
    [
      'a number as an id',
      but('id: a', 'id: 7'),
      '2: channels[0].id must be 1 to 32 of a-z 0-9 -, in quotes when all of them are digits',
    ],
    [
      'a secret in place of credentials',
      credentials('env:KEY'),
      '4: channels[0].credentials must be { api_key: env:NAME } or { api_key: file:PATH }',
    ],
    [
      'no credentials',
      but('    credentials: { api_key: env:KEY }\n', ''),
      '2: channels[0].credentials is required: { api_key: env:NAME } or { api_key: file:PATH }',
    ],
    [
      'a list of models',
      model('[pro]'),
      '5: channels[0].models must be models by name, such as { pro: {}, flash: {} }',
    ],
    [
      "the provider's name of a model",
      model('{ pro: gemini-3-pro-image }'),
      '5: channels[0].models.pro must be {}, or what is said of it by name: id (as the provider calls it), limits, price, capabilities',
    ],
    [
      'a limit with a unit',
      model('{ pro: { limits: { rpm: 600/min } } }'),
      `5: channels[0].models.pro.limits.rpm ${LIMIT}`,
    ],
    [
      'a limit in quotes',
      model('{ pro: { limits: { rpm: "600" } } }'),
      `5: channels[0].models.pro.limits.rpm ${LIMIT}`,
    ],
    [
      'a limit with commas',
      model('\n      pro:\n        limits:\n          tpm: 1,000,000'),
      `8: channels[0].models.pro.limits.tpm ${LIMIT}`,
    ],
    [
      'a limit below nothing',
      model('{ pro: { limits: { rpm: -5 } } }'),
      '5: channels[0].models.pro.limits.rpm must be a whole number, 1 or more',
    ],
    [
      'one limit for all',
      model('{ pro: { limits: 600 } }'),
      '5: channels[0].models.pro.limits must be limits by name, such as { rpm: 600, rpd: 10000 }',
    ],
    [
      'a number as a price',
      model('{ pro: { price: 0.12 } }'),
      '5: channels[0].models.pro.price must be { per_image: { 1K: "0.12" } } or { factor: 0.9 }',
    ],
    [
      'one price for all sizes',
      model('{ pro: { price: { per_image: 0.12 } } }'),
      '5: channels[0].models.pro.price.per_image must be dollars by size, such as { 1K: "0.12", 2K: "0.12" }',
    ],
    ['one lane', `${GOOD}    lanes: standard`, '6: channels[0].lanes must be a list such as [standard, batch]'],
    [
      'a region that Vertex has not',
      vertex('project: p\n    location: us-east-1'),
      '7: channels[0].location must be a location of Vertex, such as global, us, eu, us-central1 or europe-west4',
    ],
    [
      'a weight in place of a tenant',
      `${GOOD}tenants:\n  acme: 2`,
      '7: tenants.acme must be its share and bounds, such as { weight: 2, concurrency: 20 }',
    ],
  ])('%s', (_, text, mistake) => {
    expect(refusal(text)).toEqual([`${YAML}:${mistake}`]);
  });
});

describe('a field that is none', () => {
  it.each([
    [
      'by another name',
      vertex('project: p\n    region: global'),
      '7: channels[0].region is not known for kind vertex; did you mean location?',
    ],
    [
      'by its long name',
      model('{ pro: { limits: { requests_per_minute: 9 } } }'),
      '5: channels[0].models.pro.limits.requests_per_minute is not known for kind gemini; did you mean rpm?',
    ],
    [
      'a limit of models on the channel',
      `${GOOD}    limits: { rpm: 9 }`,
      '6: channels[0].limits.rpm does not belong here, but below limits of a model, such as models: { pro: { limits: { rpm: 600 } } }',
    ],
    [
      'a limit of the channel on a model',
      model('{ pro: { limits: { spend_per_10m: 5 } } }'),
      '5: channels[0].models.pro.limits.spend_per_10m does not belong here, but below limits of the channel itself',
    ],
    [
      'a limit of models on a key',
      `${GOOD}keys:\n  key_1: { rpm: 9 }`,
      '7: keys.key_1.rpm is not known here; did you mean starts_per_minute?',
    ],
    [
      'of keys',
      `${GOOD}keys:\n  key_1: { budget: 9 }`,
      '7: keys.key_1.budget is not known here: leave it out; known are concurrency, starts_per_minute, submissions_per_minute',
    ],
  ])('%s', (_, text, mistake) => {
    expect(refusal(text)).toEqual([`${YAML}:${mistake}`]);
  });
});

describe('a file that cannot be read', () => {
  it.each<[string, string | Uint8Array, string, string]>([
    ['a folder', FOLDER, YAML, `${YAML} is a folder: name a file in it`],
    ['UTF-16', Buffer.from(`\uFEFF${GOOD}`, 'utf16le'), YAML, `${YAML} is no text in UTF-8: save it as that`],
    [
      '10 MB',
      'x'.repeat(10_000_000),
      YAML,
      `${YAML} has 10000000 bytes, and may have 1048576: keep only channels in it`,
    ],
    [
      'by nearly the right name',
      GOOD,
      'darkroom.config.yml',
      `darkroom.config.yml is not looked for: call it ${YAML}, or set DARKROOM_CONFIG=darkroom.config.yml`,
    ],
  ])('%s', (_, content, name, mistake) => {
    expect(refusal(content, name)).toEqual([mistake]);
  });

  it.skipIf(process.getuid?.() === 0)('one that belongs to somebody else', () => {
    const cwd = mkdtempSync(join(tmpdir(), 'channels-'));
    writeFileSync(join(cwd, YAML), GOOD, { mode: 0 });

    expect(() => readChannels({ env: {}, cwd, credentials: 'leave' })).toThrow('this program may not read');
  });
});

it.each([
  ['a byte order mark', `\uFEFF${GOOD}`],
  ['Windows line ends', GOOD.replaceAll('\n', '\r\n')],
  [
    'JSON in YAML',
    '{"channels": [{"id": "a", "kind": "gemini", "credentials": {"api_key": "env:KEY"}, "models": {"pro": {}}}]}',
  ],
  ['aliases of whole values', model('{ pro: { limits: &usual { rpm: 5 } }, flash: { limits: *usual } }')],
])('%s is no mistake', (_, text) => {
  expect(refusal(text)).toEqual([]);
});
