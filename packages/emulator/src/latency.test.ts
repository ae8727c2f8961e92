import { describe, expect, it } from 'vitest';
import { latencyFactor } from './latency.ts';
import { QUIET, Settings } from './settings.ts';
import { createWorld } from './world.ts';

function worldOf(settings: object) {
  const closing = new AbortController().signal;
  return createWorld({
    seed: 'seed',
    now: () => 0,
    settings: Settings.parse({ ...QUIET, latency: 1, clock_scale: 0, ...settings }),
    faults: [],
    outages: [],
    closing,
  });
}
const of = (project: string) => ({ route: 'generate_content', project }) as const;

describe('latency', () => {
  it('has a tail: a share of the calls takes many times as long, and the same calls each time', () => {
    const world = worldOf({ tail: { share: 0.1, factor: 20 } });
    const factors = Array.from({ length: 2000 }, (_, n) => latencyFactor(world, of('a'), n));

    expect(new Set(factors)).toEqual(new Set([1, 20]));
    expect(factors.filter((factor) => factor === 20).length / 2000).toBeCloseTo(0.1, 1);
    expect(latencyFactor(worldOf({ tail: { share: 0.1, factor: 20 } }), of('a'), 7)).toBe(factors[7]);
  });

  it('is each project\u2019s own', () => {
    const world = worldOf({ projects: { slow: { latency: 4, tail: { share: 1, factor: 2 } } } });

    expect(latencyFactor(world, of('slow'), 1)).toBe(8);
    expect(latencyFactor(world, of('other'), 1)).toBe(1);
  });
});
