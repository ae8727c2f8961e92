/** Paid calls in flight, bounded for the whole process: every model's queue draws on the same slots. */
export type Slots = {
  /** Waits for a slot; call the answer to give it back. */
  take(): Promise<() => void>;
  /** Resolves when no slot is taken. */
  idle(): Promise<void>;
  inUse(): number;
};

export function createSlots(max: number): Slots {
  const waiting: (() => void)[] = [];
  const idle: (() => void)[] = [];
  let inUse = 0;
  const release = () => {
    const next = waiting.shift();
    if (next) return next();
    inUse--;
    if (inUse === 0) for (const done of idle.splice(0)) done();
  };
  return {
    take: async () => {
      if (inUse < max) inUse++;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      return release;
    },
    idle: () => (inUse === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve))),
    inUse: () => inUse,
  };
}
