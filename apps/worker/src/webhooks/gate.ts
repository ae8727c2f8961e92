/** Bounds the posts under way, over all receivers and to each. */
export type Gate = {
  /** Waits for its turn, then does `post`. */
  pass<T>(receiver: string, post: () => Promise<T>): Promise<T>;
};

type Waiting = { receiver: string; enter: () => void };

export function createGate({ posts, perReceiver }: { posts: number; perReceiver: number }): Gate {
  const inside = new Map<string, number>();
  const waiting = new Set<Waiting>();
  let all = 0;
  const isOpen = (receiver: string) => all < posts && (inside.get(receiver) ?? 0) < perReceiver;
  const enter = (receiver: string) => {
    all++;
    inside.set(receiver, (inside.get(receiver) ?? 0) + 1);
  };
  const leave = (receiver: string) => {
    all--;
    const left = (inside.get(receiver) ?? 1) - 1;
    if (left) inside.set(receiver, left);
    else inside.delete(receiver);
    // In the order of coming, past those whose receiver is busy.
    for (const next of waiting) {
      if (!isOpen(next.receiver)) continue;
      waiting.delete(next);
      next.enter();
      return;
    }
  };
  return {
    pass: async (receiver, post) => {
      if (!isOpen(receiver))
        await new Promise<void>((resolve) =>
          waiting.add({
            receiver,
            enter: () => {
              enter(receiver);
              resolve();
            },
          }),
        );
      else enter(receiver);
      try {
        return await post();
      } finally {
        leave(receiver);
      }
    },
  };
}
