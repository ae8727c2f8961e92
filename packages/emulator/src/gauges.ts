/** The ways to count: within a span that slides, within a day of California, and what is in flight. */
import { createPacificCalendar } from './pacific-day.ts';
import { createSlidingWindow, type SlidingWindow } from './sliding-window.ts';

/** What counts at an instant, and when there is room again. */
export type Gauge = SlidingWindow;

const MINUTE_MS = 60_000;
const SPEND_WINDOW_MS = 10 * MINUTE_MS;
const DAY_MS = 24 * 60 * MINUTE_MS;

const sliding = (spanMs: number) => ({ spanMs, open: () => createSlidingWindow(spanMs) });

/** Each way to count; those that slide say how long they are. */
export const GAUGES = {
  minute: sliding(MINUTE_MS),
  spend: sliding(SPEND_WINDOW_MS),
  rolling: sliding(DAY_MS),
  pacific: { spanMs: undefined, open: createPacificGauge },
  flight: { spanMs: undefined, open: createFlightGauge },
} as const satisfies Record<string, { spanMs: number | undefined; open: () => Gauge }>;

/** Begins anew at each midnight Pacific. */
function createPacificGauge(): Gauge {
  const dayOf = createPacificCalendar();
  let date = '';
  let count = 0;
  function turnTo(now: number): void {
    if (dayOf(now).date === date) return;
    ({ date } = dayOf(now));
    count = 0;
  }
  return {
    used(now) {
      turnTo(now);
      return count;
    },
    add(now, amount) {
      turnTo(now);
      count += amount;
    },
    downTo: (now) => dayOf(now).endsAt,
  };
}

/** Goes up when a call begins, and down when it ends: nobody knows when. */
function createFlightGauge(): Gauge {
  let flying = 0;
  return {
    used: () => flying,
    add(_, amount) {
      flying = Math.max(0, flying + amount);
    },
    downTo: (now) => now,
  };
}
