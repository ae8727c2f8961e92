/** Whole answers in the OpenAPI document: each is what its schema says, and problems are those that the API really tells. */

import { afterAll, beforeAll, expect, it } from 'vitest';
import { assertFits } from '../../support/described-answer.ts';
import { type Json, startApi, type TestApi } from '../../support/start-api.ts';

let api: TestApi;
let paths: Json;
beforeAll(async () => {
  api = await startApi();
  const { text } = await api.call('GET', '/openapi.json', { key: '' });
  paths = JSON.parse(text.replaceAll('#/components/schemas/', '#/$defs/')).paths;
});
afterAll(() => api[Symbol.asyncDispose]());

type Shown = { where: string; schema: Json; value: Json };

/** Every whole example that the document shows. */
function shown(): Shown[] {
  const operations = Object.entries<Json>(paths).flatMap(([path, item]) =>
    Object.entries<Json>(item).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, operation })),
  );
  return operations.flatMap(({ name, operation }) =>
    Object.entries<Json>(operation.responses).flatMap(([status, { content = {} }]) =>
      Object.values<Json>(content).flatMap(({ schema, example, examples = {} }) =>
        [example, ...Object.values<Json>(examples).map(({ value }) => value)].flatMap((value) =>
          value === undefined ? [] : [{ where: `${name} ${status}`, schema, value }],
        ),
      ),
    ),
  );
}

/** The problems shown of an operation, by name. */
const problemsOf = (method: string, path: string): Json =>
  paths[path][method].responses['4XX'].content['application/problem+json'].examples;

it('are as their schemas say', () => {
  const examples = shown();

  for (const { where, schema, value } of examples) assertFits(where, schema, value);
  const good = new Set(examples.map(({ where }) => where).filter((where) => where.endsWith(' 200')));
  expect([...good].toSorted()).toEqual([
    'GET /v1/channels 200',
    'GET /v1/channels/{id} 200',
    'GET /v1/doctor 200',
    'GET /v1/events 200',
    'GET /v1/events/{id} 200',
    'GET /v1/limits 200',
    'GET /v1/models 200',
    'POST /v1/channels/{id}/close 200',
    'POST /v1/channels/{id}/drain 200',
    'POST /v1/channels/{id}/open 200',
    'POST /v1/channels/{id}/resume 200',
    'POST /v1/limits/{model}/resume 200',
  ]);
});

it('would not do with a field that is missing, or one too many', () => {
  const first = shown().find(({ where }) => where === 'GET /v1/channels 200');
  if (!first) throw new Error('no example');
  const { where, schema, value } = first;
  const { data } = value;

  expect(() => assertFits(where, schema, {})).toThrow(where);
  expect(() => assertFits(where, schema, { data: [{ ...data[0], health: 'well' }] })).toThrow('health');
  expect(() => assertFits(where, schema, { data, more: 1 })).toThrow('more');
});

it.each([
  ['GET', '/v1/channels/{id}', 'not_found', '/v1/channels/gemni'],
  ['POST', '/v1/channels/{id}/open', 'not_found', '/v1/channels/gemni/open'],
  ['POST', '/v1/limits/{model}/resume', 'not_found', '/v1/limits/none/resume'],
  ['POST', '/v1/channels/{id}/drain', 'forbidden', '/v1/channels/gemini/drain'],
  ['POST', '/v1/limits/{model}/resume', 'forbidden', '/v1/limits/pro/resume'],
  ['GET', '/v1/doctor', 'forbidden', '/v1/doctor'],
])('of problems are what is told: %s %s %s', async (method, path, code, asked) => {
  const call = code === 'forbidden' ? { key: await api.addKey('default') } : {};
  const { value: example } = problemsOf(method.toLowerCase(), path)[code];

  const { json } = await api.call(method, asked, call);

  // The channels are others here.
  const told = json.detail.replace('gemni', 'gemini-mian').replace('mean gemini?', 'mean gemini-main?');
  expect({ ...json, detail: told, request_id: example.request_id }).toEqual(example);
});
