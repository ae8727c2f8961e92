/** Alerts over a real Redis: what workers count, what sweepers make of it, and what is told of it once. */

import { begin, type LoggedEvent, settle } from '@darkroom/shared/domain';
import { createLog } from '@darkroom/shared/observability';
import { createRedisAlerts, createRedisCallNotes, createRedisEvents } from '@darkroom/shared/storage/redis';
import { DAY, doubtEnd, HOUR, MINUTE, NOON, SECOND } from '@darkroom/shared/testing/factories';
import { updateJob } from '@darkroom/shared/usecases';
import { describe, expect, it } from 'vitest';
import { type AlertDeps, type AlertRules, alertsOnce } from '../../apps/worker/src/sweeper/alerts.ts';
import { TENANT } from '../support/ledger.ts';
import { openTestUsecases, type TestUsecases } from '../support/usecases.ts';

const OPERATOR = 'operator';
const MODEL = 'gemini-2.5-flash-image';
const RULES: AlertRules = {
  errorRate: 0.05,
  p99Seconds: 30,
  failovers: 3,
  queueAgeSeconds: 600,
  inDoubtUsd: 0.01,
  retirementDays: [],
};
const EVERY = 15 * SECOND;
const log = createLog({ level: 'silent', program: 'test' });

type Watched = AsyncDisposable & {
  test: TestUsecases;
  deps: AlertDeps;
  /** Notes ended calls as a worker does, and waits until they are counted. */
  calls: (count: number, how: { failed?: boolean; ms?: number }) => Promise<void>;
  /** The next look of a sweeper. */
  look: (rules?: Partial<AlertRules>) => Promise<number>;
  told: () => Promise<LoggedEvent[]>;
};

async function openTest(): Promise<Watched> {
  const test = await openTestUsecases();
  const { redis, prefix, clock, ledger } = test;
  const window = { windowMs: 10 * MINUTE, now: () => clock.now() };
  const alerts = createRedisAlerts({ redis, prefix, window });
  const deps = { alerts, ledger, clock, log, tenant: OPERATOR, rules: RULES, everyMs: EVERY };
  const onError = (error: unknown) => expect(error).toBeUndefined();
  return {
    test,
    deps,
    calls: async (count, { failed = false, ms }) => {
      const notes = createRedisCallNotes({ redis, prefix, window, onError });
      for (let n = 0; n < count; n++) notes.ended({ channel: 'gemini', model: MODEL, failed, ...(ms && { ms }) });
      await notes.flush();
    },
    look: async (rules = {}) => {
      await redis.del(`${prefix}{alerts}:turn`); // It runs by the clock of Redis, which this test does not move.
      return alertsOnce({ ...deps, rules: { ...RULES, ...rules } });
    },
    told: async () => (await createRedisEvents({ redis, prefix }).after(OPERATOR, undefined, 100)).events,
    [Symbol.asyncDispose]: () => test[Symbol.asyncDispose](),
  };
}

const types = (events: LoggedEvent[]) => events.map(({ type }) => type);

describe('the error rate of a model', () => {
  it('is told once when it is too high, and once when it is well below again', async () => {
    await using watched = await openTest();
    const { test, calls, look, told } = watched;
    await calls(38, { ms: 8_000 });
    await calls(2, { failed: true });
    expect(await look()).toBe(0); // Five percent are not more than five percent.

    await calls(4, { failed: true });
    expect(await look()).toBe(1);
    expect(await look()).toBe(0);

    expect(await told()).toEqual([
      expect.objectContaining({
        type: 'channel.degraded',
        tags: [],
        data: {
          alert: 'error_rate',
          channel: 'gemini',
          model: MODEL,
          value: 6 / 44,
          threshold: 0.05,
          since: test.clock.now(),
        },
      }),
    ]);

    // The window moves on: the calls that failed are out of it, and a few went well since.
    test.clock.advance(11 * MINUTE);
    expect(await look()).toBe(0);
    await calls(3, { ms: 8_000 });
    expect(await look()).toBe(1);
    expect(types(await told())).toEqual(['channel.degraded', 'channel.recovered']);
  });

  it('is the same whichever worker made the calls, and has a place in no key that lasts', async () => {
    await using watched = await openTest();
    const { test, calls, look } = watched;
    await Promise.all(Array.from({ length: 5 }, () => calls(5, { failed: true })));

    expect(await look()).toBe(1);

    const keys = Object.entries(await test.dump()).filter(([key]) => key.startsWith('{alerts}'));
    expect(keys.length).toBeGreaterThan(2);
    for (const [, kept] of keys) expect(kept).not.toMatchObject({ expiresAt: -1 });
  });
});

