/** Ends a wait. What is rung while nobody waits ends the next wait at once. */
export type Bell = {
  ring(): void;
  /** Until it is rung, or `ms` are over, or the signal. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
};

export function createBell(): Bell {
  let rung = false;
  let end: (() => void) | undefined;
  return {
    ring: () => {
      rung = true;
      end?.();
    },
    wait: async (ms, signal) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, ms);
      end = () => resolve();
      signal.addEventListener('abort', end, { once: true });
      if (rung || signal.aborted) resolve();
      await promise;
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      rung = false;
      end = undefined;
    },
  };
}
