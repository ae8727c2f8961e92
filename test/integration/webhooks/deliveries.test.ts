import {
  afterTry,
  buried,
  type Delivery,
  type DeliveryStatus,
  eventId,
  isOwnReceiver,
  newDelivery,
  ownReceiver,
  resent,
} from '@darkroom/shared/domain';
import { createRedisDeliveries, createRedisEndpoints, createRedisEvents } from '@darkroom/shared/storage/redis';
import { DAY, HOUR, MINUTE, NOON, SECOND } from '@darkroom/shared/testing/factories';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openTestLedger, TENANT, type TestLedger } from '../../support/ledger.ts';
import { anEndpoint } from '../../support/webhooks.ts';

let test: TestLedger;
beforeEach(async () => {
  test = await openTestLedger();
  await register();
});
afterEach(() => test[Symbol.asyncDispose]());

const LEASE = 30 * SECOND;
const WHE = anEndpoint().id;
const evt = (seq: number) => eventId(TENANT, { ms: NOON, seq });
const half = () => 0.5;
/** What a delivery needs to be made for it. */
const register = () => open().endpoints.create(anEndpoint());
const open = () => ({
  deliveries: createRedisDeliveries({ redis: test.redis, prefix: test.prefix, deadMs: 30 * DAY }),
  endpoints: createRedisEndpoints({ redis: test.redis, prefix: test.prefix }),
  events: createRedisEvents({ redis: test.redis, prefix: test.prefix }),
});
const aDelivery = (seq: number, receiver = WHE): Delivery =>
  newDelivery({ tenant: TENANT, event: evt(seq), type: 'job.succeeded', receiver }, NOON);
const failed = (delivery: Delivery, now = NOON) =>
  afterTry(delivery, { outcome: { type: 'answered', http: 500 }, at: now, ms: 5 }, now, half);
const arrived = (delivery: Delivery, now = NOON) =>
  afterTry(delivery, { outcome: { type: 'answered', http: 200 }, at: now, ms: 5 }, now, half);
const rules = (until: number, more: object = {}) => ({ until, now: NOON, pauseMs: 0, warnAt: [], ...more });

async function fanOut(...made: Delivery[]) {
  const { deliveries } = open();
  await deliveries.fanOut(TENANT, {
    from: await deliveries.cursor(TENANT),
    to: evt(Number.parseInt(String(Math.random()).slice(2, 10), 10)),
    deliveries: made,
    now: NOON,
  });
  return deliveries;
}

/** Claims what there is and settles each as failed. @returns how it stands then */
async function failOnce(now: number, more: object = {}) {
  const { deliveries } = open();
  const claim = await deliveries.claim(TENANT, WHE, { max: 1, now, leaseMs: LEASE });
  const tries = claim.deliveries.map((delivery) => ({ delivery: failed(delivery, now), health: 'failed' as const }));
  return deliveries.settle(TENANT, WHE, tries, rules(claim.until, { now, ...more }));
}

describe('fan-out', () => {
  it('makes the deliveries of a step once, however often the step is taken', async () => {
    const { deliveries } = open();
    const step = { from: undefined, to: evt(2), deliveries: [aDelivery(1), aDelivery(2)], now: NOON };
    expect(await deliveries.fanOut(TENANT, step)).toBe(true);
    expect(await test.resend()).toMatchObject({ second: 1 });
    expect(await deliveries.fanOut(TENANT, { ...step, to: evt(9) })).toBe(false);
    expect(await deliveries.cursor(TENANT)).toBe(evt(2));
    expect((await deliveries.list(TENANT, WHE, { limit: 10 })).map(({ event }) => event).toSorted()).toEqual([
      evt(1),
      evt(2),
    ]);
  });

  it('leaves a delivery alone that is there already', async () => {
    const deliveries = await fanOut(aDelivery(1));
    const { until, deliveries: taken } = await deliveries.claim(TENANT, WHE, { max: 1, now: NOON, leaseMs: LEASE });
    await deliveries.settle(TENANT, WHE, [{ delivery: arrived(taken[0] ?? aDelivery(1)), health: 'ok' }], rules(until));
    await fanOut(aDelivery(1));
    expect((await deliveries.read(TENANT, [aDelivery(1).id]))[0]?.status).toBe('delivered');
    expect(await deliveries.ready(TENANT, NOON, 10)).toEqual([]);
  });

  it('knows which receiver is ready, and when the next one is', async () => {
    const deliveries = await fanOut(aDelivery(1));
    expect(await deliveries.ready(TENANT, NOON - 1, 10)).toEqual([]);
    expect(await deliveries.ready(TENANT, NOON, 10)).toEqual([WHE]);
    expect(await deliveries.nextReady(TENANT)).toBe(NOON);
  });
});

