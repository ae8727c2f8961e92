import { createSafeFetch } from '@darkroom/shared/net';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { arbitraryOf, mutated, type Schema } from '../../support/json-schema-arbitrary.ts';
import { type Answer, startApi, type TestApi } from '../../support/start-api.ts';

/** How many bodies each of the four properties throws, `VOLLEY` at once. */
const RUNS = Number(process.env['FUZZ_RUNS'] ?? 200);
const VOLLEY = 10;

let api: TestApi;
let bodies: fc.Arbitrary<unknown>;

beforeAll(async () => {
  const safeFetch = createSafeFetch({ lookup: () => Promise.reject(new Error('no names here')) });
  api = await startApi({ safeFetch });
  const { json } = await api.call('GET', '/openapi.json', { key: '' });
  const schemas = json.components.schemas as Record<string, Schema>;
  const models = (await api.call('GET', '/v1/models')).json.data.flatMap((model: { id: string; aliases: string[] }) => [
    model.id,
    ...model.aliases,
  ]);
  const submit = schemas['SubmitJob'] ?? {};
  // Without examples of models hardly any body would get as far as being accepted.
  bodies = arbitraryOf({ ...submit, properties: { ...submit.properties, model: { enum: models } } }, schemas);
});
afterAll(() => api[Symbol.asyncDispose]());

/** Throws volleys of whatever `shots` makes; says how often each status came back. */
async function bombard<T>(shots: fc.Arbitrary<T>, shoot: (shot: T) => Promise<Answer>): Promise<Map<number, number>> {
  const seen = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(fc.array(shots, { minLength: VOLLEY, maxLength: VOLLEY }), async (volley) => {
      for (const answer of await Promise.all(volley.map(shoot))) {
        seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
        expect(answer.status >= 500 ? answer.text : '').toBe('');
        expect(answer.status >= 400 && !answer.json.fix ? answer.text : '').toBe('');
      }
    }),
    { numRuns: Math.ceil(RUNS / VOLLEY), endOnFailure: true },
  );
  return seen;
}

const submit = (body: unknown) => api.call('POST', '/v1/jobs', { body });

describe('a submission made from the published schema', () => {
  it('is accepted, or refused with a reason', async () => {
    const seen = await bombard(bodies, submit);

    expect(seen.get(202)).toBeGreaterThan(0);
  });

  it('with one place changed is accepted, or refused with a reason', async () => {
    const seen = await bombard(mutated(bodies), submit);

    expect(seen.get(400)).toBeGreaterThan(0);
  });

  it('is accepted under whatever headers and id, or refused with a reason', async () => {
    const word = fc.string({ maxLength: 12 }).map((text) => text.replaceAll(/[^\x20-\x7e]/g, '').trim());
    const shots = fc.record({
      body: fc.oneof(bodies, fc.jsonValue()),
      id: fc.oneof(word, fc.stringMatching(/^[A-Za-z0-9_.:-]{1,8}$/)),
      headers: fc.record(
        {
          'idempotency-key': word,
          prefer: fc.oneof(word, fc.constantFrom('wait=0', 'wait=x', 'respond-async')),
          'content-type': fc.oneof({ arbitrary: fc.constant('application/json'), weight: 5 }, word),
          accept: word,
          'if-none-match': word,
        },
        { requiredKeys: [], noNullPrototype: true },
      ),
    });

    const seen = await bombard(shots, async ({ body, id, headers }) =>
      api.call('PUT', `/v1/jobs/${encodeURIComponent(id)}`, { body, headers }),
    );

    expect([...seen.keys()].every((status) => [200, 202, 400, 404, 405, 410, 413, 415, 422].includes(status))).toBe(
      true,
    );
  });
});

describe('an accepted job', () => {
  it('can be read, listed and canceled, whatever its body was', async () => {
    const seen = await bombard(bodies, async (body) => {
      const answer = await submit(body);
      if (answer.status !== 202) return answer;
      const { self, cancel, images } = answer.json.urls;
      expect((await api.call('GET', self)).json).toMatchObject({ id: answer.json.id, prompt: answer.json.prompt });
      expect((await api.call('GET', images)).json).toEqual({ data: [] });
      return api.call('POST', cancel);
    });

    expect(seen.get(200)).toBeGreaterThan(0);
    expect((await api.call('GET', '/v1/jobs?limit=200')).status).toBe(200);
    expect(api.lines.filter(({ event }) => event === 'http.bug')).toEqual([]);
  });
});
