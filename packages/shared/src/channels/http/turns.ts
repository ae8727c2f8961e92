/**
 * Fair turns of the event loop among answers that arrive at once.
 *
 * A fast socket delivers up to two megabytes per turn of the loop; twenty of them would keep timers and heartbeats
 * waiting for a tenth of a second. Once a turn's time is spent, each source waits for the next.
 */

/** Time for bodies per turn of the loop, in ms. */
const BUDGET_MS = 6;

type Source = { pause(): void; resume(): void; readonly aborted: boolean };

export type Turns = {
  /** Called after each chunk: pauses `source` until the next turn when this one's time is spent. */
  pace(source: Source): void;
};

/** One account of time for all sources of this process's loop that share it. */
export function createTurns(): Turns {
  let startedAt: number | undefined;
  let paused: Source[] = [];

  function nextTurn(): void {
    startedAt = undefined;
    const waiting = paused;
    paused = [];
    for (const source of waiting) {
      if (isSpent()) paused.push(source);
      else if (!source.aborted) source.resume();
    }
  }

  /** Whether this turn's time is spent; the first question starts it. */
  function isSpent(): boolean {
    if (startedAt === undefined) {
      startedAt = performance.now();
      setImmediate(nextTurn);
    }
    return performance.now() - startedAt > BUDGET_MS;
  }

  return {
    pace(source) {
      if (!isSpent()) return;
      source.pause();
      paused.push(source);
    },
  };
}
