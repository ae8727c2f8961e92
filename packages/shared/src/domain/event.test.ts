import { assert, integer, pre, property, record, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dayOf, eventId, eventPlace, startOfDay, timeOfEvent } from './event.ts';

const aPlace = record({
  ms: integer({ min: 0, max: 2 ** 48 - 1 }),
  seq: integer({ min: 0, max: 2 ** 32 - 1 }),
});
const aTenant = string({ minLength: 1, maxLength: 40 });

describe("an event's id", () => {
  it('leads back to its place in the log', () => {
    assert(
      property(aTenant, aPlace, (tenant, place) => {
        const id = eventId(tenant, place);

        expect(id).toMatch(/^evt_[0-9a-f]{12}7[0-9a-f]{3}8[0-9a-f]{15}$/);
        expect(eventPlace(tenant, id)).toEqual(place);
        expect(timeOfEvent(id)).toBe(place.ms);
      }),
    );
  });

  it('sorts as the places do', () => {
    assert(
      property(aTenant, aPlace, aPlace, (tenant, one, other) => {
        const [a, b] = [eventId(tenant, one), eventId(tenant, other)];

        expect(Math.sign(one.ms - other.ms || one.seq - other.seq)).toBe(a < b ? -1 : a > b ? 1 : 0);
      }),
    );
  });

  it('is none of another tenant', () => {
    assert(
      property(aTenant, aTenant, aPlace, (tenant, other, place) => {
        pre(tenant !== other);

        expect(eventPlace(other, eventId(tenant, place))).toBeUndefined();
      }),
    );
  });

  it('is nothing that anybody made up', () => {
    assert(property(string({ maxLength: 60 }), (text) => eventPlace('default', text) === undefined));
    expect(eventPlace('default', `${eventId('default', { ms: 1, seq: 2 })}0`)).toBeUndefined();
    expect(eventPlace('default', eventId('default', { ms: 1, seq: 2 }).toUpperCase())).toBeUndefined();
  });

  it.each([
    { ms: -1, seq: 0 },
    { ms: 2 ** 48, seq: 0 },
    { ms: 0.5, seq: 0 },
    { ms: 0, seq: 2 ** 32 },
    { ms: Number.NaN, seq: 0 },
  ])('has room for no place such as %j', (place) => {
    expect(() => eventId('default', place)).toThrow(RangeError);
  });
});

it('knows the day of an instant', () => {
  expect(dayOf(Date.UTC(2026, 10, 20, 23, 59))).toBe(dayOf(Date.UTC(2026, 10, 20)));
  expect(startOfDay(dayOf(Date.UTC(2026, 10, 20, 12)))).toBe(Date.UTC(2026, 10, 20));
});
