/** Samples: taken in turns, when the machine is quiet, and reduced to their median. */

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** Cores that other processes may use while a sample begins. */
const QUIET_CORES = 0.15;
const LOOK_MS = 250;
const WAIT_MS = 5_000;

export function median(values: number[]): number {
  return percentile(values, 0.5);
}

/** Nearest rank. @param share in [0, 1] */
export function percentile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export type Pair<T> = { product: T[]; baseline: T[] };

/** Takes `rounds` samples of each side, one side after the other, so that a slow minute slows both. */
export async function alternate<T>(
  rounds: number,
  sides: { product: () => Promise<T>; baseline: () => Promise<T> },
): Promise<Pair<T>> {
  const taken: Pair<T> = { product: [], baseline: [] };
  for (let n = 0; n < rounds; n++) {
    const order = n % 2 ? (['baseline', 'product'] as const) : (['product', 'baseline'] as const);
    for (const side of order) {
      await untilQuiet();
      taken[side].push(await sides[side]());
    }
  }
  return taken;
}

const seen = { samples: 0, noisy: 0 };

/** How many samples began while the machine was busy with something else. */
export function noise(): { samples: number; noisy: number } {
  return { ...seen };
}

/** Waits until the machine is quiet, at most five seconds: a machine that never is must not stop the bench. */
export async function untilQuiet(): Promise<void> {
  seen.samples += 1;
  const end = performance.now() + WAIT_MS;
  while (performance.now() < end) {
    if ((await busyCores()) < QUIET_CORES) return;
  }
  seen.noisy += 1;
}

/** Cores in use by anybody right now; 0 where the system does not tell. */
async function busyCores(): Promise<number> {
  const before = cpuTimes();
  await sleep(LOOK_MS);
  const after = cpuTimes();
  const total = after.total - before.total;
  return total > 0 ? (1 - (after.idle - before.idle) / total) * availableParallelism() : 0;
}

function cpuTimes(): { idle: number; total: number } {
  try {
    const numbers = readFileSync('/proc/stat', 'latin1').split('\n', 1)[0]?.trim().split(/\s+/).slice(1, 9).map(Number);
    const [, , , idle = 0, waiting = 0] = numbers ?? [];
    return { idle: idle + waiting, total: numbers?.reduce((sum, n) => sum + n, 0) ?? 0 };
  } catch {
    return { idle: 0, total: 0 };
  }
}
