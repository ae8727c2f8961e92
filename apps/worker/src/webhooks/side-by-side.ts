/** What is to be done for some, a few at a time, and never twice at a time for one. One that hangs holds up no other. */
export type SideBySide<T> = {
  /** To be begun as soon as there is room; once more after it, if it is under way. */
  add(item: T): void;
  /** Nothing more is begun of what was added. */
  clear(): void;
  /** All that was added is done. */
  idle(): Promise<void>;
};

/** @param act rejects never */
export function createSideBySide<T>(width: number, act: (item: T) => Promise<void>): SideBySide<T> {
  const waiting = new Set<T>();
  const busy = new Map<T, Promise<void>>();
  const begin = () => {
    for (const item of waiting) {
      if (busy.size >= width) return;
      if (busy.has(item)) continue;
      waiting.delete(item);
      const done = act(item).finally(() => {
        busy.delete(item);
        begin();
      });
      busy.set(item, done);
    }
  };
  return {
    add: (item) => {
      waiting.add(item);
      begin();
    },
    clear: () => waiting.clear(),
    idle: async () => {
      while (busy.size) await Promise.all(busy.values());
    },
  };
}
