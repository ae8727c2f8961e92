import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HOUR, MINUTE, NOON } from '../testing/factories.ts';
import { closeGap, type Endpoint, isInGap, listensTo, openGap, ownReceiver, pauseOf, warnAt } from './endpoint.ts';
import { eventId, type LoggedEvent, type LoggedType } from './event.ts';

const endpoint = (more: Partial<Endpoint> = {}): Endpoint => ({
  id: 'whe_1',
  tenant: 'acme',
  version: 1,
  url: 'https://a.example',
  headers: {},
  secrets: [{ sealed: '' }],
  createdAt: NOON,
  gaps: [{ from: 0, until: NOON }],
  ...more,
});
const event = (type: LoggedType, more: Partial<LoggedEvent> = {}): LoggedEvent => ({
  id: eventId('acme', { ms: NOON, seq: 0 }),
  type,
  at: NOON,
  tags: [],
  ...more,
});

describe('what an endpoint is sent', () => {
  it('is all that happens from when it was made, or the types it names', () => {
    expect(listensTo(endpoint(), event('job.started'))).toBe(true);
    expect(listensTo(endpoint(), event('job.started', { at: NOON - 1 }))).toBe(false);
    expect(listensTo(endpoint({ events: ['job.failed'] }), event('job.started'))).toBe(false);
    expect(listensTo(endpoint({ events: ['job.failed'] }), event('job.failed'))).toBe(true);
  });

  it('is nothing while it is disabled', () => {
    const disabled = endpoint({ disabled: { reason: 'caller', at: NOON } });
    expect(listensTo(disabled, event('job.started'))).toBe(false);
  });

  it('is its own test, whatever it chose, and the troubles of others but not its own', () => {
    const picky = endpoint({ events: ['job.failed'] });
    expect(listensTo(picky, event('webhook_endpoint.test', { endpoint: 'whe_1' }))).toBe(true);
    expect(listensTo(endpoint(), event('webhook_endpoint.test', { endpoint: 'whe_2' }))).toBe(false);
    expect(listensTo(endpoint(), event('webhook_endpoint.failing', { endpoint: 'whe_2' }))).toBe(true);
    expect(listensTo(endpoint(), event('webhook_endpoint.failing', { endpoint: 'whe_1' }))).toBe(false);
  });
});

describe('gaps', () => {
  it('hold what happened while nobody listened, and a little before', () => {
    const off = openGap(endpoint().gaps, NOON + HOUR);
    const on = { gaps: closeGap(off, NOON + 2 * HOUR) };
    expect(
      [NOON - 1, NOON + MINUTE, NOON + HOUR - MINUTE, NOON + 2 * HOUR, NOON + 3 * HOUR].map((at) => isInGap(on, at)),
    ).toEqual([true, false, true, true, false]);
    expect(openGap(off, NOON + 9 * HOUR)).toEqual(off);
  });

  it('are never forgotten, however many there are', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 2, maxLength: 80 }), (hours) => {
        let gaps = endpoint().gaps;
        let now = NOON;
        const silent: number[] = [];
        for (const [i, hour] of hours.entries()) {
          now += hour * HOUR;
          gaps = i % 2 ? closeGap(gaps, now) : openGap(gaps, now);
          if (i % 2 === 0) silent.push(now);
        }
        expect(gaps.length).toBeLessThanOrEqual(20);
        expect(silent.every((at) => isInGap({ gaps }, at))).toBe(true);
      }),
    );
  });
});

describe('a receiver that fails', () => {
  it('is left alone from the fifth failure on, for ten minutes and some at most', () => {
    expect([1, 4, 5, 6, 7].map((failures) => pauseOf(failures, () => 0.5))).toEqual([0, 0, 5_000, 10_000, 20_000]);
    expect(pauseOf(400, () => 0.999)).toBeLessThanOrEqual(12 * MINUTE);
  });

  it('is told of at half, seven and nine tenths of the limit', () => {
    expect(warnAt(500)).toEqual([250, 350, 450]);
  });

  it('is one receiver per origin when jobs name it', () => {
    expect(ownReceiver('https://a.example/x')).toBe(ownReceiver('https://a.example:443/y?z'));
    expect(ownReceiver('https://a.example')).not.toBe(ownReceiver('https://b.example'));
  });
});
