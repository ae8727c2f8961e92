import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Answer, SpooledBlob } from './answer.ts';
import { classify } from './classify.ts';

const SECOND = 1_000;
const JPEG = 'image/jpeg';

function aBlob(bytes = 931_371): SpooledBlob {
  return { path: '/spool/a.0.blob', bytes, sha256: 'ab'.repeat(32), crc32c: 7 };
}

function answer(httpStatus: number, body: unknown, more: Partial<Answer> = {}): Answer {
  return { httpStatus, headers: {}, body, blobs: [], ms: 10, ...more };
}

const ok = (body: unknown, blobs = 0) => answer(200, body, { blobs: Array.from({ length: blobs }, () => aBlob()) });
const image = (n: number, more: object = {}) => ({ inlineData: { data: `@blob:${n}`, mimeType: JPEG }, ...more });
const candidate = (parts: unknown[], more: object = {}) => ({
  candidates: [{ content: { parts, role: 'model' }, finishReason: 'STOP', index: 0, ...more }],
});
const finished = (finishReason: string) => ({ candidates: [{ content: {}, finishReason, index: 0 }] });

/** As recorded from gemini-3-pro-image, its base64 lifted. */
const RECORDED = {
  candidates: [
    {
      content: {
        parts: [{ inlineData: { data: '@blob:0', mimeType: 'image/jpeg' }, thoughtSignature: '@blob:1' }],
        role: 'model',
      },
      finishReason: 'STOP',
      index: 0,
    },
  ],
  modelVersion: 'gemini-3-pro-image',
  responseId: '8cxparnuJ-aCg8UPx8HfwQM',
  usageMetadata: {
    candidatesTokenCount: 1216,
    candidatesTokensDetails: [{ modality: 'IMAGE', tokenCount: 1120 }],
    promptTokenCount: 22,
    promptTokensDetails: [{ modality: 'TEXT', tokenCount: 22 }],
    serviceTier: 'standard',
    thoughtsTokenCount: 179,
    totalTokenCount: 1417,
  },
};

