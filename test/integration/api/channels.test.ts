import type { CallEnd } from '@darkroom/shared/domain';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Json, startApi, type TestApi } from '../../support/start-api.ts';

const PRO = 'gemini-3-pro-image';
const FLASH = 'gemini-nano-banana-2.1';
const HOUR = 3_600_000;
const CHANNELS = `
channels:
  - id: gemini-main
    kind: gemini
    credentials: { api_key: env:NOT_SET_HERE }
    limits: { spend_per_10m: "50" }
    models:
      pro: { limits: { rpm: 600, rpd: 10000 } }
      flash: {}
  - id: relay
    kind: openai
    credentials: { api_key: env:HIDDEN_NAME }
    base_url: https://relay.example.com/v1
    order: 2
    weight: 3
    models:
      pro: { price: { per_image: { 1K: "0.05" } } }
    capabilities: { references: 3, ratios: ["1:1"] }
    trust: { references: false }
`;

let api: TestApi;
beforeAll(async () => {
  api = await startApi({ channelsFile: CHANNELS });
});
afterAll(() => api[Symbol.asyncDispose]());
beforeEach(async () => {
  for (const id of ['gemini-main', 'relay']) await order(id, 'close');
  for (const model of [PRO, FLASH]) await api.call('POST', `/v1/limits/${model}/resume`);
});

const get = async (id: string): Promise<Json> => (await api.call('GET', `/v1/channels/${id}`)).json;
const order = (id: string, word: string, key?: string) =>
  api.call('POST', `/v1/channels/${id}/${word}`, key === undefined ? {} : { key });
const modelOf = async (id: string): Promise<Json> =>
  (await api.call('GET', '/v1/models')).json.data.find((model: Json) => model.id === id);

let calls = 0;
async function note(channel: string, end: CallEnd, times: number, model = PRO): Promise<void> {
  const place = { channel, model };
  for (let n = 0; n < times; n++) {
    const attempt = `att_${calls++}`;
    await api.deps.breakers.enter(place, attempt);
    await api.deps.breakers.note(place, attempt, end, end === 'ok' ? { ms: 8_000 } : {});
  }
}

describe('/v1/channels', () => {
  it('lists what is configured, in its order, without credentials or addresses', async () => {
    const { json, text } = await api.call('GET', '/v1/channels');

    expect(json.data).toMatchObject([
      { id: 'gemini-main', kind: 'gemini', order: 1, weight: 1, health: 'available', trust: { references: true } },
      { id: 'relay', kind: 'openai', order: 2, weight: 3, lanes: ['standard'], trust: { references: false } },
    ]);
    expect(json.data[1].models).toMatchObject([
      { model: PRO, capabilities: { references: 3, aspect_ratios: ['1:1'] }, breaker: { state: 'closed' } },
    ]);
    expect(json.data[1].models[0].prices.standard['1K']).toBe('0.05');
    expect(json.data[0].models[0].prices.batch['1K']).toBe('0.0672');
    expect(text).not.toMatch(/HIDDEN|NOT_SET|example\.com|credentials|base_url/);
  });

  it('shows windows with what is used of them, and money as text in dollars', async () => {
    const place = { channel: 'gemini-main', model: PRO };
    await api.deps.quotas.take(place, 'att_window', { tokens: 100, images: 1, cost: 250_000 });

    const [{ windows }] = (await get('gemini-main')).models;

    expect(windows).toContainEqual({ window: 'requests', used: 1, limit: 600 });
    expect(windows).toContainEqual({ window: 'day', used: 1, limit: 10_000 });
    expect(windows).toContainEqual({ window: 'spend', used: '0.25', limit: '50.00' });
    await api.deps.quotas.giveBack(place, 'att_window');
  });

  it('tells of calls by how they ended, and of a breaker that opened', async () => {
    await note('relay', 'ok', 3);
    await note('relay', 'blocked', 1);
    await note('relay', 'unavailable', 5);

    const { health, models } = await get('relay');

    expect(health).toBe('broken');
    expect(models[0]).toMatchObject({ breaker: { state: 'open' }, health: 'broken', until: expect.any(String) });
    expect(models[0].ends.unavailable.calls).toBe(5);
    expect(models[0].error_rate).toBeCloseTo(5 / models[0].calls, 2);
    expect(Date.parse(models[0].until)).toBeGreaterThan(Date.now());
  });

  it('tells until when a place is parked, why, and what limit was learnt', async () => {
    const place = { channel: 'gemini-main', model: FLASH };
    await api.deps.quotas.learn(place, { type: 'pause', ms: HOUR, reason: 'parked', why: 'the day is used up' });

    const { health, models } = await get('gemini-main');

    expect(health).toBe('available');
    expect(models[1]).toMatchObject({ health: 'parked', parked: { reason: 'parked', why: 'the day is used up' } });
    expect(models[1].until).toBe(models[1].parked.until);
  });

  it('says of an id that there is not which one may have been meant', async () => {
    const { status, json } = await api.call('GET', '/v1/channels/gemini-mian');

    expect([status, json.code, json.param]).toEqual([404, 'not_found', 'id']);
    expect(json.detail).toContain('did you mean gemini-main?');
    expect((await order('nowhere-at-all', 'open')).json.detail).toBe('There is no channel nowhere-at-all.');
  });
});

