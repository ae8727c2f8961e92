import { describe, expect, it } from 'vitest';
import type { Answer, SpooledBlob } from './answer.ts';
import { classify } from './classify.ts';

function aBlob(n: number, bytes = 931_371): SpooledBlob {
  return { path: `/spool/a.${n}.blob`, bytes, sha256: String(n).repeat(64), crc32c: 7 };
}

function chat(body: unknown, blobs = 0, more: Partial<Answer> = {}): Answer {
  const lifted = Array.from({ length: blobs }, (_, n) => aBlob(n));
  return { dialect: 'chat', httpStatus: 200, headers: {}, body, blobs: lifted, ms: 10, ...more };
}

const png = (n: number) => `data:image/png;base64,@blob:${n}`;
const part = (n: number) => ({ type: 'image_url', image_url: { url: png(n) } });
const said = (message: object, choice: object = {}) => ({
  id: 'gen-1',
  model: 'google/gemini-3-pro-image',
  choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: 'stop', ...choice }],
});
const USAGE = {
  prompt_tokens: 22,
  completion_tokens: 1395,
  total_tokens: 1417,
  cost: 0.13784,
  completion_tokens_details: { reasoning_tokens: 179, image_tokens: 1120 },
};

describe('a chat', () => {
  it('with an image is the image, with its facts, tokens and what it cost', () => {
    const body = { ...said({ content: 'Here', images: [part(0)] }, { native_finish_reason: 'STOP' }), usage: USAGE };

    expect(classify(chat(body, 1))).toEqual({
      type: 'image',
      image: 0,
      mime: 'image/png',
      imagesBilled: 1,
      usage: { promptTokens: 22, imageTokens: 1120, textTokens: 275, totalTokens: 1417, missing: false },
      reportedCost: 137_840,
      modelVersion: 'google/gemini-3-pro-image',
      responseId: 'gen-1',
      finishReason: 'STOP',
      text: 'Here',
    });
  });

  it('takes the last image, and bills every one', () => {
    expect(classify(chat(said({ images: [part(0), part(1), part(2)] }), 3))).toMatchObject({
      image: 2,
      imagesBilled: 3,
    });
  });

  it.each([
    ['markdown within the text', { content: `Look:\n![a bike](${png(0)})\nthere` }, 'Look:\n\nthere'],
    ['a bare data URL within the text', { content: `Look: ${png(0)}` }, 'Look:'],
    ['a part of the content', { content: [{ type: 'text', text: 'Look' }, part(0)] }, 'Look'],
    ['markdown within a part', { content: [{ type: 'text', text: `![a](${png(0)})` }] }, undefined],
    ['a URL without an object around it', { content: null, images: [{ image_url: png(0) }] }, undefined],
    ['base64 alone', { images: [{ b64_json: '@blob:0' }] }, undefined],
  ])('finds an image in %s', (_, message, text) => {
    const verdict = classify(chat(said(message), 1));

    expect(verdict).toMatchObject({ type: 'image', image: 0, imagesBilled: 1 });
    expect('text' in verdict ? verdict.text : undefined).toBe(text);
  });

  it('counts an image once that is given in two places', () => {
    const body = said({ content: `![a](${png(0)})`, images: [part(1)] });
    const blobs = [aBlob(0), { ...aBlob(1), sha256: aBlob(0).sha256 }];

    expect(classify(chat(body, 0, { blobs }))).toMatchObject({ type: 'image', image: 1, imagesBilled: 1 });
  });

  it.each(['content_filter', 'IMAGE_SAFETY', 'PROHIBITED_CONTENT', 'SAFETY', 'RECITATION'])(
    'that ended with %s is blocked',
    (reason) => {
      const choice = reason === 'content_filter' ? { finish_reason: reason } : { native_finish_reason: reason };

      const verdict = classify(chat({ ...said({ content: 'I cannot.' }, choice), usage: { total_tokens: 9 } }));

      expect(verdict).toMatchObject({ type: 'blocked', finishReason: reason, message: 'I cannot.' });
    },
  );

  it('with a refusal in place of content is blocked', () => {
    expect(classify(chat(said({ content: null, refusal: 'No.' })))).toMatchObject({ type: 'blocked', message: 'No.' });
  });

  it('with words alone made no image', () => {
    const verdict = classify(
      chat({ ...said({ content: 'What colour?' }, { native_finish_reason: 'NO_IMAGE' }), usage: USAGE }),
    );

    expect(verdict).toMatchObject({
      type: 'no_image',
      finishReason: 'NO_IMAGE',
      message: 'What colour?',
      imagesBilled: 0,
    });
  });

  it('with an address in place of the image made no image, and says so', () => {
    const body = said({ images: [{ image_url: { url: 'https://cdn.example/a.png?sig=1' } }] });

    const verdict = classify(chat(body));

    expect(verdict).toMatchObject({ type: 'no_image', message: expect.stringContaining('in place of the image') });
    expect(JSON.stringify(verdict)).not.toContain('sig=1');
  });

  it('takes an image whose bytes never came for none', () => {
    expect(classify(chat(said({ images: [part(0)] }), 0, { blobs: [aBlob(0, 0)] }))).toMatchObject({
      type: 'no_image',
    });
    expect(classify(chat(said({ images: [part(7)] })))).toMatchObject({ type: 'no_image' });
  });

  it('adds the provider’s own bill when the key there is ours', () => {
    const usage = { ...USAGE, cost: 0.007, is_byok: true, cost_details: { upstream_inference_cost: 0.134 } };

    expect(classify(chat({ ...said({ images: [part(0)] }), usage }, 1))).toMatchObject({ reportedCost: 141_000 });
  });

  it.each([[-1], ['many'], [null], [1e9], [Number.NaN]])('believes no cost of %s', (cost) => {
    const verdict = classify(chat({ ...said({ images: [part(0)] }), usage: { ...USAGE, cost } }, 1));

    expect(verdict).not.toHaveProperty('reportedCost');
  });
});

