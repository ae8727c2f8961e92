/** How a place is, in one word. Pure. */

import { BREAKER_RULES, type BreakerState, type CallEnd, type Out, type Override, saysOf } from './breaker.ts';
import type { EpochMs } from './job.ts';

type HealthWord = 'available' | 'degraded' | 'broken' | 'parked' | 'out';

/** `until` = when calls may go again, where that is known. */
export type Health = { health: HealthWord; until?: EpochMs };

type Standing = { breaker: BreakerState; probeAt?: EpochMs; override?: Override; out?: Out };
type Ends = Partial<Record<CallEnd, number>>;
type Quota = { pause?: { until: EpochMs }; windows: readonly { window: string; freeAt?: EpochMs }[] };

/** What lasts longest comes first: an operator's word or a refused key, faults, a limit of the provider or of the day. */
export function healthOf(standing: Standing & { calls: number; ends: Ends }, quota: Quota): Health {
  const { breaker, probeAt, override, out, calls, ends } = standing;
  if (override === 'open' || override === 'drain') return { health: 'out' };
  const until = probeAt === undefined ? {} : { until: probeAt };
  if (override !== 'close' && out) return { health: 'out', ...until };
  if (breaker !== 'closed') return { health: 'broken', ...until };
  const day = quota.windows.find(({ window }) => window === 'day')?.freeAt;
  const parkedUntil = Math.max(quota.pause?.until ?? 0, day ?? 0);
  if (parkedUntil > 0) return { health: 'parked', until: parkedUntil };
  const isDegraded = calls >= BREAKER_RULES.callsMin && faultsOf(ends) >= BREAKER_RULES.degradedAt * calls;
  return { health: isDegraded ? 'degraded' : 'available' };
}

/** Calls whose end says that something is wrong with the place, and not with what was asked of it. */
export function faultsOf(ends: Ends): number {
  return (Object.entries(ends) as [CallEnd, number][])
    .filter(([end]) => !['good', 'neutral'].includes(saysOf(end)))
    .reduce((sum, [, calls]) => sum + calls, 0);
}

const BEST_FIRST: readonly HealthWord[] = ['available', 'degraded', 'parked', 'broken', 'out'];

/** The best of several ways: while none may be taken, the first that may be again. None at all is `out`. */
export function bestHealth(ways: readonly Health[]): Health {
  const [best] = ways.toSorted((a, b) => rank(a) - rank(b) || (a.until ?? Infinity) - (b.until ?? Infinity));
  return best ?? { health: 'out' };
}

function rank({ health }: Health): number {
  return BEST_FIRST.indexOf(health);
}
