import { AGING_MS, expectedAt, jobsAhead } from '@darkroom/shared/domain';
import { describe, expect, it } from 'vitest';
import { aStanding, MODEL, openTestLines, SINCE, standings } from '../support/lines.ts';

const tenantsOf = (ids: string[]) => ids.map((id) => id.split('-')[0]);
const countOf = (ids: string[], tenant: string) => tenantsOf(ids).filter((one) => one === tenant).length;

describe('between tenants', () => {
  it('lets one with a job now and then wait for two picks at most, whatever stands before it', async () => {
    await using test = await openTestLines();
    await test.lines.add(standings('a', 10_000));
    await test.takeAll(50);

    for (let n = 0; n < 20; n++) {
      await test.lines.add([aStanding(`b-${n}`)]);
      expect(await test.takeAll(2)).toContain(`b-${n}`);
      expect(countOf(await test.takeAll(7), 'a')).toBe(7);
    }
  });

  it('shares by weight', async () => {
    const weights: Record<string, number> = { a: 1, b: 2, c: 3 };
    await using test = await openTestLines({ shareOf: (tenant) => ({ weight: weights[tenant] ?? 1 }) });
    for (const tenant of ['a', 'b', 'c']) await test.lines.add(standings(tenant, 100));

    const taken = await test.takeAll(120);

    expect(Math.abs(countOf(taken, 'a') - 20)).toBeLessThanOrEqual(1);
    expect(Math.abs(countOf(taken, 'b') - 40)).toBeLessThanOrEqual(2);
    expect(Math.abs(countOf(taken, 'c') - 60)).toBeLessThanOrEqual(3);
  });

  it('gives one that comes back with one job after the other no more than its share', async () => {
    await using test = await openTestLines();
    await test.lines.add(standings('a', 100));
    const taken: string[] = [];

    await test.lines.add([aStanding('b-0')]);
    for (let n = 1; n <= 40; n++) {
      const [id = ''] = await test.takeAll(1);
      taken.push(id);
      if (id.startsWith('b')) await test.lines.add([aStanding(`b-${n}`)]);
    }

    expect(countOf(taken, 'a')).toBe(20);
  });

  it('lets one that was away, or whose line waited, save nothing up', async () => {
    await using test = await openTestLines();
    await test.lines.add([...standings('a', 100), ...standings('b', 50, { channels: ['vertex'] })]);
    const first = (await test.take()).tenant === 'b' ? undefined : await test.take();
    if (first) await test.lines.putBack(first, 60_000);
    await test.takeAll(40);
    await test.lines.open(MODEL, 'vertex');

    const taken = await test.takeAll(20);

    expect(Math.abs(countOf(taken, 'b') - 10)).toBeLessThanOrEqual(1);
  });

  it('gives a tenant with several limited keys one share', async () => {
    await using test = await openTestLines({ keyShareOf: () => ({ concurrency: 100 }) });
    await test.lines.add(standings('a', 100));
    for (const key of ['k1', 'k2', 'k3']) {
      await test.lines.add(standings('b', 30, { key }).map((one) => ({ ...one, id: `b-${key}-${one.id}` })));
    }

    expect(countOf(await test.takeAll(40), 'b')).toBe(20);
  });
});

describe('within a tenant', () => {
  it('goes by priority, then deadline, then age', async () => {
    await using test = await openTestLines();
    const soon = SINCE + 3_600_000;
    await test.lines.add([
      aStanding('a-low', { priority: 1, expiresAt: soon }),
      aStanding('a-late'),
      aStanding('a-young', { expiresAt: soon, since: SINCE + 5_000 }),
      aStanding('a-old', { expiresAt: soon }),
      aStanding('a-high', { priority: 9 }),
    ]);

    expect(await test.takeAll()).toEqual(['a-high', 'a-old', 'a-young', 'a-late', 'a-low']);
  });

  it('lets one that has waited pass a priority with each step', async () => {
    await using test = await openTestLines();
    await test.lines.add([
      aStanding('a-new', { priority: 5 }),
      aStanding('a-waited', { priority: 3, since: SINCE - 3 * AGING_MS }),
      aStanding('a-waited-less', { priority: 3, since: SINCE - AGING_MS }),
    ]);

    expect(await test.takeAll()).toEqual(['a-waited', 'a-new', 'a-waited-less']);
  });

  it('moves one that is added with another priority, or to another line', async () => {
    await using test = await openTestLines();
    await test.lines.add(standings('a', 3));

    await test.lines.add([aStanding('a-2', { priority: 9, channels: ['vertex'] })]);

    expect(await test.lines.sizes(MODEL)).toEqual([{ tenant: 'a', waiting: 3, running: 0 }]);
    expect(await test.takeAll()).toEqual(['a-2', 'a-0', 'a-1']);
  });
});