describe('an error under a status of success', () => {
  const raw = '{"error":{"message":"The model is overloaded."}}';
  const failed = (code: unknown, message = 'Provider returned error') => ({
    code,
    message,
    metadata: { provider_name: 'Google AI Studio', raw },
  });

  it.each([
    [429, { type: 'rejected', code: 'upstream_rate_limited', limit: 'unknown', http: 429 }],
    [502, { type: 'rejected', code: 'upstream_unavailable', retryable: true, http: 502 }],
    [503, { type: 'rejected', code: 'upstream_overloaded', http: 503 }],
    ['504', { type: 'in_doubt', http: 504 }],
    ['server_error', { type: 'rejected', code: 'upstream_unavailable', http: 502 }],
    ['rate_limit_exceeded', { type: 'rejected', code: 'upstream_rate_limited', http: 429 }],
    [401, { type: 'rejected', code: 'upstream_auth', channelDown: true }],
  ])('of code %s is judged as if it came under it', (code, verdict) => {
    expect(classify(chat({ error: failed(code) }))).toMatchObject(verdict);
    expect(classify(chat(said({ content: '' }, { finish_reason: 'error', error: failed(code) })))).toMatchObject(
      verdict,
    );
  });

  it('says who had it, and what that one said', () => {
    expect(classify(chat({ error: failed(502) }))).toMatchObject({
      message: `Provider returned error: Google AI Studio: ${raw}`,
    });
  });

  it('does not take away an image that came all the same', () => {
    expect(classify(chat(said({ images: [part(0)] }, { error: failed(502) }), 1))).toMatchObject({ type: 'image' });
  });

  it('was billed when it says what it cost', () => {
    const verdict = classify(chat({ ...said({ content: '' }, { error: failed(502) }), usage: USAGE }));

    expect(verdict).toMatchObject({ type: 'no_image', reportedCost: 137_840, message: 'Provider returned error' });
  });
});
