/** A provider with a third of the configured limit, which counts every call the moment it arrives. */

import { setTimeout as after } from 'node:timers/promises';
import type { Lesson } from '@darkroom/shared/domain';
import { describe, expect, it } from 'vitest';
import { ONE, openQuotas, PRO, stateOf, type TestQuotas } from '../support/quotas.ts';

const MINUTE = 500;
const LIMIT = 100;
const TAKERS = 8;

/** Refuses what would be more than the limit within any minute that ends now. Refused calls do not count. */
function strictProvider(): { call: () => boolean; calls: number; refused: number } {
  const seen: number[] = [];
  const provider = { calls: 0, refused: 0, call };
  function call(): boolean {
    const now = performance.now();
    while ((seen[0] ?? now) <= now - MINUTE) seen.shift();
    provider.calls++;
    if (seen.length < LIMIT) return seen.push(now) > 0;
    provider.refused++;
    return false;
  }
  return provider;
}

/** Calls for so long with all takers at once, each as soon as it has leave. */
async function callFor(minutes: number, test: TestQuotas, provider: ReturnType<typeof strictProvider>, lesson: Lesson) {
  const end = performance.now() + minutes * MINUTE;
  const taker = async (name: number) => {
    for (let n = 0; performance.now() < end; n++) {
      const id = `call-${name}-${n}`;
      const leave = await test.quotas.take(PRO, id, ONE);
      if (!leave.granted) {
        await after(Math.min(leave.retryAfterMs, 50));
        continue;
      }
      await test.quotas.sent(PRO, id);
      const made = provider.call();
      await after(5);
      await test.quotas.ended(PRO, id, made ? ONE : { images: 0, cost: 0 });
      if (!made) await test.quotas.learn(PRO, lesson, id);
    }
  };
  await Promise.all(Array.from({ length: TAKERS }, (_, name) => taker(name)));
}

describe('a limit that is configured three times too high', () => {
  it.concurrent.each([
    ['names its value', { type: 'limit', window: 'requests', limit: LIMIT, retryAfterMs: 100 } as const],
    ['names nothing', { type: 'limit', window: 'requests' } as const],
  ])(
    'is learnt from a provider that %s: fewer than 2 %% of the calls of ten minutes are refused',
    async (_, lesson) => {
      await using test = await openQuotas({ requestsPerMinute: 3 * LIMIT }, { spans: { minuteMs: MINUTE } });
      const provider = strictProvider();

      await callFor(10, test, provider, lesson);

      expect(provider.refused).toBeGreaterThan(0);
      expect(provider.refused / provider.calls).toBeLessThan(0.02);
      expect(provider.calls - provider.refused).toBeGreaterThan(0.7 * 10 * LIMIT);
      expect((await stateOf(test.quotas)).of('requests')?.learnt?.limit).toBeLessThanOrEqual(LIMIT);
    },
  );
});
