import { type EpochMs, pauseOf, type ReceiverHealth } from '@darkroom/shared/domain';

const SHORTEST_MS = 5_000;

/**
 * How long a receiver is left alone after tries that failed: by how often it has failed in a row, and no longer than it has
 * been failing already. Ten posts that fail side by side are one failure to wait for, not ten.
 *
 * @param health before these tries
 */
export function pauseAfter(
  { failures, failingSince }: ReceiverHealth,
  failed: number,
  now: EpochMs,
  random: () => number,
): number {
  const failingMs = now - (failingSince ?? now);
  return Math.min(pauseOf(failures + failed, random), Math.max(SHORTEST_MS, failingMs));
}