describe('a success', () => {
  it('with an image is the image, with its facts and tokens', () => {
    expect(classify(ok(RECORDED, 2))).toEqual({
      type: 'image',
      image: 0,
      mime: 'image/jpeg',
      imagesBilled: 1,
      usage: { promptTokens: 22, imageTokens: 1120, textTokens: 275, totalTokens: 1417, missing: false },
      modelVersion: 'gemini-3-pro-image',
      responseId: '8cxparnuJ-aCg8UPx8HfwQM',
      finishReason: 'STOP',
    });
  });

  it('takes the last image that is no thought, and bills every one', () => {
    const parts = [image(0), { text: 'a draft' }, image(1), image(2), image(3, { thought: true })];

    expect(classify(ok(candidate(parts), 4))).toMatchObject({
      type: 'image',
      image: 2,
      imagesBilled: 4,
      text: 'a draft',
    });
  });

  it('may come in snake case, wrapped into an array, and as PNG', () => {
    const part = { inline_data: { data: '@blob:0', mime_type: 'IMAGE/PNG' }, thought_signature: '@blob:1' };
    const body = { ...candidate([part]), usage_metadata: { total_token_count: '9', prompt_token_count: 4 } };

    expect(classify(ok([body], 2))).toMatchObject({ type: 'image', mime: 'image/png', usage: { totalTokens: 9 } });
  });

  it('keeps the text of all parts but thoughts, and the grounding', () => {
    const grounding = { webSearchQueries: ['red bicycle'] };
    const parts = [
      { text: 'thinking', thought: true },
      { text: 'Here', thoughtSignature: '@blob:0' },
      image(1),
      { text: 'it is' },
    ];

    const verdict = classify(ok(candidate(parts, { groundingMetadata: grounding }), 2));

    expect(verdict).toMatchObject({ type: 'image', image: 1, text: 'Here\nit is', grounding });
  });

  it('without usage says that the numbers are missing', () => {
    const usage = { promptTokens: 0, imageTokens: 0, textTokens: 0, totalTokens: 0, missing: true };

    expect(classify(ok(candidate([image(0)]), 1))).toMatchObject({ type: 'image', usage });
  });

  it('without a split by modality counts an image by the dearer rate', () => {
    const usageMetadata = { promptTokenCount: 10, candidatesTokenCount: 1290, totalTokenCount: 1300 };

    const verdict = classify(ok({ ...candidate([image(0)]), usageMetadata }, 1));

    expect(verdict).toMatchObject({ usage: { imageTokens: 1290, textTokens: 0, missing: false } });
  });

  it('that refused counts thoughts once, though they are reported twice', () => {
    const usageMetadata = {
      promptTokenCount: 59,
      candidatesTokenCount: 200,
      thoughtsTokenCount: 200,
      totalTokenCount: 259,
    };

    const verdict = classify(ok({ ...finished('IMAGE_SAFETY'), usageMetadata }));

    expect(verdict).toMatchObject({ type: 'blocked', usage: { promptTokens: 59, imageTokens: 0, textTokens: 200 } });
  });

  it.each([
    'SAFETY',
    'PROHIBITED_CONTENT',
    'BLOCKLIST',
    'SPII',
    'IMAGE_SAFETY',
    'IMAGE_PROHIBITED_CONTENT',
    'RECITATION',
    'IMAGE_RECITATION',
  ])('that ended with %s is blocked', (finishReason) => {
    expect(classify(ok(finished(finishReason)))).toMatchObject({ type: 'blocked', finishReason });
  });

  it.each([
    'STOP',
    'MAX_TOKENS',
    'LANGUAGE',
    'OTHER',
    'NO_IMAGE',
    'IMAGE_OTHER',
    'MALFORMED_FUNCTION_CALL',
    'UNEXPECTED_TOOL_CALL',
    'TOO_MANY_TOOL_CALLS',
    'CONTINUATION',
    'MALFORMED_RESPONSE',
    'A_REASON_OF_NEXT_YEAR',
  ])('that ended with %s and has no image is worth one more try', (finishReason) => {
    expect(classify(ok(finished(finishReason)))).toMatchObject({ type: 'no_image', finishReason, imagesBilled: 0 });
  });

  it.each(['SAFETY', 'OTHER', 'BLOCKLIST', 'PROHIBITED_CONTENT', 'IMAGE_SAFETY', 'MODEL_ARMOR', 'JAILBREAK'])(
    'whose prompt was blocked for %s is blocked, with or without an empty list of candidates',
    (blockReason) => {
      const promptFeedback = { blockReason, blockReasonMessage: 'The prompt could not be submitted.' };

      for (const body of [{ promptFeedback }, { promptFeedback, candidates: [] }]) {
        const verdict = classify(ok(body));

        expect(verdict).toMatchObject({ type: 'blocked', blockReason, message: 'The prompt could not be submitted.' });
      }
    },
  );

  it.each([
    ['{}', { content: {} }],
    ['a role', { content: { role: 'model' } }],
    ['null parts', { content: { parts: null } }],
    ['nothing', {}],
    ['null', { content: null }],
    ['null among the parts', { content: { parts: [null, 3, 'x'] } }],
  ])('whose content is %s has no image', (_, content) => {
    expect(classify(ok({ candidates: [{ ...content, finishReason: 'IMAGE_OTHER' }] })).type).toBe('no_image');
  });

  it.each([
    [
      'IMAGE_OTHER',
      'no_image',
      'Unable to show the generated image. The model could not generate the image based on the prompt provided. You will not be charged for this request. Try rephrasing the prompt.',
    ],
    [
      'IMAGE_PROHIBITED_CONTENT',
      'blocked',
      'Unable to show the generated image due to interests of third-party content providers. Please edit your prompt and try again. If you think this was an error, send feedback. Support code: 355',
    ],
    ['IMAGE_SAFETY', 'blocked', 'Unable to show the generated image.'],
  ])('that ended with %s is %s, with the words it gave', (finishReason, type, finishMessage) => {
    const body = { candidates: [{ content: { parts: null }, finishReason, finishMessage, index: 0 }] };

    expect(classify(ok(body))).toMatchObject({ type, finishReason, message: finishMessage });
  });

  it('that only talks has no image, and its words say why', () => {
    expect(classify(ok(candidate([{ text: 'I cannot draw that.' }])))).toMatchObject({
      type: 'no_image',
      message: 'I cannot draw that.',
    });
  });

  it('does not take an empty blob, a sound, or a placeholder without a blob for an image', () => {
    const empty = answer(200, candidate([image(0)]), { blobs: [aBlob(0)] });
    const sound = ok(candidate([{ inlineData: { data: '@blob:0', mimeType: 'audio/wav' } }]), 1);

    expect(classify(empty)).toMatchObject({ type: 'no_image', imagesBilled: 1 });
    expect(classify(sound).type).toBe('no_image');
    expect(classify(ok(candidate([image(3)]), 1)).type).toBe('no_image');
  });

  it.each([
    ['not JSON', 'so much text'],
    ['empty', ''],
    ['null', null],
    ['an array', []],
    ['a number', 3],
  ])('whose body is %s has no image', (_, body) => {
    expect(classify(ok(body))).toMatchObject({ type: 'no_image', usage: { missing: true } });
  });
});

