/** Breakers over a real Redis, by as many workers as connections. */

import type { CallEnd, Place, Transition } from '@darkroom/shared/domain';
import { describe, expect, it } from 'vitest';
import { GO, kinds, openTestBreakers, PLACE, PROBE, type TestBreakers, times } from '../support/breakers.ts';

const OTHER: Place = { channel: 'gemini-a', model: 'gemini-2.5-flash-image' };
const HOUR = 3_600_000;

describe('a breaker', () => {
  it('opens after five faults in a row, says so once, and lets nobody call', async () => {
    await using test = await openTestBreakers();
    const [breakers] = test.workers;

    expect(kinds(await test.end(times(4, 'timeout')))).toEqual(times(4, undefined));
    expect(await breakers.enter(PLACE, 'a')).toEqual(GO);
    const [told] = await test.end(['unavailable']);

    expect(told).toMatchObject({ place: PLACE, to: 'opened', breaker: 'open', errorRate: 1 });
    expect(told?.why).toBe('5 calls in a row failed, the last one because the provider answered with a server error');
    expect(await test.end(times(3, 'timeout'))).toEqual(times(3, undefined));
    const entered = await breakers.enter(PLACE, 'b');
    expect(entered).toMatchObject({ type: 'closed_until' });
    expect(entered.type === 'closed_until' && entered.retryAfterMs).toBeGreaterThan(9_000);
    expect(await breakers.enter(OTHER, 'c')).toEqual(GO);
  });

  it('forgets faults in a row with each good call, and is not moved by what says nothing', async () => {
    await using test = await openTestBreakers({ callsMin: 1_000 });
    const ends: CallEnd[] = [...times<CallEnd>(4, 'timeout'), 'ok', ...times<CallEnd>(4, 'no_image')];

    expect(kinds(await test.end([...ends, 'blocked', 'invalid', 'limited']))).toEqual(times(12, undefined));
    expect(kinds(await test.end(['unreachable']))).toEqual(['opened']);
  });

  it('is told of as degraded once, opens at half, and recovers after two good probes', async () => {
    await using test = await openTestBreakers();
    const [breakers] = test.workers;
    const mixed = (faults: number, goods: number): CallEnd[] => [
      ...times<CallEnd>(faults, 'overloaded'),
      ...times<CallEnd>(goods, 'ok'),
    ];

    expect(kinds(await test.end([...mixed(4, 15), 'ok'])).at(-1)).toBe('degraded');
    expect(kinds(await test.end(mixed(4, 1)))).toEqual(times(5, undefined));
    const told = kinds(await test.end(times(3, mixed(4, 1)).flat()));
    expect(told.filter((to) => to)).toEqual(['opened']);

    await test.coolOff();
    for (const attempt of ['a', 'b']) {
      expect(await breakers.enter(PLACE, attempt)).toEqual(PROBE);
      const to = (await breakers.note(PLACE, attempt, 'ok'))?.to;
      expect(to).toBe(attempt === 'b' ? 'recovered' : undefined);
    }
    expect(await breakers.enter(PLACE, 'c')).toEqual(GO);
  });
});

describe('the error rate of a minute', () => {
  /** Lets calls of a place be older, by so many twelfths of the minute. */
  async function age({ redis, prefix }: TestBreakers, slots: number): Promise<void> {
    const key = `${prefix}{c:${PLACE.channel}}:breaker:${PLACE.model}`;
    for (const [field, count] of Object.entries(await redis.hgetall(key))) {
      const slot = /^f:(\d+)$/.exec(field)?.[1];
      if (slot)
        await redis
          .multi()
          .hdel(key, field)
          .hset(key, `f:${Number(slot) - slots}`, count)
          .exec();
    }
  }

  it.each([
    [10, 'opened'],
    [12, undefined],
  ])('has calls that are %i twelfths old in it, or not', async (slots, to) => {
    await using test = await openTestBreakers({ faultsInARow: 1_000 });
    expect(kinds(await test.end(times(19, 'timeout')))).toEqual(times(19, undefined));

    await age(test, slots);

    expect(kinds(await test.end(['timeout']))).toEqual([to]);
  });
});

