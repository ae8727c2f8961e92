import { describe, expect, it } from 'vitest';
import { classify } from '../../../domain/classify.ts';
import { toKeyedAnswer } from './result-line.ts';

const judged = (error: unknown) => {
  const keyed = toKeyedAnswer({ key: 'a', error }, []);
  if (!keyed) throw new Error('no key');
  return classify(keyed.answer);
};

describe('an error line', () => {
  it.each([
    [3, 400, { code: 'upstream_rejected', retryable: false }],
    [4, 408, { code: 'upstream_unavailable', retryable: true }],
    [5, 404, { code: 'upstream_rejected', retryable: false }],
    [8, 429, { code: 'upstream_rate_limited', retryable: true, limit: 'unknown' }],
    [13, 500, { code: 'upstream_unavailable', retryable: true }],
    [14, 503, { code: 'upstream_overloaded', retryable: true, limit: 'overload' }],
    [2, 500, { code: 'upstream_unavailable', retryable: true }],
    [99, 500, { code: 'upstream_unavailable', retryable: true }],
    ['x', 500, { code: 'upstream_unavailable', retryable: true }],
    [429, 429, { code: 'upstream_rate_limited', retryable: true }],
  ])('of code %s counts as HTTP %i', (code, http, verdict) => {
    expect(judged({ code, message: 'It failed.' })).toMatchObject({ type: 'rejected', http, ...verdict });
  });

  it.each([4, 13, 14, 504])('that tells of a deadline, by code %i or in words, is no doubt', (code) => {
    const verdict = judged({ code, message: 'Deadline expired before operation could complete.' });

    expect(verdict).toMatchObject({ type: 'rejected', code: 'upstream_unavailable', retryable: true, http: 408 });
  });

  it('about a file is the line’s fault; about a model, the model’s', () => {
    const file = 'You do not have permission to access the File abc or it may not exist.';
    const model = 'models/gemini-0 is not found for API version v1beta.';

    expect(judged({ code: 7, message: file })).toMatchObject({ code: 'upstream_rejected', retryable: false });
    expect(judged({ code: 7, message: file })).not.toHaveProperty('channelDown');
    expect(judged({ code: 5, message: model })).toMatchObject({ code: 'model_retired' });
  });

  it('may be anything', () => {
    for (const error of ['boom', 7, [], {}, true]) {
      expect(judged(error)).toMatchObject({ type: 'rejected', http: 500, retryable: true });
    }
  });
});

describe('a line', () => {
  it('with neither answer nor error is an answer with nothing in it', () => {
    expect(toKeyedAnswer({ key: 'a' }, [])).toMatchObject({ answer: { httpStatus: 200, body: {} } });
    expect(toKeyedAnswer({ key: 'a', error: null, response: { x: 1 } }, [])).toMatchObject({
      answer: { httpStatus: 200, body: { x: 1 } },
    });
  });

  it('without a key that is text has none', () => {
    for (const line of [{}, { key: '' }, { key: 5 }, { key: null }, [], null, 'key', 5]) {
      expect(toKeyedAnswer(line, [])).toBeUndefined();
    }
  });
});