describe('an operator', () => {
  it('holds a channel back, drains it, and takes that back; twice is as once', async () => {
    for (const word of ['open', 'drain', 'drain']) {
      expect((await order('relay', word)).json).toMatchObject({ override: word, health: 'out' });
    }

    const back = (await order('relay', 'resume')).json;

    expect([back.override, back.health]).toEqual([undefined, 'available']);
    expect(api.lines).toContainEqual(
      expect.objectContaining({
        event: 'channel.ordered',
        channel: 'relay',
        order: 'drain',
        keyId: expect.any(String),
      }),
    );
  });

  it('closes a breaker, which goes on by itself and tells that it is well', async () => {
    await note('relay', 'unavailable', 5);
    const place = { channel: 'relay', model: PRO };
    const at = Date.now();
    await api.deps.channelTeller.tell({ place, to: 'opened', why: 'a test', at, breaker: 'open' });

    const closed = (await order('relay', 'close')).json;

    expect([closed.override, closed.models[0].breaker]).toEqual([undefined, { state: 'closed' }]);
    expect(api.lines.some(({ event }) => event === 'channel.recovered')).toBe(true);
    await note('relay', 'unavailable', 5);
    expect((await get('relay')).health).toBe('broken');
  });

  it('needs the scope admin, and others may look', async () => {
    const key = await api.addKey('default');

    for (const word of ['open', 'close', 'drain', 'resume']) {
      expect((await order('relay', word, key)).json).toMatchObject({ code: 'forbidden' });
    }
    expect((await api.call('GET', '/v1/channels', { key })).status).toBe(200);
  });
});

describe('/v1/models', () => {
  it('says which channels serve each, how they are, and what the cheapest asks', async () => {
    await note('relay', 'auth', 1);

    const pro = await modelOf(PRO);

    expect(pro).toMatchObject({
      health: 'available',
      channels: [
        { channel: 'gemini-main', health: 'available' },
        { channel: 'relay', health: 'out' },
      ],
    });
    expect([pro.prices.standard['1K'], pro.prices.standard['4K']]).toEqual(['0.05', '0.24']);
    expect(await modelOf('gemini-2.5-flash-image')).toMatchObject({ health: 'out', channels: [] });
  });

  it('says until when none of them can be called', async () => {
    await order('relay', 'open');
    const place = { channel: 'gemini-main', model: PRO };
    await api.deps.quotas.learn(place, { type: 'pause', ms: HOUR, reason: 'parked', why: 'a test' });

    const { health, until } = await modelOf(PRO);

    expect(health).toBe('parked');
    expect(Date.parse(until)).toBeGreaterThan(Date.now() + HOUR / 2);
  });
});

it('/v1/limits has every place with its windows, paused or not', async () => {
  const { data } = (await api.call('GET', '/v1/limits')).json;

  expect(data.map(({ channel, model }: Json) => `${channel} ${model}`)).toEqual([
    `gemini-main ${PRO}`,
    `gemini-main ${FLASH}`,
    `relay ${PRO}`,
  ]);
  expect(data[0].windows).toContainEqual(expect.objectContaining({ window: 'requests', limit: 600 }));
  expect(data[0]).not.toHaveProperty('until');
});
