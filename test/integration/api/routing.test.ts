import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApi, type TestApi } from '../../support/start-api.ts';

const CHANNELS = `
channels:
  - id: gemini-main
    kind: gemini
    credentials: { api_key: env:NOT_SET_HERE }
    models:
      pro: {}
      flash: {}
  - id: relay
    kind: openai
    credentials: { api_key: env:NOT_SET_HERE }
    base_url: https://relay.example.com/v1
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

let count = 0;
const body = (more: object) => ({ prompt: `a mug ${count++}`, dedup: false, ...more });
const submit = (more: object) => api.call('POST', '/v1/jobs', { body: body(more) });

describe('routing', () => {
  it('is kept with the job, its names resolved', async () => {
    const { status, json } = await submit({
      model: 'pro',
      routing: {
        channels: ['relay', 'gemini-main', 'relay'],
        models: ['flash', 'pro'],
        hedge: true,
        placeholder: true,
      },
    });

    expect(status).toBe(202);
    expect(json.routing).toEqual({
      channels: ['relay', 'gemini-main'],
      models: ['gemini-3-pro-image', 'gemini-nano-banana-2.1'],
      hedge: true,
      placeholder: true,
    });
  });

  it('is absent where it changes nothing', async () => {
    const { json } = await submit({ model: 'pro', routing: { models: ['nano-banana-pro'], hedge: false } });

    expect(json).not.toHaveProperty('routing');
  });

  it('begins with the first of its models where none is named beside it', async () => {
    const { json } = await submit({ routing: { models: ['pro', 'flash'] } });

    expect(json.model).toBe('gemini-3-pro-image');
    expect(json.routing.models).toEqual(['gemini-3-pro-image', 'gemini-nano-banana-2.1']);
  });

  it('warns of a model that nothing could use', async () => {
    const { json } = await submit({ model: 'flash', aspect_ratio: '8:1', routing: { models: ['pro'] } });

    expect(json.warnings).toEqual([
      'Model gemini-3-pro-image of routing.models will not be used: no channel carries this job with it: gemini-main does not make ratio 8:1.',
    ]);
  });

  it.each([
    [{ channels: ['gemini-mian'] }, 'routing.channels[0]', /did you mean gemini-main\?/],
    [{ channels: ['relay', 'x'] }, 'routing.channels[1]', /"x" is not known\./],
    [{ channels: [] }, 'routing.channels', /must name at least one channel, or be left out/],
    [{ models: ['pro', 'falsh'] }, 'routing.models[1]', /did you mean flash\?/],
    [{ models: Array.from({ length: 5 }, () => 'pro') }, 'routing.models', /must have at most 4 items/],
    [{ hedge: 'yes' }, 'routing.hedge', /must be true or false, not a string/],
    [{ chanels: ['relay'] }, 'routing.chanels', /did you mean channels\?/],
  ])('is refused by field: %j', async (routing, param, message) => {
    const { status, json } = await submit({ model: 'pro', routing });

    expect([status, json.code, json.param]).toEqual([400, 'invalid_request', param]);
    expect(json.detail).toMatch(message);
  });

  it('names the channels that there are', async () => {
    const { json } = await submit({ routing: { channels: ['x'] } });

    expect(json.fix).toBe('Use one of gemini-main, relay, or leave routing.channels out.');
  });
});

describe('a job that no channel carries', () => {
  it('is refused, each channel with its reason', async () => {
    const { status, json } = await submit({ model: 'pro', aspect_ratio: '16:9', routing: { channels: ['relay'] } });

    expect([status, json.code, json.param]).toEqual([422, 'no_channel', 'routing.channels']);
    expect(json.detail).toBe(
      'No channel carries this job with gemini-3-pro-image: gemini-main is not in routing.channels; relay does not make ratio 16:9.',
    );
    expect(json.errors).toEqual([
      { path: 'channels.gemini-main', message: 'is not in routing.channels' },
      { path: 'channels.relay', message: 'does not make ratio 16:9' },
    ]);
  });

  it('is refused before its price is told, and as a row by its line', async () => {
    const alone = { model: 'lite' };
    const quote = await api.call('POST', '/v1/quotes', { body: body(alone) });
    const batch = await api.call('POST', '/v1/batches', {
      body: {
        items: [
          { key: 'a', prompt: 'a mug' },
          { key: 'b', prompt: 'a cup', ...alone },
        ],
      },
    });

    expect([quote.status, quote.json.code]).toEqual([422, 'no_channel']);
    expect(batch.json.errors).toEqual([
      {
        line: 2,
        key: 'b',
        path: '',
        code: 'no_channel',
        message:
          'No channel carries this job with gemini-3.1-flash-lite-image: gemini-main does not serve gemini-3.1-flash-lite-image; relay does not serve gemini-3.1-flash-lite-image.',
      },
    ]);
  });

  it('in the lane that was asked for is refused for that lane', async () => {
    const { status, json } = await submit({ model: 'pro', lane: 'batch', routing: { channels: ['relay'] } });

    expect([status, json.code]).toEqual([422, 'no_channel']);
    expect(json.errors[1]).toEqual({ path: 'channels.relay', message: 'does not carry lane batch' });
  });
});

describe('lanes and prices', () => {
  it('are those of the channels that carry it: the cheapest counts', async () => {
    const dear = await submit({ model: 'pro', routing: { channels: ['gemini-main'] }, max_cost: '0.06' });
    const cheap = await submit({ model: 'pro', max_cost: '0.06' });

    expect([dear.status, dear.json.code]).toEqual([422, 'max_cost_exceeded']);
    expect([cheap.status, cheap.json.cost.estimated]).toEqual([202, '0.05']);
  });

  it('are quoted so, and a relay has no batch lane', async () => {
    const quote = async (routing?: object) =>
      (await api.call('POST', '/v1/quotes', { body: body({ model: 'pro', ...(routing && { routing }) }) })).json.lanes;

    expect((await quote({ channels: ['relay'] })).map(({ lane, cost }: Lane) => [lane, cost])).toEqual([
      ['standard', '0.05'],
    ]);
    expect((await quote()).map(({ lane }: Lane) => lane)).toEqual(['standard', 'batch']);
  });

  it('of a batch hold for its rows, whose routing is said once or row by row', async () => {
    const { json } = await api.call('POST', '/v1/batches', {
      body: {
        dry_run: true,
        model: 'pro',
        routing: { channels: ['relay'] },
        items: [
          { key: 'a', prompt: 'a mug' },
          { key: 'b', prompt: 'a cup', routing: { channels: ['gemini-main'] } },
        ],
      },
    });

    expect([json.counts, json.lane]).toEqual([{ rows: 2, valid: 2, invalid: 0 }, 'standard']);
    expect(Object.keys(json.cost)).toEqual(['standard']);
  });
});

describe('what is the same work', () => {
  const twins = async (one: object, other: object) => {
    const shared = { prompt: `a mug ${count++}`, model: 'pro' };
    await api.call('POST', '/v1/jobs', { body: { ...shared, ...one } });
    return (await api.call('POST', '/v1/jobs', { body: { ...shared, ...other } })).headers.get('x-dedup');
  };

  it('depends on what may come out, and not on the way', async () => {
    expect(await twins({}, { routing: { channels: ['relay'], hedge: true } })).toBe('joined');
    expect(await twins({}, { routing: { models: ['flash'] } })).toBe('miss');
    expect(await twins({}, { routing: { placeholder: true } })).toBe('miss');
  });
});

type Lane = { lane: string; cost: string };