const rpc = (code: number, status: string, message: string, details?: unknown[]) => ({
  error: { code, message, status, ...(details && { details }) },
});
const errorInfo = (reason: string, metadata: object = {}) => ({
  '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
  reason,
  domain: 'googleapis.com',
  metadata,
});
const help = {
  '@type': 'type.googleapis.com/google.rpc.Help',
  links: [
    { description: 'Learn more about Gemini API quotas', url: 'https://ai.google.dev/gemini-api/docs/rate-limits' },
  ],
};
const retryInfo = (retryDelay: unknown) => ({ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay });
const quotaFailure = (...violations: object[]) => ({
  '@type': 'type.googleapis.com/google.rpc.QuotaFailure',
  violations,
});
const perMinute = {
  quotaMetric: 'generativelanguage.googleapis.com/generate_requests_per_model',
  quotaId: 'GenerateRequestsPerMinutePerProjectPerModel',
  quotaDimensions: { location: 'global', model: 'gemini-3-pro-image' },
  quotaValue: '10',
};
const perDay = {
  quotaMetric: 'generativelanguage.googleapis.com/generate_requests_per_model_per_day',
  quotaId: 'GenerateRequestsPerDayPerProjectPerModel',
  quotaValue: '100',
};
const QUOTA_TEXT = 'You exceeded your current quota, please check your plan and billing details.';
const limit = (message: string, ...details: unknown[]) => answer(429, rpc(429, 'RESOURCE_EXHAUSTED', message, details));