describe('a probe', () => {
  it('is one over all workers, each of 200 times', async () => {
    await using test = await openTestBreakers({ goodProbes: 1_000 }, 4);
    await test.end(times(5, 'timeout'));
    await test.coolOff();

    for (let round = 0; round < 200; round++) {
      const entries = await Promise.all(
        test.workers.map(async (worker, n) => ({
          worker,
          id: `${round}-${n}`,
          got: await worker.enter(PLACE, `${round}-${n}`),
        })),
      );
      const probes = entries.filter(({ got }) => got.type === 'go');

      expect(probes).toHaveLength(1);
      expect(probes[0]?.got).toEqual(PROBE);
      for (const { worker, id } of probes) await worker.note(PLACE, id, round % 3 ? 'ok' : 'blocked');
    }
  });

  it('frees itself when its worker died, and the dead one moves nothing any more', async () => {
    await using test = await openTestBreakers({ goodProbes: 1, probeMs: 40 }, 2);
    const [dead, alive = dead] = test.workers;
    await test.end(times(5, 'timeout'));
    await test.coolOff();
    expect(await dead.enter(PLACE, 'dead')).toEqual(PROBE);
    expect(await alive.enter(PLACE, 'alive')).toMatchObject({ type: 'closed_until' });

    await expect.poll(() => alive.enter(PLACE, 'alive'), { interval: 5 }).toEqual(PROBE);

    expect(await dead.note(PLACE, 'dead', 'ok')).toBeUndefined();
    expect((await alive.note(PLACE, 'alive', 'ok'))?.to).toBe('recovered');
  });

  it('is the same when it is asked for again, and is free once it did not leave', async () => {
    await using test = await openTestBreakers();
    const [breakers] = test.workers;
    await test.end(times(5, 'timeout'));
    await test.coolOff();

    expect(await breakers.enter(PLACE, 'a')).toEqual(PROBE);
    expect(await breakers.enter(PLACE, 'a')).toEqual(PROBE);
    expect((await breakers.stand([PLACE]))[0]).toMatchObject({ breaker: 'half_open', waitMs: expect.any(Number) });
    await breakers.leave(PLACE, 'b');
    expect(await breakers.enter(PLACE, 'b')).toMatchObject({ type: 'closed_until', retryAfterMs: 1_000 });
    await breakers.leave(PLACE, 'a');
    expect(await breakers.enter(PLACE, 'b')).toEqual(PROBE);
  });

  it('that fails opens the breaker again, each time for twice as long, up to the most', async () => {
    await using test = await openTestBreakers();
    const [breakers] = test.workers;
    await test.end(times(5, 'timeout'));
    const waits: number[] = [];

    for (let n = 0; n < 7; n++) {
      waits.push((await breakers.stand([PLACE]))[0]?.waitMs ?? 0);
      await test.coolOff();
      await breakers.enter(PLACE, `probe-${n}`);
      expect(await breakers.note(PLACE, `probe-${n}`, 'timeout')).toBeUndefined();
    }

    for (const [n, ms] of [10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000].entries()) {
      expect(waits[n]).toBeLessThanOrEqual(ms);
      expect(waits[n]).toBeGreaterThan(ms - 5_000);
    }
  });
});

describe('a channel', () => {
  it('is out as a whole when its key is refused, until a probe on any of its places goes well', async () => {
    await using test = await openTestBreakers();
    const [breakers] = test.workers;

    const told = await test.end(['auth', 'auth', 'ok']);

    expect(kinds(told)).toEqual(['out', undefined, undefined]);
    expect(told[0]).toMatchObject({ wholeChannel: true, why: 'the provider refuses the key or the project' });
    expect(await breakers.enter(OTHER, 'a')).toMatchObject({ type: 'closed_until' });
    expect((await breakers.stand([OTHER]))[0]).toMatchObject({ breaker: 'open', out: 'auth' });

    await test.coolOff();
    expect(await breakers.enter(OTHER, 'b')).toEqual(PROBE);
    expect(await breakers.enter(PLACE, 'c')).toMatchObject({ type: 'closed_until' });
    expect(await breakers.note(OTHER, 'b', 'auth')).toBeUndefined();
    expect((await breakers.stand([PLACE]))[0]?.waitMs).toBeGreaterThan(590_000);

    await test.coolOff();
    expect(await breakers.enter(OTHER, 'd')).toEqual(PROBE);
    expect(await breakers.note(OTHER, 'd', 'ok')).toMatchObject({ to: 'recovered', wholeChannel: true });
    expect(await breakers.enter(PLACE, 'e')).toEqual(GO);
  });

  it('keeps its other models when one is gone', async () => {
    await using test = await openTestBreakers();
    const [breakers] = test.workers;

    expect(kinds(await test.end(['retired', 'retired']))).toEqual(['out', undefined]);

    const [gone, kept] = await breakers.stand([PLACE, OTHER]);
    expect(gone).toMatchObject({ breaker: 'open', out: 'retired' });
    expect(gone?.waitMs).toBeGreaterThan(23 * HOUR);
    expect(kept).toEqual({ place: OTHER, breaker: 'closed', waitMs: 0 });
    await test.coolOff();
    await breakers.enter(PLACE, 'a');
    expect((await breakers.note(PLACE, 'a', 'ok'))?.to).toBe('recovered');
  });

  it('does as an operator says until it is taken back', async () => {
    await using test = await openTestBreakers();
    const [breakers] = test.workers;

    for (const word of ['open', 'drain'] as const) {
      await breakers.override(PLACE.channel, word);
      expect(await breakers.enter(OTHER, 'a')).toMatchObject({ type: 'closed_until' });
      expect((await breakers.stand([PLACE]))[0]).toMatchObject({ breaker: 'open', override: word });
    }
    await breakers.override(PLACE.channel, undefined);
    expect(await breakers.enter(OTHER, 'a')).toEqual(GO);

    await breakers.override(PLACE.channel, 'close');
    expect(kinds(await test.end(times(30, 'timeout')))).toEqual(times(30, undefined));
    expect(await breakers.enter(PLACE, 'b')).toEqual(GO);
    expect(await test.redis.ttl(`${test.prefix}{c:${PLACE.channel}}:breaker`)).toBe(-1);
  });

  it('has no past once an operator has closed it', async () => {
    await using test = await openTestBreakers({ callsMin: 1_000 });
    const [breakers] = test.workers;
    await test.end(times(5, 'timeout'));
    await test.end(times(4, 'timeout'), OTHER);
    await test.end(['auth']);

    await breakers.override(PLACE.channel, 'close');
    await breakers.override(PLACE.channel, undefined);

    expect(await breakers.enter(PLACE, 'a')).toEqual(GO);
    expect(kinds(await test.end(times(4, 'timeout'), OTHER))).toEqual(times(4, undefined));
    expect(kinds(await test.end(['timeout'], OTHER))).toEqual(['opened']);
  });
});

