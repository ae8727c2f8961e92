import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HOUR, MINUTE, NOON } from '../testing/factories.ts';
import type { AlertState } from './alert.ts';
import { tellOfParking, tellOfTransition } from './alert-channel.ts';
import { describeAlert } from './alert-words.ts';
import type { Transition } from './breaker.ts';

const place = { channel: 'gemini-a', model: 'gemini-3-pro-image' };

function aChange(change: Partial<Transition> = {}): Transition {
  return { place, to: 'opened', why: '5 calls in a row failed', at: NOON, breaker: 'open', errorRate: 0.25, ...change };
}

describe('a breaker that changed', () => {
  it('is told with why, how it stands and when it is tried again', () => {
    const told = tellOfTransition(aChange({ until: NOON + MINUTE }), undefined);

    expect(told?.type).toBe('channel.opened');
    expect(told?.note).toEqual({
      alert: 'breaker',
      ...place,
      value: 0.25,
      threshold: 0.5,
      since: NOON,
      why: '5 calls in a row failed',
      breaker: 'open',
      errorRate: 0.25,
      until: NOON + MINUTE,
    });
    expect(told && describeAlert(told.note, false)).toBe(
      'Calls to gemini-3-pro-image through gemini-a are held back: 5 calls in a row failed.',
    );
  });

  it('is about the whole channel, and has no figures, when the key is refused', () => {
    const { errorRate: _, ...change } = aChange({ to: 'out', why: 'no key', wholeChannel: true });
    const told = tellOfTransition(change, undefined);

    expect(told?.note).toEqual({ alert: 'breaker', channel: 'gemini-a', since: NOON, why: 'no key', breaker: 'open' });
    expect(told).toMatchObject({ type: 'channel.opened', subject: { alert: 'breaker', channel: 'gemini-a' } });
    expect(told?.subject.model).toBeUndefined();
    expect(told && describeAlert(told.note, false)).toBe('Calls through gemini-a are held back: no key.');
  });

  it('is told in order and once, whoever tells it and however often', () => {
    const kinds = fc.constantFrom<Transition['to']>('degraded', 'opened', 'recovered', 'out');
    fc.assert(
      fc.property(fc.array(fc.tuple(kinds, fc.integer({ min: 1, max: 20 }))), (changes) => {
        let state: AlertState | undefined;
        const at: number[] = [];
        for (const [to, after] of changes) {
          const telling = tellOfTransition(aChange({ to, at: NOON + after }), state);
          if (!telling) continue;
          expect(telling.next.version).toBe((state?.version ?? 0) + 1);
          expect(telling.next.raised === undefined).toBe(to === 'recovered');
          state = telling.next;
          at.push(NOON + after);
        }

        expect(at).toEqual([...new Set(at)].toSorted((a, b) => a - b));
      }),
    );
  });

  it('keeps the time at which the trouble began', () => {
    const degraded = tellOfTransition(aChange({ to: 'degraded', breaker: 'closed' }), undefined);
    const opened = tellOfTransition(aChange({ at: NOON + MINUTE }), degraded?.next);
    const over = tellOfTransition(
      { place, to: 'recovered', why: 'calls go well again', at: NOON + HOUR, breaker: 'closed' },
      opened?.next,
    );

    expect(over).toMatchObject({ type: 'channel.recovered', note: { since: NOON } });
    expect(over?.next.raised).toBeUndefined();
    expect(over && describeAlert(over.note, true)).toBe(
      'Calls to gemini-3-pro-image through gemini-a are made as ever: calls go well again.',
    );
    expect(degraded && describeAlert(degraded.note, false)).toContain('fail often');
  });
});

describe('a pause', () => {
  const parking = (ms: number, from = NOON) => ({ until: from + ms, ms, why: 'the day is used up' });

  it('is told from a minute on', () => {
    expect(tellOfParking(place, parking(MINUTE - 1), undefined)).toBeUndefined();
    const told = tellOfParking(place, parking(9 * HOUR), undefined);

    expect(told).toMatchObject({
      type: 'quota.parked',
      note: { alert: 'quota_parked', ...place, value: 32_400, since: NOON, until: NOON + 9 * HOUR },
    });
    expect(told && describeAlert(told.note, false)).toBe(
      'No call to gemini-3-pro-image through gemini-a is made for 9 h: the day is used up.',
    );
  });

  it('is told once, though every call in flight meets it, and again when it is another', () => {
    const told = tellOfParking(place, parking(10 * MINUTE), undefined);

    expect(tellOfParking(place, parking(10 * MINUTE, NOON + 20_000), told?.next)).toBeUndefined();
    expect(tellOfParking(place, parking(2 * MINUTE), told?.next)).toBeUndefined();
    expect(tellOfParking(place, parking(HOUR), told?.next)?.next.version).toBe(2);
    expect(tellOfParking(place, parking(2 * MINUTE, NOON + 20 * MINUTE), told?.next)).toBeDefined();
  });

  it('that comes again each time a call of a rolling day is used is told once a day', () => {
    const full = (from: number) => ({ ...parking(3 * MINUTE, from), quietMs: 24 * HOUR });
    const told = tellOfParking(place, full(NOON), undefined);

    expect(told?.note.until).toBe(NOON + 3 * MINUTE);
    expect(tellOfParking(place, full(NOON + 10 * MINUTE), told?.next)).toBeUndefined();
    expect(tellOfParking(place, full(NOON + 23 * HOUR), told?.next)).toBeUndefined();
    expect(tellOfParking(place, full(NOON + 24 * HOUR), told?.next)).toBeDefined();
  });
});
