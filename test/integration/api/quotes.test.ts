import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type TestApi } from '../../support/start-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api[Symbol.asyncDispose]());

const quote = (body: object) => api.call('POST', '/v1/quotes', { body });
const later = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString();
const laneCosts = (json: { lanes: { lane: string; cost: string }[] }) =>
  Object.fromEntries(json.lanes.map(({ lane, cost }) => [lane, Number(cost)]));

describe('a quote', () => {
  it('says what a job costs on each lane, the batch lane at half, and makes no job', async () => {
    const { status, json } = await quote({ prompt: 'a red mug', model: 'pro', size: '4K' });

    const { standard = 0, batch = 0 } = laneCosts(json);
    expect(status).toBe(201);
    expect(json).toMatchObject({ jobs: 1, lane: 'standard', currency: 'USD' });
    expect(standard).toBeGreaterThan(0.24);
    expect(Number(json.cap)).toBeCloseTo(standard * 1.25, 5);
    expect(Math.abs(batch - standard / 2)).toBeLessThan(0.000_002);
    expect((await api.call('GET', '/v1/jobs')).json.data).toEqual([]);
  });

  it.each([
    [48, 'batch', true],
    [0.5, 'standard', false],
  ])('for a deadline %d hours ahead takes the %s lane', async (hours, lane, batchMeets) => {
    const { json } = await quote({ prompt: 'a red mug', deadline: later(hours) });

    expect(json).toMatchObject({ lane, reason: 'cheapest that meets the deadline' });
    expect(json.lanes).toMatchObject([
      { lane: 'standard', meets_deadline: true },
      { lane: 'batch', meets_deadline: batchMeets },
    ]);
  });

  it('takes the lane that max_cost leaves, and says when it leaves none', async () => {
    const mug = { prompt: 'a red mug' };
    const { standard = 0, batch = 0 } = laneCosts((await quote(mug)).json);

    const between = await quote({ ...mug, max_cost: ((standard + batch) / 2).toFixed(4) });
    const below = await quote({ ...mug, max_cost: '0.01' });

    expect(between.json).toMatchObject({ lane: 'batch', reason: 'the only lane within max_cost' });
    expect([below.status, below.json.warnings]).toEqual([
      201,
      ['max_cost is below every price: submitted like this, it is refused.'],
    ]);
    expect((await api.call('POST', '/v1/jobs', { body: { ...mug, max_cost: '0.01' } })).status).toBe(422);
  });

  it('for a set adds its jobs up, templates filled in', async () => {
    const mug = { template: 'product-hero', variables: { name: 'a mug' } };
    const one = (await quote(mug)).json;
    const { json } = await quote({ items: Array.from({ length: 25 }, () => mug) });

    expect(json).toMatchObject({ jobs: 25, lane: 'batch' });
    const [all, single] = [laneCosts(json), laneCosts(one)];
    expect(all['standard']).toBeCloseTo(25 * (single['standard'] ?? 0), 6);
    expect(all['batch']).toBeCloseTo(25 * (single['batch'] ?? 0), 6);
    expect(Number(json.cap)).toBeCloseTo(25 * Number(one.cap), 4);
  });

  it('for a set that sends a canary has its ten rows at the standard price, as a dry run of the batch says', async () => {
    const items = Array.from({ length: 200 }, (_, n) => ({ key: `mug-${n}`, prompt: 'a red mug' }));

    const { json } = await quote({ items });
    const check = await api.call('POST', '/v1/batches?dry_run=true', { body: { items } });

    const { standard = 0, batch = 0 } = laneCosts(json);
    expect(batch).toBeCloseTo((standard * 210) / 400, 3);
    expect(check.json.cost).toEqual({ standard: String(json.lanes[0].cost), batch: String(json.lanes[1].cost) });
    expect(check.json.quote.cap).toBe(json.cap);
  });

  it('for a set says when all of it is done, which takes the standard lane longer than one job', async () => {
    const items = Array.from({ length: 1_000 }, () => ({ prompt: 'a red mug' }));

    const { json } = await quote({ items, deadline: later(0.25) });

    expect(json.lanes).toMatchObject([
      { lane: 'standard', meets_deadline: false },
      { lane: 'batch', meets_deadline: false },
    ]);
    expect((await quote({ items, deadline: later(0.75) })).json.lanes[0]).toMatchObject({ meets_deadline: true });
  });

  it('takes the rows of a batch as they are, keys and all', async () => {
    const { status, json } = await quote({
      items: [
        { key: 'a', prompt: 'a mug' },
        { key: 'b', prompt: 'a bowl' },
      ],
    });

    expect([status, json.jobs]).toEqual([201, 2]);
    expect((await quote({ key: 'a', prompt: 'a mug' })).json).toMatchObject({ status: 400, param: 'key' });
  });

  it('for a set with tools offers no lane on which nobody searches', async () => {
    const items = Array.from({ length: 25 }, () => ({ prompt: 'a map', model: 'pro', tools: ['google_search'] }));

    const { json } = await quote({ items });

    expect(json).toMatchObject({ lane: 'standard', lanes: [{ lane: 'standard' }] });
    expect((await quote({ items, lane: 'batch' })).json).toMatchObject({ status: 400, param: 'lane' });
  });

  it.each([
    [{ prompt: '' }, 'prompt'],
    [{ prompt: 'x', size: '9K' }, 'size'],
    [{ items: [] }, 'items'],
    [{ items: [{ prompt: 'x' }, { promt: 'x' }] }, 'items[1].promt'],
    [{ items: [{ prompt: 'x' }], lane: 'slow' }, 'lane'],
  ])('of %j is refused by name', async (body, param) => {
    const { status, json } = await quote(body);

    expect([Math.trunc(status / 100), json.param]).toEqual([4, param]);
  });
});

describe('a job submitted with a quote', () => {
  const submit = (body: object) => api.call('POST', '/v1/jobs', { body });

  it('is capped by it', async () => {
    const cheap = (await quote({ prompt: 'x', model: 'flash', size: '1K' })).json.id;

    expect((await submit({ prompt: 'x', model: 'flash', size: '1K', quote: cheap })).status).toBe(202);
    expect((await submit({ prompt: 'x', model: 'pro', size: '4K', quote: cheap })).json).toMatchObject({
      code: 'max_cost_exceeded',
      status: 422,
    });
  });

  it('may cost its part of a quote for many, and no more', async () => {
    const cheap = { prompt: 'x', model: 'flash', size: '1K' };
    const many = (await quote({ items: Array.from({ length: 100 }, () => cheap) })).json.id;

    expect((await submit({ ...cheap, quote: many })).status).toBe(202);
    expect((await submit({ prompt: 'x', model: 'pro', size: '4K', quote: many })).json).toMatchObject({
      code: 'max_cost_exceeded',
      status: 422,
    });
  });

  it('is refused when the quote is not known, and another tenant has none of it', async () => {
    const mine = (await quote({ prompt: 'x' })).json.id;
    const other = await api.addKey('quotes-other');

    expect((await submit({ prompt: 'x', quote: 'quo_1' })).json).toMatchObject({ status: 400, param: 'quote' });
    const foreign = await api.call('POST', '/v1/jobs', { body: { prompt: 'x', quote: mine }, key: other });
    expect(foreign.json).toMatchObject({ status: 400, param: 'quote' });
  });
});
