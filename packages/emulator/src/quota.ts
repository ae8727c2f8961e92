/** Counts what each project used, and refuses what is over its limits with the body Google would send. */
import type { Refusal } from './http/google-error.ts';
import { LIMITS, SPEND_EXHAUSTED, violated } from './quota-errors.ts';
import type { Quotas } from './settings.ts';

type Demand = { project: string; model: string; tokens: number };

export type Quota = {
  /** Counts an accepted call, or says why it is refused. A refused call counts for nothing. */
  admit(demand: Demand, limits: Quotas): Refusal | undefined;
  /** Counts money once it is charged. */
  spend(project: string, micros: number): void;
  /** Forgets everything counted. */
  reset(): void;
};

const MINUTE_MS = 60_000;
const SPEND_WINDOW_MS = 10 * MINUTE_MS;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** Amounts within a window that slides, oldest first. */
type Window = { at: number; amount: number }[];
type Check = {
  limit: number | undefined;
  window: Window;
  spanMs: number;
  amount: number;
  violation: keyof typeof LIMITS;
};

export function createQuota(now: () => number): Quota {
  const windows = new Map<string, Window>();

  function windowOf(name: string): Window {
    const window = windows.get(name) ?? [];
    windows.set(name, window);
    return window;
  }

  function checksOf({ project, model, tokens }: Demand, limits: Quotas): Check[] {
    const of = (name: string) => windowOf(`${project} ${model} ${name}`);
    const daily = limits.day === 'pacific' ? `day ${pacificDay(now()).date}` : 'day';
    return [
      { limit: limits.rpd, window: of(daily), spanMs: DAY_MS, amount: 1, violation: 'day' },
      { limit: limits.rpm, window: of('requests'), spanMs: MINUTE_MS, amount: 1, violation: 'minute' },
      { limit: limits.ipm, window: of('images'), spanMs: MINUTE_MS, amount: 1, violation: 'images' },
      { limit: limits.tpm, window: of('tokens'), spanMs: MINUTE_MS, amount: tokens, violation: 'tokens' },
    ];
  }

  function waitOf({ limit = 0, window, spanMs, amount, violation }: Check, day: Quotas['day']): number {
    if (violation === 'day' && day === 'pacific') return pacificDay(now()).leftMs;
    let over = total(window) + amount - limit;
    for (const entry of window) {
      over -= entry.amount;
      if (over <= 0) return entry.at + spanMs - now();
    }
    return spanMs;
  }

  return {
    admit(demand, limits) {
      const spent = windowOf(`${demand.project} spend`);
      prune(spent, now() - SPEND_WINDOW_MS);
      if (limits.spend_micros !== undefined && total(spent) >= limits.spend_micros) return SPEND_EXHAUSTED;

      const checks = checksOf(demand, limits).filter(({ limit }) => limit !== undefined);
      for (const { window, spanMs } of checks) prune(window, now() - spanMs);
      const over = checks.filter(({ limit = 0, window, amount }) => total(window) + amount > limit);
      if (over.length > 0) {
        const violations = over.map(({ violation, limit = 0 }) => ({ ...LIMITS[violation], value: limit }));
        return violated(demand.model, violations, Math.max(...over.map((check) => waitOf(check, limits.day))));
      }
      for (const { window, amount } of checks) window.push({ at: now(), amount });
      return undefined;
    },
    spend(project, micros) {
      const window = windowOf(`${project} spend`);
      prune(window, now() - SPEND_WINDOW_MS);
      window.push({ at: now(), amount: micros });
    },
    reset: () => windows.clear(),
  };
}

/** The project a key belongs to. */
export function projectOf(key: string, { project }: Quotas): string {
  return project === 'global' ? 'project' : (key.split('.')[0] ?? key);
}

function total(window: Window): number {
  return window.reduce((sum, { amount }) => sum + amount, 0);
}

function prune(window: Window, before: number): void {
  const first = window.findIndex(({ at }) => at > before);
  window.splice(0, first === -1 ? window.length : first);
}

const PACIFIC = new Intl.DateTimeFormat('en-CA', {
  timeZone: 'America/Los_Angeles',
  dateStyle: 'short',
  timeStyle: 'medium',
  hourCycle: 'h23',
});

/** The date in California, and how long it lasts (an hour off on the two days when clocks change). */
function pacificDay(at: number): { date: string; leftMs: number } {
  const [date = '', time = '0:0:0'] = PACIFIC.format(at).split(', ');
  const [hours = 0, minutes = 0, seconds = 0] = time.split(':').map(Number);
  return { date, leftMs: DAY_MS - ((hours * 60 + minutes) * 60 + seconds) * 1000 };
}
