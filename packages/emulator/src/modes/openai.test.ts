import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Emulator, startEmulator } from '../server.ts';
import { aPicture } from '../testing/client.ts';
import { COMPATIBLE, EDITS, GENERATIONS, type Json, listOf, tell, textOf } from '../testing/modes.ts';

let emulator: Emulator;
beforeEach(async () => {
  emulator = await startEmulator();
});
afterEach(() => emulator.close());

const GPT = 'gpt-image-1';
const PRO = 'gemini-3-pro-image';
const order = (more: object = {}) => ({ model: GPT, prompt: 'a red bicycle', ...more });
const sizeOf = async (base64: Json | undefined) => {
  const { width, height } = await sharp(Buffer.from(textOf(base64), 'base64')).metadata();
  return `${width}x${height}`;
};

async function aForm(fields: Record<string, string>, images = 1): Promise<FormData> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  const picture = new Blob([Buffer.from(await aPicture(), 'base64')], { type: 'image/png' });
  for (let i = 0; i < images; i += 1) form.append('image[]', picture, `${i}.png`);
  return form;
}

describe('generations', () => {
  it('makes an image of the size that was asked for, and counts its tokens', async () => {
    const { json } = await tell(emulator, GENERATIONS, order({ size: '1536x1024', n: 1 }));

    expect(await sizeOf(json['data']?.[0]?.['b64_json'])).toBe('1536x1024');
    expect(json).toMatchObject({
      size: '1536x1024',
      output_format: 'png',
      usage: { total_tokens: expect.any(Number) },
    });
    expect(emulator.control.bill()).toMatchObject({ calls: 1, images: 1 });
    expect(emulator.control.journal().entries[0]).toMatchObject({ route: 'image_generations', mode: 'openai' });
  });

  it('makes of Gemini’s models, and of their old names, the nearest shape', async () => {
    const wide = await tell(
      emulator,
      GENERATIONS,
      order({ model: PRO, size: '2752x1536', response_format: 'b64_json' }),
    );
    const old = await tell(emulator, GENERATIONS, order({ model: `${PRO}-preview`, size: 'auto', foreign: true }));

    expect(await sizeOf(wide.json['data']?.[0]?.['b64_json'])).toBe('2752x1536');
    expect(old.status).toBe(200);
    expect(emulator.control.bill().by_model).toMatchObject({ [PRO]: { calls: 2, images: 2 } });
  });

  it.each([
    ['a size it does not make', order({ size: '999x999' }), 400, { param: 'size' }],
    ['a field it does not know', order({ response_format: 'b64_json' }), 400, { param: 'response_format' }],
    ['no prompt', { model: GPT }, 400, { param: 'prompt' }],
    ['two images', order({ n: 2 }), 400, { param: 'n' }],
    ['a model that is not there', order({ model: 'gpt-image-9' }), 404, { code: 'model_not_found' }],
  ])('refuses %s', async (_, body, status, error) => {
    const told = await tell(emulator, GENERATIONS, body);

    expect(told.status).toBe(status);
    expect(told.json['error']).toMatchObject({ type: 'invalid_request_error', ...error });
  });

  it.each([
    [{ kind: 'quota_minute', retryMs: 12_000 }, 429, 'rate_limit_exceeded'],
    [{ kind: 'quota_spend' }, 429, 'insufficient_quota'],
    [{ kind: 'key_invalid' }, 401, 'invalid_api_key'],
    [{ kind: 'blocked', finishReason: 'IMAGE_SAFETY' }, 400, 'moderation_blocked'],
    [{ kind: 'internal' }, 500, null],
  ] as const)('tells a fault such as %j in its own words, for nothing', async (fault, status, code) => {
    emulator.control.putFaults([{ fault }]);
    const told = await tell(emulator, GENERATIONS, order());

    expect(told.status).toBe(status);
    expect(told.json['error']?.['code']).toBe(code);
    expect(told.headers.get('x-request-id')).toMatch(/^req_/);
    expect(told.headers.get('retry-after')).toBe(fault.kind === 'quota_minute' ? '12' : null);
    expect(emulator.control.bill().billed_calls).toBe(0);
  });

  it('bills once, whatever becomes of the answer', async () => {
    emulator.control.putFaults([{ fault: { kind: 'reset_after_billing' } }]);

    await expect(tell(emulator, GENERATIONS, order())).rejects.toThrow('fetch failed');
    await emulator.control.idle();
    expect(emulator.control.bill()).toMatchObject({ calls: 1, billed_calls: 1, images: 1 });
  });

  it('may ask one price for each image', async () => {
    emulator.control.patchSettings({ relay: { price_micros: 50_000 } });
    await tell(emulator, GENERATIONS, order({ model: PRO }));

    expect(emulator.control.bill().cost_micros).toBe(50_000);
  });
});

describe('edits', () => {
  it('takes files by form', async () => {
    const { status, json } = await tell(emulator, EDITS, await aForm({ model: GPT, prompt: 'make it red', n: '1' }, 2));

    expect(status).toBe(200);
    expect(json['usage']?.['input_tokens_details']?.['image_tokens']).toBe(2 * 323);
    expect(emulator.control.journal().entries[0]).toMatchObject({ route: 'image_edits', prompt: 'make it red' });
  });

  it.each([
    ['no image', async () => aForm({ model: GPT, prompt: 'x' }, 0), 'image'],
    ['too many', async () => aForm({ model: PRO, prompt: 'x' }, 15), null],
    ['no form', async () => order(), null],
  ])('refuses %s', async (_, body, param) => {
    const { status, json } = await tell(emulator, EDITS, await body());

    expect(status).toBe(400);
    expect(json['error']?.['param']).toBe(param);
  });
});

describe('Google’s compatible endpoint', () => {
  it('answers with base64 alone, and writes errors as a list', async () => {
    const made = await tell(emulator, COMPATIBLE, order({ model: PRO, response_format: 'b64_json' }));
    const { status, json } = await tell(emulator, COMPATIBLE, order({ model: GPT }));

    expect(Object.keys(made.json['data']?.[0] ?? {})).toEqual(['b64_json']);
    expect(made.json).not.toHaveProperty('usage');
    expect(status).toBe(404);
    expect(json).toEqual([{ error: expect.objectContaining({ code: 404, status: 'NOT_FOUND' }) }]);
    expect(emulator.control.journal().entries.map(({ mode }) => mode)).toEqual(['compatible', 'compatible']);
  });
});

it('lists its models in OpenAI’s words to whoever comes with a token', async () => {
  const list = await tell(emulator, '/v1/models');
  const one = await tell(emulator, `/v1/models/${GPT}`);
  const native = await fetch(`${emulator.url}/v1/models`, { headers: { 'x-goog-api-key': 'test' } });

  expect(listOf(list.json['data']).map((model) => model['id'])).toEqual(expect.arrayContaining([GPT, PRO]));
  expect(one.json).toMatchObject({ id: GPT, object: 'model' });
  expect((await tell(emulator, '/v1/models', undefined, 'invalid')).status).toBe(401);
  expect(await native.json()).toHaveProperty('models');
});
