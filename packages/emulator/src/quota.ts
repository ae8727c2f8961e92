/**
 * Counts what each project uses, and refuses what is over its limits with the body Google would send.
 *
 * Everything is counted, limited or not, in the emulator's own time. A window slides: at no instant does more than the
 * limit lie within the minute (the ten minutes, the rolling day) that ends there. A refused call counts for nothing.
 */
import type { Clock } from './clock.ts';
import { GAUGES, type Gauge } from './gauges.ts';
import type { Refusal } from './http/google-error.ts';
import { type NamedWindow, type RefusalForm, refusalFor, SPEND_EXHAUSTED, VERTEX_EXHAUSTED } from './quota-errors.ts';
import type { Limits, Quotas } from './settings.ts';

type Demand = {
  project: string;
  model: string;
  tokens: number;
  /** In whose words a refusal is written, unless the settings say otherwise. Default `gemini`. */
  form?: RefusalForm;
};

export type WindowName = 'requests' | 'images' | 'tokens' | 'day' | 'spend' | 'concurrency';

/** How one window was used since the last reset. Spend is of all models: its model is `*`. */
export type WindowReport = {
  project: string;
  model: string;
  window: WindowName;
  /** How long it is, in the emulator's time; absent = it does not slide. */
  span_ms?: number;
  /** As it was last asked for; absent = none. */
  limit?: number;
  /** What counts now. */
  used: number;
  /** All that ever counted: calls, images, tokens or micro-dollars. */
  counted: number;
  /** Calls that this window refused. */
  refused: number;
  /** The most that ever counted at once: of a window that slides, in any interval of its length. */
  largest: number;
  /** That as a share of the limit of its moment; 0 = there was none. */
  largest_share: number;
  /** The first and the last time that something was counted, in the emulator's time. */
  first_at?: number;
  last_at?: number;
};

export type Quota = {
  /** Counts an accepted call, in flight until it is `ended`, or says why it is refused. */
  admit(demand: Demand, limits: Quotas): Refusal | undefined;
  /** A call that was admitted is over. */
  ended(call: Pick<Demand, 'project' | 'model'>): void;
  /** Counts money once it is charged. */
  spend(project: string, micros: number): void;
  /** Every window that something was asked of. */
  report(): WindowReport[];
  /** Forgets everything counted; what is in flight stays so. */
  reset(): void;
};

const ALL_MODELS = '*';
/** The oldest go beyond this many. */
const METERS_MAX = 20_000;

type Meter = { gauge: Gauge; report: Omit<WindowReport, 'used'> };
type Place = Pick<WindowReport, 'project' | 'model' | 'window' | 'span_ms'>;
type Check = { meter: Meter; limit: number | undefined; amount: number };

export function createQuota(clock: Pick<Clock, 'now' | 'outsideMs'>): Quota {
  const meters = new Map<string, Meter>();

  function meterOf(place: Place, kind: keyof typeof GAUGES): Meter {
    const name = `${place.project} ${place.model} ${place.window} ${kind}`;
    const known = meters.get(name);
    if (known) return known;
    const meter: Meter = { gauge: GAUGES[kind].open(), report: freshReport({ ...place, ...spanOf(kind) }) };
    meters.set(name, meter);
    const [oldest] = meters.keys();
    if (meters.size > METERS_MAX && oldest !== undefined) meters.delete(oldest);
    return meter;
  }

  const spentBy = (project: string) => meterOf({ project, model: ALL_MODELS, window: 'spend' }, 'spend');
  const flightOf = ({ project, model }: Pick<Demand, 'project' | 'model'>) =>
    meterOf({ project, model, window: 'concurrency' }, 'flight');

  /** In the order in which a refusal names them. */
  function checksOf({ project, model, tokens }: Demand, quotas: Quotas): (Check & { violation: NamedWindow })[] {
    const limits = limitsOf(quotas, model);
    const of = (window: WindowName, kind: keyof typeof GAUGES) => meterOf({ project, model, window }, kind);
    return [
      { meter: of('day', quotas.day), limit: limits.rpd, amount: 1, violation: 'day' },
      { meter: of('requests', 'minute'), limit: limits.rpm, amount: 1, violation: 'minute' },
      { meter: of('images', 'minute'), limit: limits.ipm, amount: 1, violation: 'images' },
      { meter: of('tokens', 'minute'), limit: limits.tpm, amount: tokens, violation: 'tokens' },
    ];
  }

  function isOver({ meter, limit, amount }: Check, now: number): boolean {
    if (limit === undefined) delete meter.report.limit;
    else meter.report.limit = limit;
    const over = limit !== undefined && meter.gauge.used(now) + amount > limit;
    if (over) meter.report.refused += 1;
    return over;
  }

  return {
    admit(demand, quotas) {
      const now = clock.now();
      const form = quotas.form ?? demand.form ?? 'gemini';
      // Refused once all of it is gone: what a call will cost is not known when it comes.
      const spend = { meter: spentBy(demand.project), limit: quotas.spend_micros, amount: 1 };
      if (isOver(spend, now)) return form === 'gemini' ? SPEND_EXHAUSTED : VERTEX_EXHAUSTED;

      const checks = checksOf(demand, quotas);
      const over = checks.filter((check) => isOver(check, now));
      if (over.length > 0) {
        const violations = over.map(({ meter, limit = 0, amount, violation }) => ({
          window: violation,
          limit,
          waitMs: Math.max(0, meter.gauge.downTo(now, limit - amount) - now),
        }));
        return refusalFor(violations, { form, free: quotas.tier === 'free', now, model: demand.model, clock });
      }
      const flight = { meter: flightOf(demand), limit: limitsOf(quotas, demand.model).concurrency, amount: 1 };
      if (isOver(flight, now)) return VERTEX_EXHAUSTED;
      for (const { meter, amount } of [...checks, flight]) count(meter, now, amount);
      return undefined;
    },
    ended: (call) => flightOf(call).gauge.add(clock.now(), -1),
    spend: (project, micros) => count(spentBy(project), clock.now(), micros),
    report: () => [...meters.values()].map(({ gauge, report }) => ({ ...report, used: gauge.used(clock.now()) })),
    reset() {
      for (const [name, meter] of meters) {
        const { report } = meter;
        if (report.window === 'concurrency') meter.report = freshReport(report);
        else meters.delete(name);
      }
    },
  };
}

function limitsOf(quotas: Quotas, model: string): Limits {
  return { ...quotas, ...quotas.models[model] };
}

function spanOf(kind: keyof typeof GAUGES): Pick<WindowReport, 'span_ms'> {
  const { spanMs } = GAUGES[kind];
  return spanMs === undefined ? {} : { span_ms: spanMs };
}

function freshReport({ project, model, window, span_ms }: Place): Meter['report'] {
  const span = span_ms === undefined ? {} : { span_ms };
  return { project, model, window, ...span, counted: 0, refused: 0, largest: 0, largest_share: 0 };
}

function count({ gauge, report }: Meter, now: number, amount: number): void {
  gauge.add(now, amount);
  const used = gauge.used(now);
  report.counted += amount;
  report.largest = Math.max(report.largest, used);
  if (report.limit) report.largest_share = Math.max(report.largest_share, used / report.limit);
  report.first_at ??= now;
  report.last_at = now;
}
