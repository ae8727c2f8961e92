import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Emulator, startEmulator } from '../server.ts';
import { aPicture } from '../testing/client.ts';
import { aChat, bytesOf, CHAT, IMAGES, listOf, tell, textOf } from '../testing/modes.ts';

let emulator: Emulator;
beforeEach(async () => {
  emulator = await startEmulator();
});
afterEach(() => emulator.close());

const anOrder = { model: 'google/gemini-3-pro-image', prompt: 'a red bicycle' };
const chargeOf = (n: number) => emulator.control.journal().entries[n - 1]?.billed;
const choiceOf = async (body: unknown = aChat()) => (await tell(emulator, CHAT, body)).json['choices']?.[0];

describe('a chat', () => {
  it('answers with an image of the size that was asked for, and says what it cost', async () => {
    const body = aChat('a red bicycle', { image_config: { aspect_ratio: '16:9', image_size: '2K' }, other: 1 });
    const { status, json } = await tell(emulator, CHAT, body);
    const { width, height } = await sharp(
      bytesOf(textOf(json['choices']?.[0]?.['message']?.['images']?.[0]?.['image_url']?.['url'])),
    ).metadata();

    expect(status).toBe(200);
    expect([width, height]).toEqual([2752, 1536]);
    expect(json['choices']?.[0]).toMatchObject({ finish_reason: 'stop', native_finish_reason: 'STOP' });
    expect(json['usage']).toMatchObject({
      cost: (chargeOf(1)?.cost_micros ?? 0) / 1e6,
      completion_tokens_details: { image_tokens: 1120 },
    });
    expect(json).not.toHaveProperty('thoughtSignature');
    expect(emulator.control.bill()).toMatchObject({ calls: 1, billed_calls: 1, images: 1 });
    expect(emulator.control.journal().entries[0]).toMatchObject({
      route: 'chat_completions',
      mode: 'openrouter',
      project: 'project',
      model: 'gemini-3-pro-image',
      prompt: 'a red bicycle',
    });
  });

  it('takes pictures, earlier answers and instructions', async () => {
    const url = `data:image/png;base64,${await aPicture()}`;
    const image = { type: 'image_url', image_url: { url } };
    const messages = [
      { role: 'system', content: 'be bold' },
      { role: 'user', content: [{ type: 'text', text: 'a cat' }, image] },
      { role: 'assistant', content: null, images: [image] },
      { role: 'user', content: 'make it red' },
    ];

    expect((await tell(emulator, CHAT, aChat('', { messages }))).status).toBe(200);
    expect(chargeOf(1)?.prompt_tokens).toBeGreaterThan(2 * 560);
    expect(emulator.control.journal().entries[0]?.prompt).toBe('make it red');
  });

  it('charges with a markup, and says so', async () => {
    const { json: plain } = await tell(emulator, CHAT, aChat());
    emulator.control.patchSettings({ openrouter: { markup: 10 } });
    const { json: dear } = await tell(emulator, CHAT, aChat());

    expect(dear['usage']?.['cost']).toBeGreaterThan(5 * Number(plain['usage']?.['cost']));
    expect(dear['usage']?.['cost']).toBe((chargeOf(2)?.cost_micros ?? 0) / 1e6);
  });

  it('says in its own words and in the model’s why there is no image', async () => {
    emulator.control.putFaults([
      { match: { nth: 1 }, fault: { kind: 'blocked', finishReason: 'IMAGE_SAFETY' } },
      { match: { nth: 1 }, fault: { kind: 'no_image' } },
      { match: { nth: 1 }, fault: { kind: 'prompt_blocked', blockReason: 'PROHIBITED_CONTENT' } },
    ]);
    const choices = [await choiceOf(), await choiceOf(), await choiceOf()];

    expect(choices.map((choice) => [choice?.['finish_reason'], choice?.['native_finish_reason']])).toEqual([
      ['content_filter', 'IMAGE_SAFETY'],
      ['stop', 'NO_IMAGE'],
      ['content_filter', 'PROHIBITED_CONTENT'],
    ]);
    expect(choices.every((choice) => !('images' in (choice?.['message'] ?? {})))).toBe(true);
    expect(emulator.control.bill()).toMatchObject({ images: 0, billed_calls: 3 });
  });

  it.each([
    ['choice', { choices: [{ finish_reason: 'error', error: { code: 502 } }] }],
    ['top', { error: { code: 502, metadata: { provider_name: 'Google AI Studio' } } }],
  ] as const)('can fail within a 200, at the %s, and costs nothing then', async (at, told) => {
    emulator.control.putFaults([{ fault: { kind: 'error_in_200', at } }]);

    expect(await tell(emulator, CHAT, aChat())).toMatchObject({ status: 200, json: told });
    expect(emulator.control.bill()).toMatchObject({ calls: 1, billed_calls: 0 });
  });

  it('is a 500 with models that only make images', async () => {
    emulator.control.patchSettings({ openrouter: { image_only: [anOrder.model] } });

    expect((await tell(emulator, CHAT, aChat())).status).toBe(500);
    expect((await tell(emulator, IMAGES, anOrder)).status).toBe(200);
  });
});

