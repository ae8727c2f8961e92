import type { Pool, WakeMessage, WakeQueue } from '../ports/index.ts';

/** Tells workers of the standard lane through `standard`; who travels in batches waits in the pool for the planner. */
export function createLaneQueue({ standard, pool }: { standard: WakeQueue; pool: Pick<Pool, 'add'> }): WakeQueue {
  return {
    enqueue: async (messages, now) => {
      const pooled = messages.filter(({ lane }) => lane === 'batch');
      // Mostly there are none: the message of a single job takes no longer than it did.
      if (!pooled.length) return standard.enqueue(messages, now);
      await Promise.all([pool.add(pooled), standard.enqueue(messages.filter(isStandard), now)]);
    },
  };
}

function isStandard({ lane }: WakeMessage): boolean {
  return lane === 'standard';
}