describe('a note', () => {
  it('that is sent again counts once, and says again what it brought about', async () => {
    await using test = await openTestBreakers({}, 2);
    const [breakers, other = breakers] = test.workers;

    const all: (Transition | undefined)[] = [];
    for (const attempt of ['a', 'b', 'c', 'd', 'e']) {
      all.push(...(await Promise.all([breakers, other].map((one) => one.note(PLACE, attempt, 'timeout')))));
    }

    expect(kinds(all)).toEqual([...times(8, undefined), 'opened', 'opened']);
    expect(all[8]).toEqual(all[9]);
    expect((await breakers.look([PLACE]))[0]).toMatchObject({ calls: 5, ends: { timeout: 5 } });
    expect(await breakers.note(PLACE, 'a', 'timeout')).toBeUndefined();
  });

  it('is told to one of all workers that end calls at once', async () => {
    await using test = await openTestBreakers({}, 4);

    const told = await Promise.all(
      Array.from({ length: 200 }, (_, n) => test.workers[n % 4]?.note(PLACE, `call-${n}`, 'unreachable')),
    );

    expect(kinds(told).filter((to) => to)).toEqual(['opened']);
  });

  it('adds to the figures of ten minutes, of which the times are of answered calls', async () => {
    await using test = await openTestBreakers();
    const [breakers] = test.workers;
    for (let n = 0; n < 19; n++) await breakers.note(PLACE, `quick-${n}`, 'ok', { ms: 8_000 });
    expect(await breakers.p95Ms(OTHER)).toBeUndefined();
    expect((await breakers.look([PLACE]))[0]).not.toHaveProperty('p95Ms');
    for (const n of [0, 1]) await breakers.note(PLACE, `slow-${n}`, 'ok', { ms: 60_000 });
    await test.end(['blocked', 'limited']);

    const [health] = await breakers.look([PLACE]);

    expect(health).toMatchObject({ calls: 23, ends: { ok: 21, blocked: 1, limited: 1 } });
    expect(health?.p50Ms).toBeGreaterThan(7_600);
    expect(health?.p50Ms).toBeLessThan(8_400);
    expect(await breakers.p95Ms(PLACE)).toBe(health?.p95Ms);
    expect(health?.p95Ms).toBeGreaterThan(57_000);
  });
});

it('the clocks of workers change nothing', async () => {
  await using test = await openTestBreakers();
  const now = Date.now;
  try {
    for (const off of [-HOUR, 0, HOUR]) {
      Date.now = () => now() + off;
      const channel = `off-${off}`;
      const place = { channel, model: PLACE.model };
      const opened = (await test.end(times(5, 'timeout'), place)).at(-1);

      expect(Math.abs((opened?.at ?? 0) - now())).toBeLessThan(60_000);
      const [standing] = await test.workers[0].stand([place]);
      expect(standing?.breaker).toBe('open');
      expect(standing?.waitMs).toBeLessThanOrEqual(10_000);
      expect(standing?.waitMs).toBeGreaterThan(5_000);
    }
  } finally {
    Date.now = now;
  }
});
