import { describe, expect, it } from 'vitest';
import { classify } from './classify.ts';
import { lessonOf } from './lesson.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const CURRENT_QUOTA = 'You exceeded your current quota, please check your plan and billing details.';

function answered(httpStatus: number, body: unknown, headers: Record<string, string> = {}) {
  return lessonOf(classify({ httpStatus, headers, body, blobs: [], ms: 10 }));
}

const detail = (type: string, fields: object) => ({ '@type': `type.googleapis.com/google.rpc.${type}`, ...fields });
const help = detail('Help', {
  links: [
    { description: 'Learn more about Gemini API quotas', url: 'https://ai.google.dev/gemini-api/docs/rate-limits' },
  ],
});
const retry = (retryDelay: string) => detail('RetryInfo', { retryDelay });
const violated = (...violations: object[]) => detail('QuotaFailure', { violations });
const refused = (message: string, ...details: object[]) =>
  answered(429, { error: { code: 429, message, status: 'RESOURCE_EXHAUSTED', details } });

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

describe('a refusal teaches', () => {
  it('the minute’s limit of requests, and how long the window is closed', () => {
    expect(refused(`${CURRENT_QUOTA} Please retry in 34.07s.`, violated(perMinute), help, retry('34.4s'))).toEqual([
      { type: 'limit', window: 'requests', limit: 10, retryAfterMs: 34_400 },
    ]);
  });

  it('the minute’s limit of tokens, which this body does not tell', () => {
    const quotaId = 'GenerateContentInputTokensPerModelPerMinute-FreeTier';

    expect(refused(CURRENT_QUOTA, violated({ quotaId }))).toEqual([{ type: 'limit', window: 'tokens' }]);
  });

  it('the minute’s limit of images', () => {
    const quotaId = 'GenerateImagesPerMinutePerProjectPerModel';

    expect(refused(CURRENT_QUOTA, violated({ quotaId, quotaValue: 7 }))).toEqual([
      { type: 'limit', window: 'images', limit: 7 },
    ]);
  });

  it('each of several minute’s limits', () => {
    const tokens = { quotaId: 'GenerateContentInputTokensPerModelPerMinute', quotaValue: '1000000' };

    expect(refused(CURRENT_QUOTA, violated(perMinute, tokens))).toEqual([
      { type: 'limit', window: 'requests', limit: 10 },
      { type: 'limit', window: 'tokens', limit: 1_000_000 },
    ]);
  });

  it('the day’s limit, and a pause as long as it asks for when that is more than an hour', () => {
    const message = `${CURRENT_QUOTA} Please retry in 1h52m56.409571576s.`;

    expect(refused(message, violated(perDay), help, retry('6776s'))).toEqual([
      { type: 'limit', window: 'day', limit: 100 },
      { type: 'pause', ms: 6_776_410, reason: 'parked', why: `the day's limit: ${perDay.quotaId}` },
    ]);
  });

  it('a pause until the day is over, however short the delay that a free day’s body names', () => {
    const quotaId = `${perDay.quotaId}-FreeTier`;
    const metric = 'generativelanguage.googleapis.com/generate_content_free_tier_requests';
    const free = { quotaMetric: metric, quotaId, quotaValue: '50' };

    expect(refused(CURRENT_QUOTA, violated(free), retry('41s'))).toEqual([
      { type: 'limit', window: 'day', limit: 50 },
      { type: 'pause', ms: 'day_end', reason: 'parked', why: `the day's limit: ${quotaId}` },
    ]);
  });

  it('the day, where minute and day are full', () => {
    expect(refused(CURRENT_QUOTA, violated(perMinute, perDay), retry('34s'))).toMatchObject([
      { type: 'limit', window: 'day', limit: 100 },
      { type: 'pause', ms: 'day_end', reason: 'parked' },
    ]);
  });

  it('a long pause alone, where a day’s limit is of tokens or has no name', () => {
    const tokens = { quotaId: 'GenerateContentInputTokensPerModelPerDay', quotaValue: '9' };

    expect(refused(CURRENT_QUOTA, violated(tokens))).toMatchObject([{ type: 'pause', ms: 'day_end' }]);
    expect(refused(CURRENT_QUOTA, retry('7200s'))).toMatchObject([{ type: 'pause', ms: 2 * HOUR, reason: 'parked' }]);
  });

  it('what the channel may spend, and minutes of waiting', () => {
    const message =
      'You exceeded your spend-based rate limit. Your spending rate has exceeded the allowed limit for your account’s billing history and tier.';

    expect(refused(message)).toEqual([{ type: 'limit', window: 'spend', retryAfterMs: 2 * MINUTE }]);
  });

  it.each([
    ['bare', 'Resource has been exhausted (e.g. check quota).', []],
    ['with help only', CURRENT_QUOTA, [help]],
    ['of a quota that nobody knows', CURRENT_QUOTA, [violated({ quotaId: 'GenerateImagesPerWeekPerProject' })]],
  ])('a pause that grows from a minute to an hour, %s', (_, message, details) => {
    expect(refused(message, ...details)).toMatchObject([
      { type: 'pause', ms: MINUTE, growsToMs: HOUR, reason: 'rate_limited' },
    ]);
  });

  it('a pause as long as a bare one asks for', () => {
    expect(answered(429, '', { 'retry-after': '17' })).toMatchObject([{ type: 'pause', ms: 17_000 }]);
  });

  it('a pause of an hour’s quota', () => {
    const quotaId = 'GenerateRequestsPerHourPerProject';

    expect(refused(CURRENT_QUOTA, violated({ quotaId }))).toMatchObject([
      { type: 'pause', ms: 5 * MINUTE, growsToMs: HOUR, why: `the hour's limit: ${quotaId}` },
    ]);
  });

  it('a short pause that grows, where a capacity that everybody shares is used up', () => {
    const message =
      'Resource exhausted. Please try again later. Please refer to https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429';

    expect(refused(message)).toMatchObject([{ type: 'pause', ms: 2_000, growsToMs: MINUTE, reason: 'rate_limited' }]);
  });

  it('that the place is out, where the limit is 0', () => {
    const message = `${CURRENT_QUOTA}\n* Quota exceeded for metric: generate_content_free_tier_requests, limit: 0, model: gemini-3-pro-image`;
    const [inWords] = refused(message, retry('9s'));
    const [inValues] = refused(CURRENT_QUOTA, violated({ ...perMinute, quotaValue: '0' }));

    for (const lesson of [inWords, inValues]) {
      expect(lesson).toMatchObject({ type: 'pause', ms: 30 * 24 * HOUR, reason: 'parked' });
    }
  });

  it.each([
    ['Minute', [{ type: 'limit', window: 'requests', limit: 60 }]],
    [
      'Day',
      [
        { type: 'limit', window: 'day', limit: 60 },
        { type: 'pause', ms: 'day_end' },
      ],
    ],
  ])('the limit of a cloud quota per %s', (unit, lessons) => {
    const info = detail('ErrorInfo', {
      reason: 'RATE_LIMIT_EXCEEDED',
      domain: 'googleapis.com',
      metadata: {
        quota_limit: `GenerateContentRequestsPer${unit}PerProjectPerRegion`,
        quota_limit_value: '60',
        quota_location: 'us-central1',
        quota_metric: 'aiplatform.googleapis.com/generate_content_requests',
        consumer: 'projects/1',
        service: 'aiplatform.googleapis.com',
      },
    });

    expect(refused('Quota exceeded for aiplatform.googleapis.com.', info, help)).toMatchObject(lessons);
  });

  it('the same when the body is an array', () => {
    const error = { code: 429, message: CURRENT_QUOTA, status: 'RESOURCE_EXHAUSTED', details: [violated(perMinute)] };

    expect(answered(429, [{ error }])).toEqual([{ type: 'limit', window: 'requests', limit: 10 }]);
  });

  it('a short pause when an overloaded model names a time, and nothing when it names none', () => {
    const body = { error: { code: 503, message: 'The model is overloaded.', status: 'UNAVAILABLE' } };

    expect(answered(503, body, { 'retry-after': '600' })).toMatchObject([{ type: 'pause', ms: MINUTE }]);
    expect(answered(503, body)).toEqual([]);
  });

  it.each([
    [200, { candidates: [] }],
    [400, { error: { code: 400, message: 'Request contains an invalid argument.', status: 'INVALID_ARGUMENT' } }],
    [403, { error: { code: 403, message: 'The caller does not have permission', status: 'PERMISSION_DENIED' } }],
    [404, { error: { code: 404, message: 'models/x is not found', status: 'NOT_FOUND' } }],
    [500, { error: { code: 500, message: 'An internal error has occurred.', status: 'INTERNAL' } }],
    [504, { error: { code: 504, message: 'Deadline expired', status: 'DEADLINE_EXCEEDED' } }],
  ])('nothing when it is no refusal by a limit: %i', (http, body) => {
    expect(answered(http, body)).toEqual([]);
  });
});
