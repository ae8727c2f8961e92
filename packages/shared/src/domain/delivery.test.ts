import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HOUR, MINUTE, NOON, SECOND } from '../testing/factories.ts';
import { afterTry, type Delivery, type DeliveryOutcome, deliveryId, newDelivery, resent } from './delivery.ts';
import { eventId } from './event.ts';

const EVENT = eventId('acme', { ms: NOON, seq: 1 });
const fresh = () => newDelivery({ tenant: 'acme', event: EVENT, type: 'job.failed', receiver: 'whe_1' }, NOON);
const answered = (http: number, more: object = {}): DeliveryOutcome => ({ type: 'answered', http, ...more });
const after = (delivery: Delivery, outcome: DeliveryOutcome, now = NOON, chance = 0) =>
  afterTry(delivery, { outcome, at: now, ms: 3 }, now, () => chance);

describe('the id of a delivery', () => {
  it('follows from the event and its receiver, and sorts as the events do', () => {
    const later = eventId('acme', { ms: NOON + 1, seq: 0 });
    expect(deliveryId(EVENT, 'whe_1')).toBe(deliveryId(EVENT, 'whe_1'));
    expect(deliveryId(EVENT, 'whe_1')).not.toBe(deliveryId(EVENT, 'whe_2'));
    expect(deliveryId(EVENT, 'whe_1') < deliveryId(later, 'whe_1')).toBe(true);
    expect(deliveryId(EVENT, 'whe_1')).toMatch(/^dlv_[0-9a-f]{32}$/);
  });

  it('is one for the webhook of a job, whatever its address', () => {
    const own = newDelivery({ ...fresh(), receiver: 'own_1', url: 'https://a.example' }, NOON);
    expect(own.id).toBe(deliveryId(EVENT, 'own'));
  });
});

describe('what a try leaves behind', () => {
  it('is tried ten times over some 75 hours, then it is dead', () => {
    let delivery = fresh();
    const waits: number[] = [];
    for (let now = NOON; delivery.nextAt !== undefined; now = delivery.nextAt ?? now) {
      delivery = after(delivery, answered(500), now);
      if (delivery.nextAt !== undefined) waits.push(delivery.nextAt - now);
    }
    expect(waits).toEqual([5 * SECOND, 5 * MINUTE, 30 * MINUTE, ...[2, 5, 10, 14, 20, 24].map((h) => h * HOUR)]);
    expect(delivery).toMatchObject({ status: 'dead', cause: 'exhausted', tries: 10 });
  });

  it.each([200, 201, 204, 299])('is over with %i', (http) => {
    expect(after(fresh(), answered(http))).toMatchObject({ status: 'delivered', endedAt: NOON, tries: 1 });
  });

  it.each([199, 301, 302, 400, 401, 404, 408, 429, 500, 503])('goes on with %i', (http) => {
    expect(after(fresh(), answered(http))).toMatchObject({ status: 'pending', nextAt: NOON + 5 * SECOND });
  });

  it('is dead at once when the receiver is gone', () => {
    expect(after(fresh(), answered(410))).toMatchObject({ status: 'dead', cause: 'gone' });
  });

  it('waits as long as 429 and 503 ask, a day at most, and never less than planned', () => {
    const wait = (http: number, retryAfterMs: number) =>
      (after(fresh(), answered(http, { retryAfterMs })).nextAt ?? 0) - NOON;
    expect([wait(429, HOUR), wait(503, HOUR), wait(500, HOUR)]).toEqual([HOUR, HOUR, 5 * SECOND]);
    expect([wait(429, 100 * HOUR), wait(503, 1)]).toEqual([24 * HOUR, 5 * SECOND]);
  });

  it('says why in the log', () => {
    const log = [answered(302), answered(500, { body: 'oh' }), { type: 'failed', reason: 'hung up' } as const]
      .reduce((delivery: Delivery, outcome) => after(delivery, outcome), fresh())
      .log.map(({ http, error, body }) => [http, error, body]);
    expect(log).toEqual([
      [302, 'redirects are not followed', undefined],
      [500, undefined, 'oh'],
      [undefined, 'hung up', undefined],
    ]);
  });

  it('begins anew when it is resent, and forgets no try', () => {
    const dead = after(fresh(), answered(410));
    expect(resent(dead, NOON + HOUR)).toEqual({ ...fresh(), log: dead.log, nextAt: NOON + HOUR });
  });

  it('always has a next try, or an end', () => {
    const outcomes = fc.oneof(
      fc.record({
        type: fc.constant('answered' as const),
        http: fc.integer({ min: 100, max: 599 }),
        retryAfterMs: fc.nat(),
      }),
      fc.record({ type: fc.constantFrom('failed' as const, 'refused' as const), reason: fc.string() }),
    );
    fc.assert(
      fc.property(
        fc.array(outcomes, { maxLength: 20 }),
        fc.double({ min: 0, max: 0.99, noNaN: true }),
        (all, chance) => {
          let delivery = fresh();
          for (const outcome of all) {
            if (delivery.status !== 'pending') break;
            const now = delivery.nextAt ?? NOON;
            delivery = after(delivery, outcome, now, chance);
            expect(delivery.status === 'pending').toBe(delivery.nextAt !== undefined && delivery.endedAt === undefined);
            expect(delivery.nextAt ?? Number.POSITIVE_INFINITY).toBeGreaterThan(now);
          }
          expect(delivery.tries).toBeLessThanOrEqual(10);
        },
      ),
    );
  });
});
