import { CRASH_POINTS } from '@darkroom/shared/observability';
import { describe, expect, it } from 'vitest';
import { CRASH_CASES, survive } from '../support/crash.ts';
import { testRedisUrl } from '../support/redis.ts';

it('has a case for every step at which a program can be made to die', () => {
  expect(CRASH_CASES.map(({ point }) => point)).toEqual([...CRASH_POINTS]);
  expect(CRASH_POINTS.length).toBeGreaterThanOrEqual(15);
});

describe.concurrent('a SIGKILL at', { timeout: 60_000 }, () => {
  it.for(CRASH_CASES)('$point loses nothing and costs exactly its price', async (crash, { expect: check }) => {
    const figures = await survive(crash, testRedisUrl());

    check(figures.point).toBe(crash.point);
  });
});
