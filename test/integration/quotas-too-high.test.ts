/** A provider with a third of the configured limit, which counts every call the moment it arrives. */

import type { Lesson } from '@darkroom/shared/domain';
import { describe, expect, it } from 'vitest';
import { ONE, openQuotas, PRO, stateOf, type TestQuotas, waitOf } from '../support/quotas.ts';

const MINUTE = 60_000;
const LIMIT = 60;
const TAKERS = 8;
/** How long a call takes, and how much longer one of them is on its way than another. */
const CALL_MS = 400;
const UNDERWAY_MS = 200;

/** Refuses what would be more than the limit within any minute that ends now. Refused calls do not count. */
function strictProvider(): { isMade: (now: number) => boolean; calls: number; refused: number } {
  const seen: number[] = [];
  const provider = { calls: 0, refused: 0, isMade };
  function isMade(now: number): boolean {
    while ((seen[0] ?? now) <= now - MINUTE) seen.shift();
    provider.calls++;
    if (seen.length < LIMIT) return seen.push(now) > 0;
    provider.refused++;
    return false;
  }
  return provider;
}

/** For so long, all takers call at once whenever they have leave; what is refused is learnt once its answer is there. */
async function callFor(ms: number, test: TestQuotas, provider: ReturnType<typeof strictProvider>, lesson: Lesson) {
  const { quotas } = test;
  const end = (await test.now()) + ms;
  for (let round = 0; (await test.now()) < end; round++) {
    const ids = Array.from({ length: TAKERS }, (_, n) => `call-${round}-${n}`);
    const leaves = await Promise.all(ids.map((id) => quotas.take(PRO, id, ONE)));
    const granted = ids.filter((_, n) => leaves[n]?.granted);
    const [now] = await Promise.all([test.now(), ...granted.map((id) => quotas.sent(PRO, id))]);
    const calls = granted.map((id, n) => ({
      id,
      isMade: provider.isMade(now + (UNDERWAY_MS * n) / TAKERS),
    }));
    await test.pass(granted.length > 0 ? CALL_MS : Math.min(...leaves.map(waitOf)));
    await Promise.all(
      calls.flatMap(({ id, isMade }) => [
        quotas.ended(PRO, id, isMade ? ONE : { images: 0, cost: 0 }),
        ...(isMade ? [] : [quotas.learn(PRO, lesson, id)]),
      ]),
    );
  }
}

describe('a limit that is configured three times too high', () => {
  it.each([
    ['names its value', { type: 'limit', window: 'requests', limit: LIMIT, retryAfterMs: 34_000 } as const],
    ['names nothing', { type: 'limit', window: 'requests' } as const],
  ])(
    'is learnt from a provider that %s: fewer than 2 %% of the calls of ten minutes are refused',
    async (_, lesson) => {
      await using test = await openQuotas({ requestsPerMinute: 3 * LIMIT });
      const provider = strictProvider();

      await callFor(10 * MINUTE, test, provider, lesson);

      expect(provider.refused).toBeGreaterThan(0);
      expect(provider.refused / provider.calls).toBeLessThan(0.02);
      expect(provider.calls - provider.refused).toBeGreaterThan(0.9 * 10 * LIMIT);
      const learnt = (await stateOf(test.quotas)).of('requests')?.learnt?.limit ?? 0;
      expect(learnt).toBeGreaterThan(0.9 * LIMIT);
      // After ten minutes without a refusal it has just begun to grow.
      expect(learnt).toBeLessThanOrEqual(1.1 * LIMIT);
    },
  );
});
