/**
 * Notices a worker that takes no messages any more though it could. The library under it is known to fall silent after
 * reconnects, without an error; only a new process takes up work again.
 */

import type { Log } from '@darkroom/shared/observability';

/** What one look at a queue shows. */
export type Signs = {
  queue: string;
  /** Messages are there that somebody should take now. */
  waiting: boolean;
  /** This worker has fewer messages in hand than it may. */
  room: boolean;
  /** Messages this worker took since the last look. */
  taken: number;
};

/** Looks in a row that prove it. Counted, not timed, so a machine that slept or a busy event loop is no evidence. */
export const LOOKS_MAX = 12;

/** How many looks in a row have shown a queue that is left alone for no reason. */
export function idleLooks(before: number, { waiting, room, taken }: Signs): number {
  return waiting && room && taken === 0 ? before + 1 : 0;
}

/**
 * @param options `fit`: whether Redis can be worked with; nobody is stuck while it cannot.
 * `stuck`: told of a queue after `LOOKS_MAX` looks, and again after as many
 * @returns one look at all queues
 */
export function createWatchdog(options: {
  look: () => Promise<Signs[]>;
  fit: () => Promise<boolean>;
  stuck: (queue: string) => void;
  log: Log;
}): () => Promise<void> {
  const { look, fit, stuck, log } = options;
  const counts = new Map<string, number>();
  return async () => {
    for (const signs of await look()) {
      const count = idleLooks(counts.get(signs.queue) ?? 0, signs);
      counts.set(signs.queue, count);
      if (count < LOOKS_MAX) continue;
      counts.delete(signs.queue);
      if (!(await fit())) continue;
      log.error({ queue: signs.queue, looks: LOOKS_MAX }, 'worker.stuck');
      stuck(signs.queue);
    }
  };
}
