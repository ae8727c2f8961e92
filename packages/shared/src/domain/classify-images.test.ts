import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Answer, SpooledBlob } from './answer.ts';
import { classify } from './classify.ts';

function aBlob(n: number): SpooledBlob {
  return { path: `/spool/a.${n}.blob`, bytes: 1_000, sha256: String(n).repeat(64), crc32c: 7 };
}

function images(body: unknown, blobs = 0, more: Partial<Answer> = {}): Answer {
  const lifted = Array.from({ length: blobs }, (_, n) => aBlob(n));
  return { dialect: 'images', httpStatus: 200, headers: {}, body, blobs: lifted, ms: 10, ...more };
}

describe('an answer of images', () => {
  it('is its image, with tokens and cost as a router names them', () => {
    const usage = {
      prompt_tokens: 10,
      completion_tokens: 1210,
      total_tokens: 1220,
      cost: 0.0672,
      completion_tokens_details: { image_tokens: 1120 },
    };

    expect(
      classify(images({ created: 1, data: [{ b64_json: '@blob:0', media_type: 'IMAGE/JPEG' }], usage }, 1)),
    ).toEqual({
      type: 'image',
      image: 0,
      mime: 'image/jpeg',
      imagesBilled: 1,
      usage: { promptTokens: 10, imageTokens: 1120, textTokens: 90, totalTokens: 1220, missing: false },
      reportedCost: 67_200,
    });
  });

  it('is its image, with tokens as OpenAI names them, and the prompt that was really used', () => {
    const usage = {
      input_tokens: 50,
      output_tokens: 4160,
      total_tokens: 4210,
      input_tokens_details: { image_tokens: 40 },
    };
    const body = {
      output_format: 'webp',
      data: [{ b64_json: '@blob:0', revised_prompt: 'a red bicycle, at dawn' }],
      usage,
    };

    expect(classify(images(body, 1))).toMatchObject({
      type: 'image',
      mime: 'image/webp',
      text: 'a red bicycle, at dawn',
      usage: { promptTokens: 50, imageTokens: 4160, textTokens: 0, totalTokens: 4210 },
    });
  });

  it('without usage says that the numbers are missing', () => {
    expect(classify(images({ data: [{ b64_json: '@blob:0' }] }, 1))).toMatchObject({
      type: 'image',
      mime: 'image/*',
      usage: { missing: true },
    });
  });

  it('takes the last image, also out of a data URL, and bills every one', () => {
    const body = { data: [{ b64_json: '@blob:0' }, { url: 'data:image/webp;base64,@blob:1' }] };

    expect(classify(images(body, 2))).toMatchObject({ image: 1, mime: 'image/webp', imagesBilled: 2 });
  });

  it('with an address in place of the image made none, says so, and was billed', () => {
    const verdict = classify(images({ data: [{ url: 'https://cdn.example/a.png?sig=secret' }] }));

    expect(verdict).toMatchObject({
      type: 'no_image',
      imagesBilled: 1,
      message: 'the channel answered with an address in place of b64_json: https://cdn.example/a.png?[removed]',
    });
  });

  it('without any image made none', () => {
    expect(classify(images({ created: 1, data: [] }))).toMatchObject({ type: 'no_image', imagesBilled: 0 });
    expect(classify(images('<html>'))).toMatchObject({ type: 'no_image', imagesBilled: 0 });
  });

  it('may be an error under a status of success, wrapped into an array', () => {
    const body = [{ error: { code: 503, message: 'The model is overloaded.' } }];

    expect(classify(images(body))).toMatchObject({ type: 'rejected', code: 'upstream_overloaded', http: 503 });
  });
});

