/** How long a caller waits: at most `ms`, and not beyond the signal. */
export type Patience = { ms: number; signal: AbortSignal };

/** A bound on something that is taken and given back, served in the order of asking. */
export type Semaphore = {
  /**
   * Waits until `amount` of it is free; one that is larger than the whole takes the whole.
   *
   * @param patience without it, waits as long as it takes
   * @returns gives it back, however often it is called; `undefined` when patience ended
   */
  take(amount: number, patience?: Patience): Promise<(() => void) | undefined>;
};

type Waiting = { amount: number; admit: () => void };

export function createSemaphore(max: number): Semaphore {
  const waiting = new Set<Waiting>();
  let taken = 0;

  function hold(amount: number): () => void {
    taken += amount;
    let held = true;
    return () => {
      if (held) taken -= amount;
      held = false;
      admit();
    };
  }

  /** In the order of asking, so that a large amount is not passed by small ones for ever. */
  function admit(): void {
    for (const next of waiting) {
      if (taken + next.amount > max) return;
      waiting.delete(next);
      next.admit();
    }
  }

  function wait(amount: number, patience: Patience | undefined): Promise<(() => void) | undefined> {
    return new Promise((resolve) => {
      const end = (release: (() => void) | undefined) => {
        clearTimeout(timer);
        patience?.signal.removeEventListener('abort', giveUp);
        resolve(release);
      };
      const next: Waiting = { amount, admit: () => end(hold(amount)) };
      const giveUp = () => {
        waiting.delete(next);
        end(undefined);
        admit(); // a smaller amount may have waited behind it
      };
      const timer = patience && setTimeout(giveUp, Math.max(0, patience.ms));
      patience?.signal.addEventListener('abort', giveUp);
      waiting.add(next);
    });
  }

  return {
    take: async (wanted, patience) => {
      const amount = Math.min(wanted, max);
      if (amount === 0 || (waiting.size === 0 && taken + amount <= max)) return hold(amount);
      return patience && (patience.ms <= 0 || patience.signal.aborted) ? undefined : wait(amount, patience);
    },
  };
}
