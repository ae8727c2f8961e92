import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { doubtEnd, imageEnd, limitEnd, refusalEnd, rejectionEnd } from '../testing/factories.ts';
import type { AttemptEnd } from './attempt-end.ts';
import { BREAKER_RULES, CALL_ENDS, callEndOf, coolDowns, saysOf } from './breaker.ts';
import type { Verdict } from './verdict.ts';

type Rejected = Extract<Verdict, { type: 'rejected' }>;

function rejection(verdict: Partial<Rejected>): AttemptEnd {
  const whole: Rejected = { type: 'rejected', code: 'upstream_rejected', retryable: false, http: 400, ...verdict };
  return { type: 'rejected', verdict: whole, error: { code: whole.code, detail: '' }, ms: 10 };
}

describe('the end of a call', () => {
  it.each<[string, AttemptEnd, string, string]>([
    ['an image', imageEnd(), 'ok', 'good'],
    ['a refused prompt', refusalEnd('content_blocked'), 'blocked', 'neutral'],
    ['no image', refusalEnd('no_image'), 'no_image', 'blank'],
    ['an end that nobody saw', doubtEnd(), 'timeout', 'fault'],
    ['a call that did not leave', { type: 'unsent', reason: 'refused', ms: 0 }, 'unreachable', 'fault'],
    ['a limit of the minute', limitEnd('minute'), 'limited', 'neutral'],
    ['a limit of the day', limitEnd('day'), 'limited', 'neutral'],
    ['a server error', rejectionEnd(), 'unavailable', 'fault'],
    ['an overload', rejection({ code: 'upstream_overloaded', limit: 'overload', http: 503 }), 'overloaded', 'fault'],
    ['a refused key', rejection({ code: 'upstream_auth', channelDown: true, http: 403 }), 'auth', 'auth'],
    ['a model that is gone', rejection({ code: 'model_retired', http: 404 }), 'retired', 'retired'],
    ['a request that is wrong', rejection({}), 'invalid', 'neutral'],
  ])('%s says what it should of its place', (_, end, as, says) => {
    expect(callEndOf(end)).toBe(as);
    expect(saysOf(callEndOf(end))).toBe(says);
  });

  it('says nothing when the same job had no image before, and the same as ever otherwise', () => {
    for (const end of CALL_ENDS) {
      expect(saysOf(end, { again: true })).toBe(end === 'no_image' ? 'neutral' : saysOf(end));
    }
  });
});

describe('cool-downs', () => {
  it('double from ten seconds to five minutes', () => {
    expect(coolDowns(BREAKER_RULES, () => 0)).toEqual([10_000, 20_000, 40_000, 80_000, 160_000, 300_000]);
  });

  it('are as many whole ms as the spans say, less a fifth at most', () => {
    const spans = fc.tuple(fc.integer({ min: 0, max: 60_000 }), fc.integer({ min: 1, max: 600_000 }));
    fc.assert(
      fc.property(
        spans,
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        ([coolDownMs, coolDownMsMax], draw) => {
          const rules = { ...BREAKER_RULES, coolDownMs, coolDownMsMax };
          const whole = coolDowns(rules, () => 0);
          const jittered = coolDowns(rules, () => draw);

          expect(whole).toEqual(whole.toSorted((a, b) => a - b));
          expect(whole.at(-1)).toBe(coolDownMsMax);
          for (const [n, ms] of jittered.entries()) {
            expect(Number.isInteger(ms)).toBe(true);
            expect(ms).toBeGreaterThanOrEqual(0.8 * (whole[n] ?? 0));
            expect(ms).toBeLessThanOrEqual(whole[n] ?? 0);
          }
        },
      ),
    );
  });
});
