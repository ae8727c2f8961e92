import { expect, it } from 'vitest';
import { addedLatency, OUTAGE_SHORT, runOutage } from '../support/outage.ts';
import { testRedisUrl } from '../support/redis.ts';

it('makes every image while the first channel fails, probes it one call at a time, and comes back to it', async () => {
  const figures = await runOutage(OUTAGE_SHORT, testRedisUrl());

  expect(figures.byStatus).toEqual({ succeeded: figures.jobs });
  expect(figures.opened).toBeGreaterThan(0);
  expect(figures.recovered).toBeGreaterThan(0);
  expect(figures.probes).toBeGreaterThan(1);
  expect(figures.probesAtOnce).toBe(1);
  expect(figures.madeAfter).toBeGreaterThan(0);
  // What it costs is told, and no goal: the machine is shared.
  const latency = addedLatency(figures, OUTAGE_SHORT);
  process.stdout.write(`${latency.map((row) => row.join(': ')).join('\n')}\n`);
  expect(figures.wellMs).toBeGreaterThan(0);
});