describe('an error answer in OpenAI’s shape', () => {
  const envelope = (message: string, more: object = {}) => ({
    error: { message, type: 'x', code: null, param: null, ...more },
  });
  const judged = (httpStatus: number, body: unknown, headers: Record<string, string> = {}) =>
    classify(images(body, 0, { httpStatus, headers }));

  it.each([
    ['401', 401, envelope('Incorrect API key provided.', { code: 'invalid_api_key' })],
    ['402 without credits', 402, { error: { code: 402, message: 'Insufficient credits.' } }],
    ['429 of an empty account', 429, envelope('You exceeded your current quota.', { code: 'insufficient_quota' })],
    ['400 of a spent budget', 400, envelope('Billing hard limit reached.', { code: 'billing_hard_limit_reached' })],
    ['400 about the key', 400, envelope('Bad key', { code: 'invalid_api_key' })],
    ['403 about the key', 403, { error: { code: 403, message: 'Key limit exceeded.' } }],
  ])('%s takes the channel down', (_, status, body) => {
    expect(judged(status, body)).toMatchObject({
      type: 'rejected',
      code: 'upstream_auth',
      retryable: false,
      channelDown: true,
    });
  });

  it.each([
    [
      'a router',
      403,
      { error: { code: 403, message: 'Flagged', metadata: { reasons: ['violence', 'hate'] } } },
      'violence, hate',
    ],
    ['OpenAI', 400, envelope('Rejected by the safety system.', { code: 'moderation_blocked' }), 'moderation_blocked x'],
    ['Google', 400, [{ error: { code: 400, message: 'Your request was rejected by the safety system.' } }], undefined],
  ])('of the moderator of %s blocks the content and bills nothing', (_, status, body, blockReason) => {
    expect(judged(status, body)).toMatchObject({
      type: 'blocked',
      ...(blockReason && { blockReason }),
      usage: { missing: true, totalTokens: 0 },
    });
  });

  it.each([
    [404, envelope('The model does not exist.', { code: 'model_not_found' })],
    [404, { error: { code: 404, message: 'No endpoints found for google/gemini-x.' } }],
    [400, { error: { code: 400, message: 'google/gemini-x is not a valid model ID' } }],
  ])('%i about the model says that it is gone', (status, body) => {
    expect(judged(status, body)).toMatchObject({ code: 'model_retired', retryable: false });
  });

  it('names the quota that was hit, and when it has room again', () => {
    const words =
      'Rate limit reached for gpt-image-1 in organization org-1 on images per min (IPM): Limit 5, Used 5, Requested 1. Please try again in 12.5s.';

    expect(judged(429, envelope(words, { code: 'rate_limit_exceeded' }))).toMatchObject({
      code: 'upstream_rate_limited',
      limit: 'minute',
      retryAfterMs: 12_500,
      quotas: [{ id: 'images per min', of: 'images', per: 'minute', value: 5 }],
    });
    expect(judged(429, { error: { code: 429, message: 'Rate limit exceeded: free-models-per-day' } })).toMatchObject({
      limit: 'day',
      quotaId: 'free-models-per-day',
    });
  });

  it('waits as long as the header says', () => {
    expect(judged(429, envelope('Slow down.'), { 'retry-after': '7' })).toMatchObject({ retryAfterMs: 7_000 });
  });

  it('408 of a router that waited leaves the outcome in doubt, as 524 does', () => {
    expect(judged(408, { error: { code: 408, message: 'Your request timed out.' } })).toMatchObject({
      type: 'in_doubt',
    });
    expect(judged(408, '')).toMatchObject({ type: 'rejected', code: 'upstream_unavailable', retryable: true });
    expect(judged(524, 'error code: 524')).toMatchObject({ type: 'in_doubt', http: 524 });
  });

  it.each([
    [{ detail: 'Unknown model' }, 'Unknown model'],
    [
      { detail: [{ loc: ['body', 'size'], msg: 'bad size', type: 'value_error' }, { msg: 'bad n' }] },
      'bad size; bad n',
    ],
    [[envelope('wrapped')], 'wrapped'],
    [{ message: 'plain' }, 'plain'],
    [{ error: 'bare' }, 'bare'],
  ])('is read wherever it has its words: %j', (body, message) => {
    expect(judged(422, body)).toMatchObject({ type: 'rejected', code: 'upstream_rejected', message });
  });
});

describe('whatever arrives in either shape', () => {
  const names =
    'choices message images image_url url content text b64_json data error code type metadata reasons raw provider_name usage cost total_tokens finish_reason refusal detail msg toString'.split(
      ' ',
    );
  const words = fc.constantFrom(
    '@blob:0',
    '@blob:99',
    'data:image/png;base64,@blob:0',
    '![](data:image/png;base64,@blob:1)',
    '429',
  );
  const { shaped } = fc.letrec<{ shaped: unknown }>((tie) => ({
    shaped: fc.oneof(
      { maxDepth: 7 },
      fc.oneof(words, fc.jsonValue({ maxDepth: 1 })),
      fc.array(tie('shaped'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...names), tie('shaped'), { maxKeys: 5 }),
    ),
  }));

  it('is judged without throwing when a code is no word and no number', () => {
    const code = JSON.parse('{"toString":1,"valueOf":1}');

    expect(classify(images({ error: { code } }, 0, { dialect: 'chat' }))).toMatchObject({
      type: 'rejected',
      http: 502,
    });
  });

  it('is judged without throwing, and an image is one that is there', () => {
    const status = fc.constantFrom(200, 200, 400, 402, 403, 408, 429, 503);
    fc.assert(
      fc.property(
        status,
        shaped,
        fc.constantFrom('chat', 'images'),
        fc.nat({ max: 2 }),
        (http, body, dialect, blobs) => {
          const verdict = classify(images(body, blobs, { httpStatus: http, dialect }));

          expect(verdict.type === 'image' ? verdict.image < blobs : true).toBe(true);
        },
      ),
      { numRuns: 3_000 },
    );
  });
});