describe('a limit', () => {
  it('per minute waits as long as it asks, to the fraction', () => {
    expect(classify(limit(QUOTA_TEXT, quotaFailure(perMinute), help, retryInfo('34.4s')))).toEqual({
      type: 'rejected',
      code: 'upstream_rate_limited',
      retryable: true,
      limit: 'minute',
      retryAfterMs: 34_400,
      http: 429,
      quotaId: 'GenerateRequestsPerMinutePerProjectPerModel',
      quotas: [
        {
          id: 'GenerateRequestsPerMinutePerProjectPerModel',
          of: 'requests',
          per: 'minute',
          value: Number(perMinute.quotaValue),
        },
      ],
      message: QUOTA_TEXT,
    });
  });

  it.each([
    ['34s', 34 * SECOND],
    [{ seconds: '12', nanos: 500_000_000 }, 12_500],
    ['0s', 0],
    ['soon', undefined],
  ])('reads a delay of %j', (delay, retryAfterMs) => {
    const verdict = classify(limit('Wait.', retryInfo(delay)));

    expect(verdict).toHaveProperty('type', 'rejected');
    expect('retryAfterMs' in verdict ? verdict.retryAfterMs : undefined).toBe(retryAfterMs);
  });

  it('reads the delay out of the words, and off the header', () => {
    const words = limit(`${QUOTA_TEXT} Please retry in 34.074824224s.`, quotaFailure(perMinute));
    const header = answer(429, '', { headers: { 'retry-after': '17' } });

    expect(classify(words)).toMatchObject({ retryAfterMs: 34_075 });
    expect(classify(header)).toMatchObject({ limit: 'unknown', retryAfterMs: 17_000 });
  });

  it.each([
    [
      'as the paid tier says it',
      limit(`${QUOTA_TEXT} Please retry in 1h52m56.409571576s.`, quotaFailure(perDay), help, retryInfo('6776s')),
      6_776_410,
    ],
    [
      'of the free tier with a short delay',
      limit(QUOTA_TEXT, quotaFailure({ ...perDay, quotaId: `${perDay.quotaId}-FreeTier` }), retryInfo('41s')),
      41_000,
    ],
    ['named by its metric only', limit(QUOTA_TEXT, quotaFailure({ quotaMetric: perDay.quotaMetric })), undefined],
    ['beside a minute that ran out too', limit(QUOTA_TEXT, quotaFailure(perMinute, perDay), retryInfo('34s')), 34_000],
    ['known by its long delay alone', limit('Please retry in 1h52m56.4s.'), 6_776_400],
  ])('per day %s parks', (_, given, retryAfterMs) => {
    expect(classify(given)).toMatchObject({
      type: 'rejected',
      code: 'upstream_quota_exhausted',
      retryable: true,
      limit: 'day',
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    });
  });

  it('of tokens per minute is one per minute', () => {
    const quotaId = 'GenerateContentInputTokensPerModelPerMinute-FreeTier';

    expect(classify(limit(QUOTA_TEXT, quotaFailure({ quotaId })))).toMatchObject({ limit: 'minute', quotaId });
  });

  it('of spending waits for the spend window', () => {
    const words =
      "You exceeded your spend-based rate limit. Your spending rate has exceeded the allowed limit for your account's billing history and tier.";

    expect(classify(limit(words))).toMatchObject({ code: 'upstream_rate_limited', retryable: true, limit: 'spend' });
  });

  it.each([
    ['bare', limit('Resource has been exhausted (e.g. check quota).')],
    ['with help only', limit(QUOTA_TEXT, help)],
    ['of an unknown name', limit(QUOTA_TEXT, quotaFailure({ quotaId: 'GenerateImagesPerWeekPerProject' }))],
    ['without a body', answer(429, '')],
    ['in an array', answer(429, [rpc(429, 'RESOURCE_EXHAUSTED', QUOTA_TEXT)])],
    [
      'of the dynamic shared quota',
      limit(
        'Resource exhausted. Please try again later. Please refer to https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429',
      ),
    ],
  ])('%s is of unknown scope', (_, given) => {
    expect(classify(given)).toMatchObject({ code: 'upstream_rate_limited', retryable: true, limit: 'unknown' });
  });

  it.each([
    [
      'in its words',
      limit(
        `${QUOTA_TEXT}\n* Quota exceeded for metric: generate_content_free_tier_requests, limit: 0, model: gemini-3-pro-image`,
        retryInfo('9s'),
      ),
    ],
    ['in its value', limit(QUOTA_TEXT, quotaFailure({ ...perMinute, quotaValue: '0' }, perDay))],
  ])('of zero %s never opens', (_, given) => {
    const verdict = classify(given);

    expect(verdict).toMatchObject({ code: 'upstream_quota_exhausted', retryable: false });
    expect(verdict).not.toHaveProperty('limit');
    expect(verdict).not.toHaveProperty('retryAfterMs');
  });

  it.each([
    ['GenerateContentRequestsPerMinutePerProjectPerRegion', 'minute'],
    ['GenerateContentRequestsPerDayPerProject', 'day'],
    ['SomethingElse', 'unknown'],
  ])('as the cloud reports it, %s, is of scope %s', (quota_limit, scope) => {
    const metadata = {
      quota_limit,
      quota_limit_value: '60',
      quota_metric: 'aiplatform.googleapis.com/x',
      service: 'y',
    };

    const verdict = classify(limit('Quota exceeded.', errorInfo('RATE_LIMIT_EXCEEDED', metadata), help));

    expect(verdict).toMatchObject({ limit: scope, quotaId: quota_limit });
  });
});

