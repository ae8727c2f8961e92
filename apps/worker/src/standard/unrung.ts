/**
 * Turns that no message rings for. Those in the hands of a worker that was killed ring again only when its lock on them has
 * run out; the jobs they rang for stand in line meanwhile, and whoever has room may serve them.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Ran } from './run-attempt.ts';

export type Unrung = {
  /** Takes as many turns as there is room and use for; each goes on until nobody stands in line. Resolves once they have begun. */
  look(): Promise<void>;
  /** Resolves when none is taken any more. */
  idle(): Promise<void>;
};

/**
 * @param options `run`: one turn, which never throws; `room`: turns there may be, beside those of messages in hand;
 * `waiting`: jobs that stand in line
 */
export function createUnrung(options: {
  run: () => Promise<Ran>;
  room: () => number;
  waiting: () => Promise<number>;
  draining: AbortSignal;
}): Unrung {
  const { run, room, waiting, draining } = options;
  const taken = new Set<Promise<void>>();

  // With messages enough it leaves the rest to them: they are there anyway, and would be heard for nothing.
  async function serveAll(): Promise<void> {
    while (!draining.aborted && taken.size <= room()) {
      const ran = await run();
      if (ran.type === 'empty') return;
      if (ran.type === 'later') await sleep(ran.ms, undefined, { signal: draining }).catch(() => undefined);
    }
  }

  function take(): void {
    const turn = Promise.resolve()
      .then(serveAll)
      .finally(() => taken.delete(turn));
    taken.add(turn);
  }

  return {
    look: async () => {
      // One more: somebody may be picked, by a worker that is gone, and stand in line later.
      const wanted = 1 + (await waiting());
      while (!draining.aborted && taken.size < Math.min(wanted, room())) take();
    },
    idle: async () => {
      await Promise.all(taken);
    },
  };
}