describe('claim and settle', () => {
  it('gives nobody what somebody has, until its time is over', async () => {
    const deliveries = await fanOut(aDelivery(1), aDelivery(2), aDelivery(3));
    const first = await deliveries.claim(TENANT, WHE, { max: 2, now: NOON, leaseMs: LEASE });
    const second = await deliveries.claim(TENANT, WHE, { max: 9, now: NOON, leaseMs: LEASE });
    expect([first.deliveries.length, second.deliveries.length]).toEqual([2, 1]);
    expect(await deliveries.ready(TENANT, NOON + LEASE - 1, 10)).toEqual([]);
    const later = await deliveries.claim(TENANT, WHE, { max: 9, now: NOON + LEASE, leaseMs: LEASE });
    expect(later.deliveries).toHaveLength(3);
  });

  it('settles what a claim holds, and not what another holds by then', async () => {
    const deliveries = await fanOut(aDelivery(1));
    const slow = await deliveries.claim(TENANT, WHE, { max: 1, now: NOON, leaseMs: LEASE });
    const next = await deliveries.claim(TENANT, WHE, { max: 1, now: NOON + LEASE, leaseMs: LEASE });
    const [delivery = aDelivery(1)] = slow.deliveries;
    await deliveries.settle(TENANT, WHE, [{ delivery: failed(delivery), health: 'failed' }], rules(slow.until));
    expect((await deliveries.read(TENANT, [delivery.id]))[0]?.tries).toBe(0);
    await deliveries.settle(TENANT, WHE, [{ delivery: arrived(delivery), health: 'ok' }], rules(next.until));
    expect((await deliveries.read(TENANT, [delivery.id]))[0]?.status).toBe('delivered');
  });

  it('counts a failure once, though it is sent twice', async () => {
    await fanOut(aDelivery(1));
    await failOnce(NOON, { pauseMs: 7 });
    const { first, second } = await test.resend();
    expect(second).toEqual(first);
    const { endpoints } = open();
    expect(await endpoints.health(TENANT, [WHE])).toEqual([
      { failures: 1, failingSince: NOON, openUntil: NOON + 7, waiting: 1, dueAt: NOON + 5 * SECOND + 250 },
    ]);
  });

  it('lets what arrived expire after three days, what did not after thirty, what waits never', async () => {
    const deliveries = await fanOut(aDelivery(1), aDelivery(2), aDelivery(3));
    const { until } = await deliveries.claim(TENANT, WHE, { max: 2, now: NOON, leaseMs: LEASE });
    const dead: Delivery = { ...failed(aDelivery(2)), status: 'dead' };
    delete dead.nextAt;
    const tries = [
      { delivery: arrived(aDelivery(1)), health: 'ok' as const },
      { delivery: dead, health: 'failed' as const },
    ];
    await deliveries.settle(TENANT, WHE, tries, rules(until));
    const lives = await Promise.all([1, 2, 3].map((n) => test.redis.pttl(test.key(`delivery:${aDelivery(n).id}`))));
    expect(lives.map((ms) => (ms === -1 ? 'never' : Math.ceil(ms / DAY)))).toEqual([3, 30, 'never']);
  });

  it('takes one at a time of a receiver that fails, and none while it is paused', async () => {
    await fanOut(...Array.from({ length: 12 }, (_, n) => aDelivery(n)));
    for (let n = 0; n < 5; n++) await failOnce(NOON + n, { pauseMs: n < 4 ? 0 : MINUTE });
    const { deliveries } = open();
    const claim = (now: number) => deliveries.claim(TENANT, WHE, { max: 9, now, leaseMs: LEASE });
    expect((await claim(NOON + 5)).deliveries).toEqual([]);
    expect(await deliveries.ready(TENANT, NOON + MINUTE, 9)).toEqual([]);
    const probe = await claim(NOON + 2 * MINUTE);
    expect(probe.deliveries).toHaveLength(1);
    expect((await claim(NOON + 2 * MINUTE)).deliveries).toEqual([]);
    const ok = probe.deliveries.map((delivery) => ({ delivery: arrived(delivery), health: 'ok' as const }));
    const { health } = await deliveries.settle(TENANT, WHE, ok, rules(probe.until));
    expect(health).toEqual({ failures: 0 });
    expect((await claim(NOON + 2 * MINUTE)).deliveries).toHaveLength(9);
  });

  it('tells of a failing endpoint at each count it was given, once', async () => {
    await fanOut(...Array.from({ length: 6 }, (_, n) => aDelivery(n)));
    for (let n = 0; n < 4; n++) await failOnce(NOON + n, { warnAt: [2, 4] });
    const { events } = open();
    const told = (await events.after(TENANT, undefined, 10)).events;
    expect(told.map(({ type, endpoint }) => [type, endpoint])).toEqual([
      ['webhook_endpoint.failing', WHE],
      ['webhook_endpoint.failing', WHE],
    ]);
  });

  it('keeps receivers that jobs name apart by origin, and tells nobody of them', async () => {
    const [a, b] = [ownReceiver('https://a.example/x?t=1'), ownReceiver('https://a.example/y')];
    expect([a === b, isOwnReceiver(a), isOwnReceiver(WHE)]).toEqual([true, true, false]);
    const deliveries = await fanOut({ ...aDelivery(1, a), url: 'https://a.example/x?t=1' });
    const { until, deliveries: taken } = await deliveries.claim(TENANT, a, { max: 1, now: NOON, leaseMs: LEASE });
    const tries = taken.map((delivery) => ({ delivery: failed(delivery), health: 'failed' as const }));
    await deliveries.settle(TENANT, a, tries, rules(until, { warnAt: [1] }));
    expect((await open().events.after(TENANT, undefined, 10)).events).toEqual([]);
  });
});

