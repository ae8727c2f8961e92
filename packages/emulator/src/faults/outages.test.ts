import { describe, expect, it } from 'vitest';
import { startEmulator } from '../server.ts';
import type { SettingsPatch } from '../settings.ts';
import { controlled, post } from '../testing/client.ts';
import { Outage, type OutageInput } from './outage.ts';
import { createOutages, type OutageView } from './outages.ts';

const MINUTE = 60_000;
const CALL = { route: 'generate_content', project: 'a', model: 'gemini-3-pro-image' } as const;

/** Outages in a time that is told. */
function told(outages: readonly OutageInput[], seed = 'seed') {
  const time = { at: 0 };
  const now = () => time.at;
  const parsed = outages.map((outage) => Outage.parse(outage));
  return { time, outages: createOutages({ seed, clock: { now }, now }, parsed) };
}

const badHour: OutageInput = {
  name: 'bad-hour',
  afterMs: MINUTE,
  phases: [
    { ms: 5 * MINUTE, share: 0.45, latency: 3 },
    { ms: 10 * MINUTE, share: 1 },
  ],
};

describe('an outage', () => {
  it('strikes a share of the calls, then all of them, and is over', () => {
    const { time, outages } = told([badHour]);
    const struck = () => Array.from({ length: 1000 }, () => outages.choose(CALL)).filter(Boolean).length;

    expect([struck(), outages.latency(CALL), outages.list()[0]?.state]).toEqual([0, 1, 'planned']);
    time.at = MINUTE;
    expect(struck() / 1000).toBeCloseTo(0.45, 1);
    expect(outages.latency(CALL)).toBe(3);
    time.at = 6 * MINUTE;
    expect([struck(), outages.choose(CALL), outages.latency(CALL)]).toEqual([1000, { kind: 'overloaded' }, 1]);
    expect(outages.list()).toMatchObject([{ state: 'running', phase: 1, since: 6 * MINUTE, until: 16 * MINUTE }]);
    time.at = 16 * MINUTE;
    expect([struck(), outages.list()[0]?.state]).toEqual([0, 'over']);
  });

  it('strikes the same calls for the same seed, and others for another', () => {
    const pattern = (seed: string) => {
      const { time, outages } = told([{ ...badHour, afterMs: 0, jitter: 0.5 }], seed);
      const struck = Array.from({ length: 50 }, () => outages.choose(CALL) !== undefined);
      time.at = 1;
      return { struck, until: outages.list()[0]?.until };
    };

    expect(pattern('one')).toEqual(pattern('one'));
    expect(pattern('one')).not.toEqual(pattern('two'));
  });

  it('lasts by its jitter longer or shorter, and comes as often as told', () => {
    const phases = [{ ms: 1000, share: 1 }, { ms: 1000 }];
    const { time, outages } = told([{ name: 'flapping', phases, times: 3, jitter: 0.2 }]);
    const lengths = new Set<number>();
    while (outages.list()[0]?.state !== 'over') {
      const [{ since = 0, until = 0 } = {}] = outages.list();
      lengths.add(until - since);
      time.at = until;
    }

    expect(lengths.size).toBeGreaterThan(3);
    expect(Math.min(...lengths)).toBeGreaterThanOrEqual(800);
    expect(Math.max(...lengths)).toBeLessThanOrEqual(1200);
    expect(time.at).toBeGreaterThan(4800);
  });

  it('is of those projects, models and routes alone that it names', () => {
    const { outages } = told([{ name: 'x', match: { project: 'a', model: 'm' }, phases: [{ ms: 1, share: 1 }] }]);

    expect(outages.choose({ ...CALL, model: 'm' })).toBeDefined();
    expect(outages.choose({ ...CALL, project: 'b', model: 'm' })).toBeUndefined();
    expect(outages.choose(CALL)).toBeUndefined();
    expect(outages.choose({ ...CALL, route: 'batch_line', model: 'm' })).toBeUndefined();
  });

  it('lets latencies rise evenly', () => {
    const { time, outages } = told([{ name: 'drift', phases: [{ ms: 60 * MINUTE, latency: [1, 3] }] }]);
    const factors = [0, 15, 30, 60].map((minute) => {
      time.at = minute * MINUTE;
      return outages.latency(CALL);
    });

    expect(factors).toEqual([1, 1.5, 2, 1]);
    expect(outages.choose(CALL)).toBeUndefined();
  });
});

describe('over HTTP', () => {
  const settings: SettingsPatch = { render: 'fast', projects: { b: {} } };

  it('an outage is started, seen and ended, and leaves other projects alone', async () => {
    await using emulator = await startEmulator({ settings: { ...settings, clock_scale: 0 } });
    const status = async (key: string) => (await post(emulator, { key })).status;
    const outage: OutageInput = { name: 'b-down', match: { project: 'b' }, phases: [{ ms: MINUTE, share: 1 }] };

    await controlled(emulator, 'POST', 'outages', outage);
    expect([await status('a.1'), await status('b.1')]).toEqual([200, 503]);
    const [seen] = (await (await controlled(emulator, 'GET', 'outages')).json()) as OutageView[];
    expect(seen).toMatchObject({ name: 'b-down', state: 'running', met: 1, struck: 1 });
    expect(await (await controlled(emulator, 'DELETE', 'outages?name=b-down')).json()).toEqual({ ended: true });
    expect(await status('b.1')).toBe(200);

    await controlled(emulator, 'PUT', 'outages', [outage]);
    expect(await status('b.1')).toBe(503);
    emulator.control.advance(MINUTE);
    expect(await status('b.1')).toBe(200);
    expect(emulator.control.endOutage('b-down')).toBe(false);
  });

  it('may reset connections, or let them hang', async () => {
    const phases = [{ ms: MINUTE, share: 1, fault: { kind: 'reset' } as const }];
    await using emulator = await startEmulator({ settings, outages: [{ name: 'resets', phases }] });
    await expect(post(emulator)).rejects.toThrow('fetch failed');

    const hanging = { ms: MINUTE, share: 1, fault: { kind: 'hang', billed: false } as const };
    emulator.control.putOutages([{ name: 'hangs', phases: [hanging] }]);
    await expect(post(emulator, { signal: AbortSignal.timeout(50) })).rejects.toThrow(/timeout/);
    expect(emulator.control.bill().billed_calls).toBe(0);
  });

  it.each([
    [{ name: 'x', phases: [] }, 'phases'],
    [{ name: 'x', phases: [{ ms: 1, share: 2 }] }, 'share'],
    [{ name: 'x', phases: [{ ms: 1, fault: { kind: 'drafts' } }] }, 'error answer'],
  ])('refuses %j, naming what is wrong', async (outage, named) => {
    await using emulator = await startEmulator();
    const response = await controlled(emulator, 'POST', 'outages', outage);

    expect(response.status).toBe(400);
    expect(await response.text()).toContain(named);
  });
});
