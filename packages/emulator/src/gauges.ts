/** The ways to count: within a span that slides, within a day of California, and what is in flight. */
import { createPacificCalendar } from './pacific-day.ts';
import { createSlidingWindow, type SlidingWindow } from './sliding-window.ts';

/** What counts at an instant, and when there is room again. */
export type Gauge = SlidingWindow;

const MINUTE_MS = 60_000;
const SPEND_WINDOW_MS = 10 * MINUTE_MS;
const DAY_MS = 24 * 60 * MINUTE_MS;

export const GAUGES = {
  minute: () => createSlidingWindow(MINUTE_MS),
  spend: () => createSlidingWindow(SPEND_WINDOW_MS),
  rolling: () => createSlidingWindow(DAY_MS),
  pacific: createPacificGauge,
  flight: createFlightGauge,
} as const satisfies Record<string, () => Gauge>;

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
