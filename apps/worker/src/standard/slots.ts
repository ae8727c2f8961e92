import { createSemaphore, type Patience } from './semaphore.ts';

/** Bytes in memory for references of calls that are out, by this process. */
const MEMORY_BYTES = 256 << 20;
/** A reference is there as bytes, as base64 and in the request's JSON: at the peak five times its size. */
const COPIES = 5;

/** Room for one paid call; disposing gives back all of it. */
export type Slot = Disposable & {
  /** The references are in memory no more. */
  freeMemory(): void;
};

/** Paid calls in flight, bounded for the whole process by number and by memory: every model's queue draws on the same. */
export type Slots = {
  /** Waits for room for a call with references of so many bytes; `undefined` when patience ended. */
  take(referenceBytes: number, patience: Patience): Promise<Slot | undefined>;
};

/** @param max calls at a time */
export function createSlots(max: number): Slots {
  const places = createSemaphore(max);
  const memory = createSemaphore(MEMORY_BYTES);
  return {
    take: async (referenceBytes, patience) => {
      const end = performance.now() + patience.ms;
      // Memory first: whoever waits for it must not keep a place from calls without references.
      const freeMemory = await memory.take(referenceBytes * COPIES, patience);
      if (!freeMemory) return undefined;
      const leave = await places.take(1, { ...patience, ms: end - performance.now() });
      if (!leave) freeMemory();
      return leave && { freeMemory, [Symbol.dispose]: () => (leave(), freeMemory()) };
    },
  };
}