it('a p99 above the threshold is told with how long calls take', async () => {
  await using watched = await openTest();
  await watched.calls(60, { ms: 9_000 });
  await watched.calls(3, { ms: 48_000 });

  await watched.look();

  const [event] = await watched.told();
  expect(event).toMatchObject({
    type: 'channel.degraded',
    data: { alert: 'latency_p99', model: MODEL, threshold: 30 },
  });
  expect(event?.data?.value).toBeGreaterThan(45);
  expect(event?.data?.value).toBeLessThan(51);
});

it('four provider batches given up within an hour are told, each counted once; an hour later it is over', async () => {
  await using watched = await openTest();
  const { test, look, told } = watched;
  const { redis, prefix, clock } = test;
  const window = { windowMs: 10 * MINUTE, now: () => clock.now() };
  const notes = createRedisCallNotes({ redis, prefix, window, onError: () => undefined });
  const giveUp = async (...ids: string[]) => {
    for (const id of ids) notes.failedOver(id);
    await notes.flush();
  };
  await giveUp('pb_1', 'pb_1', 'pb_2', 'pb_3', 'pb_3');
  clock.advance(MINUTE);
  await giveUp('pb_1', 'pb_2');
  expect(await look()).toBe(0);

  await giveUp('pb_4');
  await look();
  clock.advance(HOUR - SECOND);
  await look();

  expect((await told()).map(({ type, data }) => [type, data?.value])).toEqual([
    ['alert.raised', 4],
    ['alert.resolved', 1],
  ]);
});

it('channels that failed calls are taken from are fail-overs, each model once in ten minutes', async () => {
  await using watched = await openTest();
  const { test, look, told } = watched;
  const { redis, prefix, clock } = test;
  const notes = createRedisCallNotes({
    redis,
    prefix,
    window: { windowMs: 10 * MINUTE, now: () => clock.now() },
    onError: () => undefined,
  });
  const burst = async (model: string) => {
    for (let n = 0; n < 50; n++) notes.failedOver({ channel: 'a', model });
    await notes.flush();
  };
  await burst('m');
  await burst('m');
  await burst('n');
  clock.advance(10 * MINUTE);
  await burst('m');
  expect(await look()).toBe(0);

  await burst('n');
  await look();

  const [event] = await told();
  expect(event?.data).toMatchObject({ alert: 'failovers', value: 4 });
});

it('a job that waits too long is told, again each day, and when it is over', async () => {
  await using watched = await openTest();
  const { test, look, told } = watched;
  await test.redis.sadd(`${test.prefix}tenants`, TENANT);
  await test.admit('job_1', { state: { expiresAt: NOON + 9 * DAY } });
  test.clock.advance(10 * MINUTE);
  expect(await look()).toBe(0);

  test.clock.advance(SECOND);
  await look();
  const since = test.clock.now();
  test.clock.advance(DAY - SECOND);
  expect(await look()).toBe(0);
  test.clock.advance(SECOND);
  await look();
  await test.succeed('job_1');
  await look();

  const events = await told();
  expect(types(events)).toEqual(['alert.raised', 'alert.raised', 'alert.resolved']);
  expect(events.map(({ data }) => data)).toEqual([
    expect.objectContaining({ alert: 'queue_age', value: 601, since }),
    expect.objectContaining({ again: true, since }),
    expect.objectContaining({ value: 0, since }),
  ]);
});