describe('lists and resends', () => {
  it('lists the newest event first, by status, page by page', async () => {
    const all = Array.from({ length: 5 }, (_, n) => aDelivery(n));
    const deliveries = await fanOut(...all);
    const first = await deliveries.list(TENANT, WHE, { limit: 2 });
    const rest = await deliveries.list(TENANT, WHE, { limit: 9, before: first[1]?.id ?? '' });
    expect([...first, ...rest].map(({ id }) => id)).toEqual(
      all.map(({ id }) => id).toSorted((a, b) => (a < b ? 1 : -1)),
    );
    expect(await deliveries.list(TENANT, WHE, { limit: 9, status: 'dead' })).toEqual([]);
  });

  it('makes a delivery pending again that is over, and leaves one that waits as it is', async () => {
    const deliveries = await fanOut(aDelivery(1), aDelivery(2));
    const { until } = await deliveries.claim(TENANT, WHE, { max: 1, now: NOON, leaseMs: LEASE });
    const [over] = await deliveries.list(TENANT, WHE, { limit: 1 });
    const taken = (await deliveries.read(TENANT, [aDelivery(1).id, aDelivery(2).id])).filter(
      (one) => one !== undefined,
    );
    for (const delivery of taken) {
      await deliveries.settle(TENANT, WHE, [{ delivery: arrived(delivery), health: 'ok' }], rules(until));
    }
    const again = taken.map((delivery) => resent(arrived(delivery), NOON + HOUR));
    expect(await deliveries.resend(TENANT, WHE, again, { now: NOON + HOUR, first: false })).toBe(1);
    expect(await test.resend()).toMatchObject({ second: 0 });
    expect(over?.status).toBe('pending');
    expect(await deliveries.ready(TENANT, NOON + HOUR, 9)).toEqual([WHE]);
  });

  it('loses sight of nothing that did not arrive, however much does', async () => {
    const deliveries = await fanOut(...Array.from({ length: 5_020 }, (_, n) => aDelivery(n)));
    const { until, deliveries: taken } = await deliveries.claim(TENANT, WHE, { max: 5_019, now: NOON, leaseMs: LEASE });
    const lost = taken.filter(({ event }) => event === evt(7) || event === evt(8));
    const tries = taken.map((delivery) => ({
      delivery: lost.includes(delivery) ? buried(delivery, 'exhausted', NOON) : arrived(delivery),
      health: 'same' as const,
    }));
    for (let n = 0; n < tries.length; n += 500) {
      await deliveries.settle(TENANT, WHE, tries.slice(n, n + 500), rules(until));
    }
    const count = async (status: DeliveryStatus) =>
      (await deliveries.list(TENANT, WHE, { status, limit: 9_999 })).length;
    expect([await count('dead'), await count('delivered'), await count('pending')]).toEqual([2, 5_000, 1]);
    expect(await deliveries.list(TENANT, WHE, { limit: 9_999 })).toHaveLength(5_003);
    const records = await test.redis.keys(test.key('delivery:*'));
    expect(records).toHaveLength(5_003);
  });

  it('makes nothing for an endpoint that was removed meanwhile', async () => {
    const deliveries = await fanOut(aDelivery(1));
    await open().endpoints.remove(TENANT, WHE);
    while (await deliveries.dropRemoved(TENANT));
    await fanOut(aDelivery(2));
    expect(await deliveries.resend(TENANT, WHE, [aDelivery(3)], { now: NOON, first: true })).toBe(0);
    expect(await test.redis.keys(test.key('*receiver*'))).toEqual([]);
    expect(await test.redis.keys(test.key('delivery:*'))).toEqual([]);
  });

  it('sends what was asked for by hand before all that waits, also to a receiver that is paused', async () => {
    const deliveries = await fanOut(...Array.from({ length: 9 }, (_, n) => aDelivery(n)));
    for (let n = 0; n < 5; n++) await failOnce(NOON + n, { pauseMs: HOUR });
    await test.redis.hdel(test.key(`receiver:${WHE}`), 'o');
    const failing = await deliveries.claim(TENANT, WHE, { max: 9, now: NOON + 9, leaseMs: LEASE });
    const tries = failing.deliveries.map((delivery) => ({ delivery: failed(delivery), health: 'failed' as const }));
    await deliveries.settle(TENANT, WHE, tries, rules(failing.until, { pauseMs: HOUR }));
    expect(await deliveries.ready(TENANT, NOON + MINUTE, 9)).toEqual([]);

    await deliveries.resend(TENANT, WHE, [aDelivery(20)], { now: NOON + MINUTE, first: true });
    expect(await deliveries.ready(TENANT, NOON + MINUTE, 9)).toEqual([WHE]);
    const [first] = (await deliveries.claim(TENANT, WHE, { max: 9, now: NOON + MINUTE, leaseMs: LEASE })).deliveries;
    expect(first?.event).toBe(evt(20));

    await deliveries.settle(
      TENANT,
      WHE,
      [{ delivery: failed(aDelivery(20)), health: 'failed' }],
      rules(NOON + MINUTE + LEASE, { pauseMs: HOUR }),
    );
    await fanOut({ ...aDelivery(21), type: 'webhook_endpoint.test' });
    const probe = await deliveries.claim(TENANT, WHE, { max: 9, now: NOON + MINUTE, leaseMs: LEASE });
    expect(probe.deliveries.map(({ event }) => event)).toEqual([evt(21)]);
  });
});
