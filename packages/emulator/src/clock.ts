/**
 * The emulator's own time, for all that takes minutes or hours: quotas, files, batches, webhooks. It can be sped up, stopped
 * and moved on.
 *
 * Calls for images and the journal stay in the time of whoever calls.
 */

export type Clock = {
  /** Epoch milliseconds. Whoever is told a time finds all done that was due by then. */
  now(): number;
  /** Milliseconds that pass here in each one outside; 0 = stands still. */
  setScale(scale: number): void;
  /** How long `ms` of this time take outside; the same, when it stands still. */
  outsideMs(ms: number): number;
  /** Moves on by `ms` at once, and does all that has fallen due. */
  advance(ms: number): void;
  /** Does `act` once that instant has come. Returns what takes it back. */
  at(instant: number, act: () => void): () => void;
  /** Does what has fallen due by now, each in its turn. */
  catchUp(): void;
  /** When the next thing is due. */
  next(): number | undefined;
  /** Nothing more is done. */
  close(): void;
};

type Due = { instant: number; act: () => void };

/** The longest wait a timer takes. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** @param outside the time this clock follows, in epoch milliseconds */
export function createClock(outside: () => number, startScale: number): Clock {
  let scale = startScale;
  let anchor = { outside: outside(), inside: outside() };
  // Earliest first.
  let due: Due[] = [];
  let timer: NodeJS.Timeout | undefined;

  let catchingUp = false;

  const read = () => anchor.inside + Math.floor((outside() - anchor.outside) * scale);

  function moveAnchor(inside: number): void {
    anchor = { outside: outside(), inside };
  }

  function arm(): void {
    clearTimeout(timer);
    const [first] = due;
    if (!first || scale === 0) return;
    const ms = Math.ceil((first.instant - read()) / scale);
    timer = setTimeout(wake, Math.min(TIMER_MS_MAX, Math.max(1, ms))).unref();
  }

  function wake(): void {
    catchUp();
    arm();
  }

  function catchUp(): void {
    doDue(read());
  }

  function doDue(instant: number): void {
    const [next] = due;
    // What is done may ask for the time itself.
    if (catchingUp || !next || next.instant > instant) return;
    catchingUp = true;
    try {
      for (let first = due[0]; first && first.instant <= instant; first = due[0]) {
        due.shift();
        first.act();
      }
    } finally {
      catchingUp = false;
      arm();
    }
  }

  function now(): number {
    const instant = read();
    doDue(instant);
    return instant;
  }

  return {
    now,
    setScale(next) {
      moveAnchor(read());
      scale = next;
      arm();
    },
    outsideMs: (ms) => (scale === 0 ? ms : ms / scale),
    advance(ms) {
      moveAnchor(read() + ms);
      catchUp();
      arm();
    },
    at(instant, act) {
      const entry = { instant, act };
      due.splice(placeOf(due, instant), 0, entry);
      if (due[0] === entry) arm();
      return () => {
        due = due.filter((other) => other !== entry);
      };
    },
    catchUp,
    next: () => due[0]?.instant,
    close() {
      due = [];
      clearTimeout(timer);
    },
  };
}

/** Behind all that is due no later. */
function placeOf(due: readonly Due[], instant: number): number {
  let low = 0;
  let high = due.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((due[middle]?.instant ?? 0) <= instant) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** An instant as Google writes it, to the nanosecond. */
export function timestamp(instant: number): string {
  return new Date(instant).toISOString().replace('Z', '000000Z');
}
