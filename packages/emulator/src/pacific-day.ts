/** The days of California, by which Google counts. */

/** One day: its date, and the instant at which it ends. It has 23 or 25 hours when clocks change. */
export type PacificDay = { date: string; endsAt: number };

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** The larger of the two distances to UTC. Clocks change at two, so an hour past midnight has midnight's own distance. */
const STANDARD_MS = 8 * HOUR_MS;

const PACIFIC = new Intl.DateTimeFormat('en-CA', {
  timeZone: 'America/Los_Angeles',
  dateStyle: 'short',
  timeStyle: 'medium',
  hourCycle: 'h23',
});

/** The day that an instant falls on. */
export function pacificDay(at: number): PacificDay {
  const wall = wallTime(at);
  const midnight = wall - (wall % DAY_MS) + DAY_MS;
  const nearMidnight = midnight + STANDARD_MS;
  return {
    date: new Date(wall).toISOString().slice(0, 10),
    endsAt: midnight + nearMidnight - wallTime(nearMidnight),
  };
}

/** The same as `pacificDay`, which asks the calendar once for each day. */
export function createPacificCalendar(): (at: number) => PacificDay {
  let askedAt = Number.POSITIVE_INFINITY;
  let day: PacificDay = { date: '', endsAt: 0 };
  return (at) => {
    if (at < askedAt || at >= day.endsAt) {
      day = pacificDay(at);
      askedAt = at;
    }
    return day;
  };
}

/** What clocks show there, as if it were UTC; to the second. */
function wallTime(at: number): number {
  const [date = '', time = ''] = PACIFIC.format(at).split(', ');
  return Date.parse(`${date}T${time}Z`);
}