describe('a line that waits', () => {
  it('holds up no other', async () => {
    await using test = await openTestLines();
    await test.lines.add([
      aStanding('a-first', { priority: 9 }),
      ...standings('a', 3, { channels: ['openai', 'vertex'] }),
    ]);
    await test.lines.putBack(await test.take(), 60_000);

    expect((await test.takeAll()).length).toBe(3);
    expect(await test.lines.pick(MODEL)).toMatchObject({ type: 'wait' });

    await test.lines.open(MODEL, 'gemini');
    expect((await test.takeAll()).length).toBe(1);
    expect(await test.lines.pick(MODEL)).toEqual({ type: 'empty' });
  });
});

describe('a pick', () => {
  it('stands in line again when nobody follows it up', async () => {
    await using test = await openTestLines({ lapseMs: 30 });
    await test.lines.add(standings('a', 2));
    const dead = await test.take();

    await expect.poll(() => test.open({ lapseMs: 60_000 }).pick(MODEL)).toMatchObject({ turn: { id: dead.id } });
  });

  it('leads to nothing else than a wait while it may come back', async () => {
    await using test = await openTestLines();
    await test.lines.add(standings('a', 1));
    const turn = await test.take();

    expect(await test.lines.pick(MODEL)).toMatchObject({ type: 'wait' });
    await test.lines.drop(turn);
    expect(await test.lines.pick(MODEL)).toEqual({ type: 'empty' });
  });

  it('put back costs no turn', async () => {
    await using test = await openTestLines();
    await test.lines.add([...standings('a', 5), ...standings('b', 5)]);
    const first = await test.take();

    await test.lines.putBack(first);

    expect((await test.take()).id).toBe(first.id);
  });
});

describe('bounds', () => {
  it('hold back a tenant with as many jobs running as it may have, and nobody else', async () => {
    await using test = await openTestLines({
      shareOf: (tenant) => ({ weight: 1, ...(tenant === 'a' && { concurrency: 2 }) }),
    });
    await test.lines.add([...standings('a', 5), ...standings('b', 4)]);

    const turns = [];
    for (let n = 0; n < 6; n++) turns.push(await test.take());
    expect(turns.filter(({ tenant }) => tenant === 'a').length).toBe(2);
    expect(await test.lines.pick(MODEL)).toMatchObject({ type: 'wait' });

    const [first] = turns.filter(({ tenant }) => tenant === 'a');
    if (first) await test.lines.started(first);
    expect(await test.lines.pick(MODEL)).toMatchObject({ type: 'wait' });
    if (first) await test.lines.ended(first);
    expect(await test.take()).toMatchObject({ tenant: 'a' });
  });

  it('hold back one key of a tenant, and not the others', async () => {
    await using test = await openTestLines({ keyShareOf: (key) => (key === 'k1' ? { concurrency: 1 } : {}) });
    await test.lines.add([aStanding('a-k1', { key: 'k1' }), aStanding('a-k1-2', { key: 'k1' }), aStanding('a-k2')]);

    const turns = [await test.take(), await test.take()];

    expect(turns.map(({ id }) => id).toSorted((a, b) => a.localeCompare(b))).toEqual(['a-k1', 'a-k2']);
    expect(await test.lines.pick(MODEL)).toMatchObject({ type: 'wait' });
    for (const turn of turns) await test.lines.drop(turn);
    expect(await test.take()).toMatchObject({ id: 'a-k1-2', key: 'k1' });
  });

  it('are told apart in what waits and runs: of the tenant, and of each key among it', async () => {
    await using test = await openTestLines({ keyShareOf: () => ({ concurrency: 1 }) });
    await test.lines.add([aStanding('a-k1', { key: 'k1' }), aStanding('a-k1-2', { key: 'k1' }), aStanding('a-free')]);

    await test.lines.started(await test.take());

    const keys = { k1: { waiting: 1, running: 1 } };
    expect(await test.lines.sizes(MODEL)).toEqual([{ tenant: 'a', waiting: 2, running: 1, keys }]);
  });

  it('let a tenant start so many in any minute, and a turn that was not used is none', async () => {
    await using test = await openTestLines({ shareOf: () => ({ weight: 1, startsPerMinute: 3 }) });
    await test.lines.add(standings('a', 10));
    for (let n = 0; n < 5; n++) await test.lines.putBack(await test.take());

    expect((await test.takeAll()).length).toBe(3);
    expect(await test.lines.pick(MODEL)).toMatchObject({ type: 'wait' });

    // As if the first of them had been a minute ago.
    const [oldest = ''] = await test.redis.zrange(`${test.base}:starts:a`, '0', '0');
    await test.redis.zincrby(`${test.base}:starts:a`, -60_001, oldest);
    expect((await test.takeAll()).length).toBe(1);
  });

  it('count what a worker that died has run no longer than a call can last', async () => {
    await using test = await openTestLines({ callMsMax: 40, shareOf: () => ({ weight: 1, concurrency: 1 }) });
    await test.lines.add(standings('a', 2));
    await test.lines.started(await test.take());

    await expect.poll(() => test.lines.pick(MODEL)).toMatchObject({ type: 'job' });
  });
});