describe('the images API', () => {
  it('answers with base64, its type and its price, and lets unknown fields pass', async () => {
    const input_references = [{ type: 'image_url', image_url: { url: `data:image/png;base64,${await aPicture()}` } }];
    const order = { ...anOrder, aspect_ratio: '1:1', resolution: '1K', output_format: 'png', input_references, x: 1 };
    const { json } = await tell(emulator, IMAGES, order);
    const [image] = listOf(json['data']);

    expect(image?.['media_type']).toBe('image/png');
    expect(await sharp(Buffer.from(textOf(image?.['b64_json']), 'base64')).metadata()).toMatchObject({
      format: 'png',
      width: 1024,
    });
    expect(json['usage']?.['cost']).toBe((chargeOf(1)?.cost_micros ?? 0) / 1e6);
    expect(emulator.control.journal().entries[0]).toMatchObject({ route: 'create_images', mode: 'openrouter' });
  });

  it('refuses what was not wanted, for nothing', async () => {
    emulator.control.putFaults([{ fault: { kind: 'blocked', finishReason: 'IMAGE_SAFETY' } }]);

    expect(await tell(emulator, IMAGES, anOrder)).toMatchObject({
      status: 403,
      json: { error: { code: 403, metadata: { reasons: ['IMAGE_SAFETY'] } } },
    });
    expect(emulator.control.bill().billed_calls).toBe(0);
  });

  it('lists what there is', async () => {
    const models = await tell(emulator, '/api/v1/models');
    const endpoints = await tell(emulator, `/api/v1/images/models/${anOrder.model}/endpoints`);

    expect(listOf(models.json['data']).map((model) => model['id'])).toContain(anOrder.model);
    expect(endpoints.json['data']?.['endpoints']?.[0]?.['supported_resolutions']).toEqual(['1K', '2K', '4K']);
    expect((await tell(emulator, '/api/v1/images/models/x/y/endpoints')).status).toBe(404);
  });
});

it('tells anybody what there is, and those with a key what is left to them', async () => {
  emulator.control.patchSettings({ openrouter: { credits_micros: 5_000_000 } });
  await tell(emulator, CHAT, aChat());
  const spent = (chargeOf(1)?.cost_micros ?? 0) / 1e6;

  expect((await tell(emulator, '/api/v1/models', undefined, '')).status).toBe(200);
  expect((await tell(emulator, '/api/v1/key', undefined, 'invalid')).status).toBe(401);
  expect((await tell(emulator, '/api/v1/key')).json['data']).toMatchObject({
    usage: spent,
    limit: 5,
    limit_remaining: 5 - spent,
  });
});

describe('a refusal', () => {
  it('is in an envelope of its own, with what the provider said', async () => {
    emulator.control.putFaults([{ fault: { kind: 'overloaded' } }]);
    const { status, json } = await tell(emulator, CHAT, aChat());
    const raw = JSON.parse(textOf(json['error']?.['metadata']?.['raw']));

    expect(status).toBe(503);
    expect(json['error']).toMatchObject({ code: 503, message: 'Provider returned error' });
    expect(raw.error.status).toBe('UNAVAILABLE');
  });

  it.each([
    ['of no key', '', aChat(), 401],
    ['of a wrong key', 'invalid-key', aChat(), 401],
    ['of an unknown model', 'test', aChat('x', { model: 'google/no-such' }), 400],
    ['of a size that the model does not make', 'test', aChat('x', { image_config: { image_size: '9K' } }), 400],
    ['of a message that is none', 'test', aChat('x', { messages: 'hello' }), 400],
  ])('%s says so', async (_, token, body, status) => {
    const told = await tell(emulator, CHAT, body, token);

    expect(told.status).toBe(status);
    expect(told.json['error']?.['code']).toBe(status);
    expect(emulator.control.bill().billed_calls).toBe(0);
  });

  it('of a full quota tells the limit in headers and body', async () => {
    emulator.control.patchSettings({ quotas: { rpm: 1 } });
    await tell(emulator, CHAT, aChat());
    const { status, headers, json } = await tell(emulator, CHAT, aChat());

    expect(status).toBe(429);
    expect(headers.get('x-ratelimit-limit')).toBe('1');
    expect(Number(headers.get('x-ratelimit-reset'))).toBeGreaterThan(Date.now());
    expect(json['error']?.['metadata']?.['headers']).toMatchObject({ 'X-RateLimit-Remaining': '0' });
  });

  it('comes when the credits are spent', async () => {
    emulator.control.patchSettings({ openrouter: { credits_micros: 1 } });

    expect((await tell(emulator, CHAT, aChat())).status).toBe(200);
    expect(await tell(emulator, CHAT, aChat())).toMatchObject({ status: 402, json: { error: { code: 402 } } });
    expect((await tell(emulator, IMAGES, anOrder)).status).toBe(402);
  });
});
