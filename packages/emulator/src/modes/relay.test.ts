import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Emulator, startEmulator } from '../server.ts';
import { aChat, aContent, GENERATIONS, NATIVE, RELAY_CHAT, tell, textOf } from '../testing/modes.ts';

let emulator: Emulator;
beforeEach(async () => {
  emulator = await startEmulator({ settings: { longest_side: 64 } });
});
afterEach(() => emulator.close());

const partsOf = async (prompt?: string) =>
  (await tell(emulator, NATIVE, aContent(prompt))).json['candidates']?.[0]?.['content']?.['parts'];

describe('a copy of Gemini', () => {
  it('answers to a token, without signatures and under old names', async () => {
    const old = NATIVE.replace(':', '-preview:');

    expect((await partsOf())?.[0]).not.toHaveProperty('thoughtSignature');
    expect((await tell(emulator, old, aContent())).status).toBe(200);
    expect(emulator.control.journal().entries).toMatchObject([
      { mode: 'relay', model: 'gemini-3-pro-image' },
      { mode: 'relay', model: 'gemini-3-pro-image' },
    ]);
  });

  it('passes on, withholds and changes what it is told to', async () => {
    emulator.control.patchSettings({ relay: { signatures: true, usage: false, png: true } });
    const { json } = await tell(emulator, NATIVE, aContent());
    const part = json['candidates']?.[0]?.['content']?.['parts']?.[0];

    expect(part).toHaveProperty('thoughtSignature');
    expect(json).not.toHaveProperty('usageMetadata');
    expect((await sharp(Buffer.from(textOf(part?.['inlineData']?.['data']), 'base64')).metadata()).format).toBe('png');
  });

  it('has null for parts when there is no image', async () => {
    expect(await partsOf('x [[emulator fault=no_image]]')).toBeNull();
  });

  it.each([
    ['overloaded', 503, 'bad_response_status_code'],
    ['model_not_found', 503, 'model_not_found'],
    ['key_invalid', 401, ''],
    ['quota_day', 429, '429'],
    ['invalid_argument', 400, 'invalid_argument'],
  ])('tells %s in an envelope of its own', async (fault, status, code) => {
    const told = await tell(emulator, NATIVE, aContent(`x [[emulator fault=${fault}]]`));

    expect(told.status).toBe(status);
    expect(told.json).toEqual({
      error: { message: expect.stringContaining('request id'), type: expect.any(String), code },
    });
  });

  it('has neither files nor batches', async () => {
    for (const path of ['/v1beta/files', '/v1beta/batches']) {
      expect((await tell(emulator, path)).status).toBe(404);
    }
    expect((await tell(emulator, NATIVE.replace('generate', 'batchGenerate'), {})).status).toBe(404);
  });

  it('gives up after a while, with its proxy’s page', async () => {
    const response = await fetch(emulator.url + NATIVE, {
      method: 'POST',
      headers: { authorization: 'Bearer x' },
      body: JSON.stringify(aContent('x [[emulator fault=gateway_timeout]]')),
    });

    expect(response.status).toBe(524);
    expect(response.headers.get('content-type')).toContain('text/html');
  });
});

it('may use its own envelope for OpenAI’s images, too', async () => {
  emulator.control.patchSettings({ relay: { envelope: 'relay' } });
  const { status, json } = await tell(emulator, GENERATIONS, { model: 'no-such', prompt: 'x' });

  expect(status).toBe(503);
  expect(json['error']).toMatchObject({ type: 'new_api_error', code: 'model_not_found' });
});

describe('its chat', () => {
  it('has the image in markdown', async () => {
    const { json } = await tell(emulator, RELAY_CHAT, aChat('x', { model: 'gemini-3-pro-image' }));
    const content = textOf(json['choices']?.[0]?.['message']?.['content']);
    const [, base64 = ''] = /^!\[image\]\(data:image\/jpeg;base64,([\w+/=]+)\)$/.exec(content) ?? [];

    expect((await sharp(Buffer.from(base64, 'base64')).metadata()).format).toBe('jpeg');
    expect(emulator.control.bill().images).toBe(1);
  });

  it('has words before it, and words alone when there is none', async () => {
    const contentOf = async (fault: string) => {
      const body = aChat(`a "quoted" cat [[emulator fault=${fault}]]`, { model: 'gemini-3-pro-image' });
      return (await tell(emulator, RELAY_CHAT, body)).json['choices']?.[0]?.['message']?.['content'];
    };

    expect(await contentOf('with_text')).toMatch(/^Here is your image: a "quoted" cat[^]*\n\n!\[image\]\(data:/);
    expect(await contentOf('no_image')).toContain('Unable to show the generated image');
  });
});