describe('an error answer', () => {
  it.each([
    ['Invalid JSON payload received. Unknown name "imageSiz": Cannot find field.'],
    ['Request contains an invalid argument.'],
    ['Unable to process input image. Please retry or report in troubleshooting.'],
    [
      'Image part is missing a thought_signature in content position 2, part position 1. Please refer to https://ai.google.dev/gemini-api/docs/thought-signatures#model-behavior for more details.',
    ],
  ])('400 %s is final', (words) => {
    const verdict = classify(answer(400, rpc(400, 'INVALID_ARGUMENT', words)));

    expect(verdict).toMatchObject({ type: 'rejected', code: 'upstream_rejected', retryable: false, http: 400 });
    expect(verdict).not.toHaveProperty('channelDown');
  });

  it.each([
    [
      'a key that is wrong',
      400,
      rpc(400, 'INVALID_ARGUMENT', 'API key not valid. Please pass a valid API key.', [errorInfo('API_KEY_INVALID')]),
    ],
    [
      'a key that expired',
      400,
      rpc(400, 'INVALID_ARGUMENT', 'API key expired. Please renew the API key.', [errorInfo('API_KEY_EXPIRED')]),
    ],
    [
      'a key that is wrong, by the words alone',
      400,
      [rpc(400, 'INVALID_ARGUMENT', 'API key not valid. Please pass a valid API key.')],
    ],
    ['a country', 400, rpc(400, 'FAILED_PRECONDITION', 'User location is not supported for the API use.')],
    [
      'billing',
      400,
      rpc(400, 'FAILED_PRECONDITION', 'Gemini API free tier is not available in your country. Please enable billing.'),
    ],
    ['a missing login', 401, rpc(401, 'UNAUTHENTICATED', 'Request had invalid authentication credentials.')],
    [
      'a leaked key',
      403,
      rpc(403, 'PERMISSION_DENIED', 'Your API key was reported as leaked. Please use another API key.'),
    ],
    ['a project', 403, rpc(403, 'PERMISSION_DENIED', 'Permission denied on resource project x.')],
  ])('that refuses %s takes the channel down', (_, status, body) => {
    expect(classify(answer(status, body))).toMatchObject({
      code: 'upstream_auth',
      retryable: false,
      channelDown: true,
    });
  });

  it('403 about a file is about the request, not the channel', () => {
    const words = 'You do not have permission to access the File abc or it may not exist.';
    const verdict = classify(answer(403, rpc(403, 'PERMISSION_DENIED', words)));

    expect(verdict).toMatchObject({ code: 'upstream_rejected', retryable: false });
    expect(verdict).not.toHaveProperty('channelDown');
  });

  it('404 about the model says that it is gone', () => {
    const words =
      'models/gemini-3-pro-image-preview is not found for API version v1beta, or is not supported for generateContent. Call ListModels to see the list of available models and their supported methods.';

    expect(classify(answer(404, rpc(404, 'NOT_FOUND', words)))).toMatchObject({
      code: 'model_retired',
      retryable: false,
    });
  });

  it.each([
    ['a page of a wrong address', '<html><title>404 Not Found</title></html>'],
    ['a file', rpc(404, 'NOT_FOUND', 'File files/abc not found.')],
  ])('404 about %s is final', (_, body) => {
    expect(classify(answer(404, body))).toMatchObject({ code: 'upstream_rejected', retryable: false });
  });

  it.each([
    'This model is currently experiencing high demand. Spikes in demand are usually temporary. Please try again later.',
    'The model is overloaded. Please try again later.',
    'The service is currently unavailable.',
  ])('503 %s is overload', (words) => {
    const verdict = classify(answer(503, rpc(503, 'UNAVAILABLE', words)));

    expect(verdict).toMatchObject({ code: 'upstream_overloaded', retryable: true, limit: 'overload', message: words });
  });

  it.each([
    [503, rpc(503, 'UNAVAILABLE', 'Deadline expired before operation could complete.')],
    [504, rpc(504, 'DEADLINE_EXCEEDED', 'Deadline expired before operation could complete.')],
    [503, rpc(503, 'DEADLINE_EXCEEDED', 'Timed out.')],
    [504, '<html>504 Gateway Time-out</html>'],
    [524, 'error code: 524'],
  ])('%i after a deadline leaves the outcome in doubt', (status, body) => {
    expect(classify(answer(status, body))).toMatchObject({ type: 'in_doubt', http: status });
  });

  it.each([
    [
      '500',
      500,
      rpc(500, 'INTERNAL', 'An internal error has occurred. Please retry or report in troubleshooting.'),
      'upstream_unavailable',
      true,
    ],
    [
      '502 as a page',
      502,
      '<!DOCTYPE html><html><body><h1>502. That’s an error.</h1></body></html>',
      'upstream_overloaded',
      true,
    ],
    ['502 with an empty body', 502, '', 'upstream_overloaded', true],
    [
      '503 as a page',
      503,
      '<html><head><title>503</title></head><body>Backend down</body></html>',
      'upstream_overloaded',
      true,
    ],
    ['413 as a page', 413, '<html>Request Entity Too Large</html>', 'upstream_rejected', false],
    ['499', 499, rpc(499, 'CANCELLED', 'The operation was cancelled.'), 'upstream_unavailable', true],
    ['408', 408, '', 'upstream_unavailable', true],
    ['302', 302, '', 'upstream_unavailable', true],
    [
      '422 of a relay',
      422,
      { error: { message: 'bad size', type: 'invalid_request_error', code: 'x' } },
      'upstream_rejected',
      false,
    ],
  ])('%s is judged by its status', (_, status, body, code, retryable) => {
    expect(classify(answer(status, body))).toMatchObject({ type: 'rejected', code, retryable, http: status });
  });

  it('gives a page’s words without its markup', () => {
    const page = '<!DOCTYPE html><html><style>p{color:red}</style><body><p>502 Bad&nbsp;Gateway</p></body></html>';

    expect(classify(answer(502, page))).toMatchObject({ message: '502 Bad&nbsp;Gateway' });
  });

  it('gives no words with a key in them', () => {
    const words = 'API key AIzaSyA1234567890abcdefghijklmnopqrstuvw is blocked';

    expect(classify(answer(403, rpc(403, 'PERMISSION_DENIED', words)))).toMatchObject({
      message: 'API key [key] is blocked',
    });
  });
});

