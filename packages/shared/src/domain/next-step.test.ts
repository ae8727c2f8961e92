import { describe, expect, it } from 'vitest';
import { doubtEnd, imageEnd, limitEnd, NOON, refusalEnd, rejectionEnd, unsentEnd } from '../testing/factories.ts';
import { pauseAfter } from './next-step.ts';

describe('pauseAfter', () => {
  it('keeps everyone away as long as a limit says', () => {
    expect(pauseAfter(limitEnd('minute', 34_000), NOON)).toEqual({ ms: 34_000, reason: 'rate_limited' });
  });

  it('parks a model whose quota of the day is used up', () => {
    expect(pauseAfter(limitEnd('day', 7_200_000), NOON)).toEqual({ ms: 7_200_000, reason: 'parked' });
  });

  it('keeps the queue from running into a refused key', () => {
    const refused = rejectionEnd({ code: 'upstream_auth', retryable: false, channelDown: true, http: 400 });

    expect(pauseAfter(refused, NOON)).toEqual({ ms: 60_000, reason: 'parked' });
  });

  it('waits a moment when the provider cannot be reached at all', () => {
    expect(pauseAfter(unsentEnd(), NOON)).toEqual({ ms: 1_000, reason: 'rate_limited' });
  });

  it('stops nobody for what concerns one call alone', () => {
    const overload = rejectionEnd({ code: 'upstream_overloaded', limit: 'overload', http: 503 });

    for (const end of [imageEnd(), refusalEnd(), doubtEnd(), rejectionEnd(), overload]) {
      expect(pauseAfter(end, NOON)).toBeUndefined();
    }
  });
});
