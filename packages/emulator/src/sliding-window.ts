/**
 * Amounts within a span that slides: what happened at `t` counts until just before `t + spanMs`.
 *
 * Each entry carries the sum of all before it, so that no question costs more the more entries there are.
 */

export type SlidingWindow = {
  /** What counts at `now`. */
  used(now: number): number;
  add(now: number, amount: number): void;
  /** The first instant at which no more than `rest` of what is in it now still counts. */
  downTo(now: number, rest: number): number;
};

/** Entries that are over are let go in lots of this many, so that the lists are not moved at each call. */
const LOT = 1024;

export function createSlidingWindow(spanMs: number): SlidingWindow {
  const instants: number[] = [];
  /** Sums from the beginning up to and with each entry. */
  const sums: number[] = [];
  let head = 0;
  let gone = 0;

  const sum = () => sums.at(-1) ?? gone;

  function prune(now: number): void {
    for (let at = instants[head]; at !== undefined && at <= now - spanMs; at = instants[head]) {
      gone = sums[head] ?? gone;
      head += 1;
    }
    if (head < LOT || head * 2 < instants.length) return;
    instants.splice(0, head);
    sums.splice(0, head);
    head = 0;
  }

  /** The first entry whose sum reaches `wanted`. */
  function reaching(wanted: number): number {
    let low = head;
    let high = sums.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sums[middle] ?? 0) >= wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  return {
    used(now) {
      prune(now);
      return sum() - gone;
    },
    add(now, amount) {
      prune(now);
      sums.push(sum() + amount);
      instants.push(now);
    },
    downTo(now, rest) {
      prune(now);
      const tooMuch = sum() - gone - Math.max(0, rest);
      if (tooMuch <= 0) return now;
      return (instants[reaching(gone + tooMuch)] ?? now) + spanMs;
    },
  };
}