describe('money in doubt', () => {
  /** A call whose end nobody saw. */
  async function doubt(test: TestUsecases, id: string) {
    await test.redis.sadd(`${test.prefix}tenants`, TENANT);
    await test.admit(id, { state: { expiresAt: NOON + 9 * DAY } });
    const begun = begin(await test.read(id), { id: `att_${id}`, channel: 'gemini' }, test.clock.now());
    if (begun.type !== 'go') throw new Error(`${id} is ${begun.type}`);
    await test.write(begun.change);
    await updateJob(test.ledger, TENANT, id, (job) => settle(job, `att_${id}`, doubtEnd(), test.clock.now(), () => 0));
  }

  it('is told when much of it came within an hour, and not of what came before anybody looked', async () => {
    await using watched = await openTest();
    const { test, look, told } = watched;
    await doubt(test, 'job_old');
    await look({ queueAgeSeconds: 0 });
    test.clock.advance(30 * MINUTE);
    await doubt(test, 'job_new');

    await look({ queueAgeSeconds: 0 });
    test.clock.advance(HOUR + MINUTE);
    await look({ queueAgeSeconds: 0 });
    await look({ queueAgeSeconds: 0 });

    const events = await told();
    expect(types(events)).toEqual(['alert.raised', 'alert.resolved']);
    expect(events[0]?.data?.value).toBeCloseTo(0.046, 3);
    expect(events[1]?.data?.value).toBe(0);
  });

  it('counts what came while no sweeper ran', async () => {
    await using watched = await openTest();
    const { test, look, told } = watched;
    await look({ queueAgeSeconds: 0 });
    test.clock.advance(20 * HOUR);
    await doubt(test, 'job_1');

    await look({ queueAgeSeconds: 0 });

    expect(types(await told())).toEqual(['alert.raised']);
  });
});

describe('the end of a model', () => {
  it('is told when the model is in use, and only then', async () => {
    await using watched = await openTest();
    const { test, calls, look, told } = watched;
    const days = { retirementDays: [200, 7] };
    expect(await look(days)).toBe(0);
    await calls(1, {});

    await look(days);
    await look(days);

    expect((await told()).map(({ type, data }) => [type, data])).toEqual([
      [
        'model.retiring',
        {
          alert: 'model_retirement',
          model: MODEL,
          value: 115,
          threshold: 200,
          since: test.clock.now(),
          retiresOn: '2027-03-15',
          successor: 'gemini-nano-banana-2.1',
        },
      ],
    ]);
  });
});

describe('several sweepers', () => {
  it('take turns', async () => {
    await using watched = await openTest();
    await watched.calls(25, { failed: true });

    const told = await Promise.all(Array.from({ length: 4 }, () => alertsOnce(watched.deps)));

    expect(told.toSorted((a, b) => a - b)).toEqual([0, 0, 0, 1]);
    expect(await watched.told()).toHaveLength(1);
  });

  it('tell an alert once, though all of them decide upon it at the same moment', async () => {
    await using watched = await openTest();
    await watched.calls(25, { failed: true });
    const alerts = { ...watched.deps.alerts, takeTurn: async () => true };

    const told = await Promise.all(Array.from({ length: 8 }, () => alertsOnce({ ...watched.deps, alerts })));

    expect(told.reduce((a, b) => a + b)).toBe(1);
    expect(await watched.told()).toHaveLength(1);
  });

  it('tell it once though the answer of Redis was lost and the script is sent again', async () => {
    await using watched = await openTest();
    await watched.calls(25, { failed: true });
    await watched.look();

    expect(await watched.test.resend()).toEqual({ first: 1, second: 0 });

    expect(await watched.told()).toHaveLength(1);
    expect(await watched.look()).toBe(0);
  });

  it('tell it when one of them dies before it was written', async () => {
    await using watched = await openTest();
    await watched.calls(25, { failed: true });
    const tell = () => Promise.reject(new Error('killed'));
    const dying = alertsOnce({ ...watched.deps, alerts: { ...watched.deps.alerts, tell } });
    await expect(dying).rejects.toThrow('killed');

    expect(await watched.look()).toBe(1);
    expect(await watched.told()).toHaveLength(1);
  });
});

it('what is told is listed with the tenants whose events are looked after', async () => {
  await using watched = await openTest();
  await watched.calls(25, { failed: true });

  await watched.look();

  expect(await watched.test.ledger.tenants()).toEqual([OPERATOR]);
});

it('what is set to 0 is never told', async () => {
  await using watched = await openTest();
  await watched.calls(25, { failed: true, ms: 90_000 });

  expect(await watched.look({ errorRate: 0, p99Seconds: 0, failovers: 0, queueAgeSeconds: 0, inDoubtUsd: 0 })).toBe(0);
});
