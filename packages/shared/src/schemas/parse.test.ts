import { performance } from 'node:perf_hooks';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { AppError, ERROR_CODES } from '../domain/index.ts';
import { ListJobsQuery, metadataFilters } from './list-jobs.ts';
import { assertBounded, parse } from './parse.ts';
import { durationSchema, instantSchema, moneySchema, parseDuration } from './primitives.ts';
import { ERROR_FACTS } from './problem.ts';
import { SubmitJobBody } from './submit-job.ts';

/** What `act` throws. */
function refusalOf(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
}

/** `[[[…]]]`, so many deep. */
function nested(depth: number): unknown {
  let value: unknown = [];
  for (let n = 0; n < depth; n++) value = [value];
  return value;
}

describe('parse', () => {
  it('never throws anything but an AppError that names what is wrong', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (body) => {
        const error = refusalOf(() => parse(SubmitJobBody, body));

        expect(error).toBeInstanceOf(AppError);
        const { errors = [] } = error as AppError;
        expect(errors.length).toBeGreaterThan(0);
        expect(errors.every(({ path, message }) => typeof path === 'string' && message !== '')).toBe(true);
      }),
      { examples: [[{}]] },
    );
  });

  it('never throws anything else for bodies that are almost right', () => {
    const almost = fc.record(
      Object.fromEntries(
        Object.keys(SubmitJobBody.shape).map((name) => [name, fc.oneof(fc.jsonValue(), fc.string(), fc.integer())]),
      ),
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(almost, (body) => {
        const error = refusalOf(() => parse(SubmitJobBody, body));

        expect(error === undefined || (error instanceof AppError && error.code === 'invalid_request')).toBe(true);
      }),
    );
  });

  it('names the first fault in its message, its parameter, and at most 100 in all', () => {
    const error = refusalOf(() =>
      parse(
        z.array(z.string()),
        Array.from({ length: 1_000 }, () => 7),
      ),
    );

    expect(error).toMatchObject({
      param: '[0]',
      message: '[0] must be a string, not a number.',
      errors: { length: 100 },
    });
  });
});

describe('assertBounded', () => {
  it.each([
    ['100,000 arrays in one another', () => nested(100_000)],
    ['17 levels', () => nested(17)],
    ['100,000 keys', () => Object.fromEntries(Array.from({ length: 100_000 }, (_, n) => [`k${n}`, n]))],
    ['100,000 elements', () => Array.from({ length: 100_000 }, () => 0)],
    ['2,001 elements', () => Array.from({ length: 2_001 }, () => 0)],
    ['a wide tree', () => Array.from({ length: 50 }, () => Array.from({ length: 50 }, () => ({ a: 1 })))],
  ])('refuses %s, and is quick about it', (_, make) => {
    const body = make();
    const began = performance.now();

    const error = refusalOf(() => assertBounded(body));

    expect(error).toMatchObject({ code: 'invalid_request', fix: expect.any(String) });
    expect(performance.now() - began).toBeLessThan(250);
  });

  it('lets a body with everything through', () => {
    const body = {
      prompt: 'x'.repeat(20_000),
      references: Array.from({ length: 14 }, () => ({ url: 'https://a', name: 'a', role: 'object' })),
      metadata: Object.fromEntries(Array.from({ length: 32 }, (_, n) => [`k${n}`, 'v'])),
      tags: Array.from({ length: 16 }, () => 'x'),
    };

    for (const value of [body, null, 'text', 7, nested(15)])
      expect(refusalOf(() => assertBounded(value))).toBeUndefined();
  });
});

describe('durations', () => {
  it.each([
    ['90s', 90_000],
    ['15m', 900_000],
    ['8h', 28_800_000],
    ['2d', 172_800_000],
    ['007s', 7_000],
  ])('%s is %i ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
    expect(parse(durationSchema({ max: '30d' }), text)).toBe(ms);
  });

  it('are longer than 0 and at most what the field allows', () => {
    const schema = durationSchema({ max: '24h' });

    expect(schema.safeParse('24h').success).toBe(true);
    for (const text of ['0s', '25h', '1441m', '9999999s', '1.5h', '1 h', 'h', '1H', '-1s', '1h\n']) {
      expect([text, schema.safeParse(text).success]).toEqual([text, false]);
    }
  });
});

describe('money', () => {
  it.each([
    ['0.30', 300_000],
    ['0', 0],
    ['12', 12_000_000],
  ])('%s is %i micro-dollars', (text, micros) => {
    expect(parse(moneySchema, text)).toBe(micros);
  });
});

describe('instants', () => {
  it.each([
    '2026-11-21T06:00:00Z',
    '2026-11-21T07:00:00+01:00',
    '2026-11-21T06:00:00.000Z',
    '2026-11-20T22:00:00-08:00',
  ])('reads %s', (text) => {
    expect(parse(instantSchema, text)).toBe(Date.UTC(2026, 10, 21, 6));
  });

  it('gives back any time written as ISO 8601', () => {
    const date = fc.date({
      min: new Date('0001-01-01T00:00:00Z'),
      max: new Date('9999-12-31T23:59:59Z'),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(date, (at) => {
        expect(parse(instantSchema, at.toISOString())).toBe(at.getTime());
      }),
    );
  });
});

describe('the query of a list', () => {
  it('has a limit of 50 and no filters by default', () => {
    expect(parse(ListJobsQuery, {})).toEqual({ limit: 50 });
  });

  it.each([
    ['limit', '0'],
    ['limit', '201'],
    ['limit', 'x'],
    ['limit', '1.5'],
    ['status', 'done'],
    ['lane', 'overnight'],
    ['tag', ''],
    ['model', 'x'.repeat(129)],
    ['created_after', 'yesterday'],
    ['after', 'x'.repeat(513)],
  ])('refuses %s=%s by name', (name, value) => {
    expect(refusalOf(() => parse(ListJobsQuery, { [name]: value }))).toMatchObject({
      code: 'invalid_request',
      param: name,
    });
  });

  it('tells metadata from names it does not know, however they are spelt', () => {
    const query: unknown = JSON.parse(
      '{"tag":"a","metadata[sku]":"1","metadata[__proto__]":"2","constructor":"3","__proto__":"4","metadata[]":"5","batch":"6"}',
    );

    const { metadata, unknown } = metadataFilters(query as Record<string, unknown>);

    expect(Object.entries(metadata)).toEqual([
      ['sku', '1'],
      ['__proto__', '2'],
    ]);
    expect(unknown).toEqual(['constructor', '__proto__', 'metadata[]', 'batch']);
  });
});

it('has a status and a category for every code', () => {
  expect(Object.keys(ERROR_FACTS).toSorted()).toEqual([...ERROR_CODES].toSorted());
  for (const { status } of Object.values(ERROR_FACTS)) expect(status).toBeGreaterThanOrEqual(400);
});
