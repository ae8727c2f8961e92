/** A gate at which accepted calls wait while `hold` is set. */

export type Hold = {
  /** Waits for a release. */
  wait(): Promise<void>;
  /** Lets the first `count` waiting calls go on, in the order they came. Returns how many went. */
  release(count?: number): number;
  waiting(): number;
};

export function createHold(): Hold {
  const waiting: (() => void)[] = [];
  return {
    wait: () => new Promise((resolve) => waiting.push(resolve)),
    release(count = waiting.length) {
      const released = waiting.splice(0, count);
      for (const go of released) go();
      return released.length;
    },
    waiting: () => waiting.length,
  };
}