describe('whatever arrives', () => {
  const types = ['image', 'blocked', 'no_image', 'rejected', 'in_doubt'];
  const status = fc.oneof(fc.integer({ min: 100, max: 599 }), fc.constantFrom(200, 400, 403, 404, 429, 503, 504));
  const words = fc.constantFrom(
    '@blob:0',
    '@blob:9999',
    'IMAGE',
    '1h',
    '34.4s',
    'Deadline expired',
    'limit: 0',
    'NOT_FOUND',
  );
  const names = [
    'candidates content parts inlineData inline_data data mimeType thought text finishReason finishMessage',
    'promptFeedback blockReason usageMetadata totalTokenCount candidatesTokensDetails modality tokenCount',
    'error code message status details violations quotaId quotaValue metadata quota_limit reason retryDelay seconds',
  ].flatMap((line) => line.split(' '));
  /** The names that the rules look at, with anything behind them. */
  const { shaped } = fc.letrec<{ shaped: unknown }>((tie) => ({
    shaped: fc.oneof(
      { maxDepth: 7, withCrossShrink: true },
      fc.oneof(words, fc.jsonValue({ maxDepth: 1 })),
      fc.array(tie('shaped'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...names), tie('shaped'), { maxKeys: 5 }),
    ),
  }));

  it('is judged without throwing', () => {
    fc.assert(
      fc.property(status, fc.oneof(shaped, fc.jsonValue()), fc.nat({ max: 2 }), (http, body, blobs) => {
        const verdict = classify(answer(http, body, { blobs: Array.from({ length: blobs }, () => aBlob()) }));

        expect(types).toContain(verdict.type);
        expect(verdict.type === 'image' ? verdict.image < blobs : true).toBe(true);
        expect(verdict.type === 'rejected' || verdict.type === 'in_doubt').toBe(http < 200 || http > 299);
      }),
      { numRuns: 3_000 },
    );
  });

  it('never makes a count that is no count', () => {
    const number = fc.oneof(fc.integer(), fc.double(), fc.string(), fc.constant(null));
    fc.assert(
      fc.property(number, number, number, number, (a, b, c, d) => {
        const usageMetadata = {
          promptTokenCount: a,
          candidatesTokenCount: b,
          thoughtsTokenCount: c,
          totalTokenCount: d,
        };
        const verdict = classify(ok({ ...candidate([image(0)]), usageMetadata }, 1));

        const usage = verdict.type === 'image' ? verdict.usage : undefined;
        for (const count of [usage?.promptTokens, usage?.imageTokens, usage?.textTokens, usage?.totalTokens]) {
          expect(Number.isSafeInteger(count) && Number(count) >= 0).toBe(true);
        }
      }),
    );
  });

  it('is judged quickly, however long the words', () => {
    const started = performance.now();
    for (const filler of ['1', ' ', 'retry in 1', 'a/', 'https://x?', '<style>', 'AIza', '=']) {
      const words = filler.repeat(1_000_000 / filler.length);
      classify(answer(429, rpc(429, words, words, [retryInfo(words), errorInfo(words)])));
      classify(answer(503, words));
    }

    expect(performance.now() - started).toBeLessThan(2_000);
  });
});