describe('scripts that arrive twice', () => {
  it('do what they do once', async () => {
    await using test = await openTestLines({ resent: true, shareOf: () => ({ weight: 1, concurrency: 3 }) });
    await test.lines.add([...standings('a', 6), ...standings('b', 2)]);
    const [first, second, third] = [await test.take(), await test.take(), await test.take()];
    await test.lines.putBack(first);
    await test.lines.started(second);
    await test.lines.drop(third);

    const byTenant = new Map((await test.lines.sizes(MODEL)).map((one) => [one.tenant, one]));
    expect(byTenant.get('a')).toMatchObject({
      waiting: 6 - [second, third].filter(({ tenant }) => tenant === 'a').length,
    });
    expect([...byTenant.values()].reduce((sum, { running }) => sum + running, 0)).toBe(1);

    await test.lines.ended(second);
    expect((await test.takeAll()).length).toBe(6);
    const counts = await test.redis.hgetall(`${test.base}:counts`);
    expect(counts).toEqual({});
  });

  it('take no turn of a worker that picked the job later', async () => {
    await using test = await openTestLines();
    await test.lines.add(standings('a', 1));
    const earlier = await test.take();
    await test.lines.putBack(earlier);
    const later = await test.take();

    await test.lines.putBack(earlier, 60_000);

    expect(await test.lines.sizes(MODEL)).toEqual([{ tenant: 'a', waiting: 0, running: 1 }]);
    await test.lines.putBack(later);
    expect(await test.take()).toMatchObject({ id: 'a-0' });
  });
});

describe('who stands around a job', () => {
  it('tells how many go before it, as it then comes', async () => {
    await using test = await openTestLines({ shareOf: (tenant) => ({ weight: tenant === 'b' ? 2 : 1 }) });
    await test.lines.add([...standings('a', 200), ...standings('b', 30), ...standings('c', 12)]);
    await test.takeAll(10);
    const asked = ['a-20', 'b-25', 'c-9'].map((id) => aStanding(id));
    const crowds = await Promise.all(asked.map((one) => test.lines.crowd(one)));

    const order = await test.takeAll(120);

    for (const [n, { id }] of asked.entries()) {
      const crowd = crowds[n];
      expect(crowd && Math.abs(jobsAhead(crowd) - order.indexOf(id))).toBeLessThanOrEqual(2);
      expect(crowd && expectedAt(crowd, 1_000, 0)).toBeGreaterThanOrEqual(1_000);
    }
    expect(await test.lines.crowd(aStanding('a-0'))).toBeUndefined();
  });
});

describe('a job that is not due yet', () => {
  it('stands in line once it is, and rings for nobody', async () => {
    await using test = await openTestLines();
    await test.lines.addLater(aStanding('a-1'), 150);

    expect(await test.lines.pick(MODEL)).toEqual({ type: 'empty' });
    await expect.poll(() => test.lines.pick(MODEL)).toMatchObject({ type: 'job', turn: { id: 'a-1' } });
    expect(await test.redis.exists(`${test.base}:later`, `${test.base}:laters`)).toBe(0);
  });

  it('stands in line at once when it is added, and nowhere when it is dropped', async () => {
    await using test = await openTestLines();
    await test.lines.addLater(aStanding('a-1'), 60_000);
    await test.lines.addLater(aStanding('a-2'), 60_000);

    await test.lines.add([aStanding('a-1')]);
    await test.lines.drop(aStanding('a-2'));

    expect(await test.takeAll()).toEqual(['a-1']);
    expect(await test.redis.exists(`${test.base}:later`, `${test.base}:laters`)).toBe(0);
  });

  it('stands there no more when it is put off', async () => {
    await using test = await openTestLines();
    await test.lines.add([aStanding('a-1')]);

    await test.lines.addLater(aStanding('a-1'), 60_000);

    expect(await test.takeAll()).toEqual([]);
  });
});
