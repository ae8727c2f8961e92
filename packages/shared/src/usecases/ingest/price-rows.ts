/** What all rows of a batch cost together, and on which lane they go. */

import {
  AppError,
  chooseLane,
  type EpochMs,
  formatMicros,
  type JobRequest,
  type Lane,
  type Micros,
  type Route,
  type Tenant,
} from '../../domain/index.ts';
import type { Clock, Latency, Quotes } from '../../ports/index.ts';
import type { BatchCheckView, BatchOptions } from '../../schemas/index.ts';
import { capOf, tellQuote } from '../quote-jobs.ts';
import type { RowErrors } from './row-errors.ts';

export type PriceDeps = { quotes: Quotes; latency: Latency; clock: Clock };

/** What was found in the rows. */
export type Found = {
  valid: number;
  errors: RowErrors;
  /** With the canary that the batch would send. */
  cost: Record<Lane, Micros>;
  /** The lanes that can carry every one of the rows. */
  offered: readonly Lane[];
  /** What the rows ask for, as far as it matters for how long they take: a few, however many rows. */
  kinds: Kind[];
};
type Kind = Pick<JobRequest, 'model' | 'size'>;

/** The lane of the whole batch, and what it may cost. @throws AppError `max_cost_exceeded`, or `invalid_request` when no lane may be taken */
export async function routeBatch(
  deps: PriceDeps,
  tenant: Tenant,
  options: BatchOptions,
  found: Found,
): Promise<{ lane: Lane; reason: string; cap: Micros | undefined }> {
  const cap = await capFor(deps, tenant, options, found);
  const times = await timesOf(deps.latency, found);
  const route = routeOf({ ...options, max_cost: cap }, found, times, deps.clock.now());
  if (route.type === 'lane') return { lane: route.lane, reason: route.reason, cap };
  throw route.type === 'dear' ? tooDear(cap ?? 0, options, found) : notOffered(options);
}

/** What a dry run tells: a price on each lane that binds, and the first errors. */
export async function presentCheck(
  deps: PriceDeps,
  tenant: Tenant,
  options: BatchOptions,
  found: Found,
): Promise<BatchCheckView> {
  const { valid, errors, cost, offered } = found;
  const times = await timesOf(deps.latency, found);
  const route = routeOf(options, found, times, deps.clock.now());
  const offers = offered.map((lane) => ({ lane, cost: cost[lane], p95Ms: times[lane] }));
  const { lane, deadline, max_cost } = options;
  return {
    dry_run: true,
    counts: { rows: valid + errors.rows(), valid, invalid: errors.rows() },
    ...(route.type === 'lane' && { lane: route.lane }),
    route: route.type === 'lane' ? route.reason : route.type === 'dear' ? 'max_cost is too low' : 'lane is not offered',
    cost: Object.fromEntries(offered.map((one) => [one, formatMicros(cost[one])])),
    currency: 'USD',
    ...(valid &&
      route.type !== 'closed' && {
        quote: await tellQuote(deps, tenant, { jobs: valid, lane, deadline, maxCost: max_cost, offers, warnings: [] }),
      }),
    errors: errors.first(),
  };
}

/** The lower of what a quote and the caller allow. */
async function capFor(
  { quotes }: PriceDeps,
  tenant: Tenant,
  { quote, max_cost }: BatchOptions,
  { valid }: Found,
): Promise<Micros | undefined> {
  if (quote === undefined) return max_cost;
  return Math.min(await capOf(quotes, tenant, quote, valid), max_cost ?? Number.POSITIVE_INFINITY);
}

async function timesOf(latency: Latency, { kinds }: Found): Promise<Record<Lane, number>> {
  const slowest = async (lane: Lane) =>
    Math.max(0, ...(await Promise.all(kinds.map((kind) => latency.p95Ms(lane, kind)))));
  return { standard: await slowest('standard'), batch: await slowest('batch') };
}

type RouteOptions = Pick<BatchOptions, 'lane' | 'deadline' | 'max_cost'>;

function routeOf(
  { lane, deadline, max_cost }: RouteOptions,
  { valid, cost, offered }: Found,
  times: Record<Lane, number>,
  now: EpochMs,
): Route {
  return chooseLane({
    asked: lane,
    offered,
    cost: (one) => cost[one],
    ...(max_cost !== undefined && { maxCost: max_cost }),
    ...(deadline !== undefined && { deadline }),
    now,
    p95Ms: (one) => times[one],
    set: valid,
  });
}

/** Models and sizes, each pair once. */
export function createKinds(): { add(kind: Kind): void; all(): Kind[] } {
  const sizes = new Map<string, Set<string>>();
  return {
    add: ({ model, size }) => {
      const known = sizes.get(model);
      if (known) known.add(size);
      else sizes.set(model, new Set([size]));
    },
    all: () => [...sizes].flatMap(([model, all]) => [...all].map((size) => ({ model, size }))),
  };
}

function tooDear(cap: Micros, { lane, quote }: BatchOptions, { cost, valid, offered }: Found): AppError {
  const least = lane === 'auto' ? Math.min(...offered.map((one) => cost[one])) : cost[lane];
  return new AppError('max_cost_exceeded', {
    message: `${quote === undefined ? 'max_cost' : 'The cap'} is ${formatMicros(cap)}, but ${valid} rows are estimated at ${formatMicros(least)}.`,
    param: 'max_cost',
    fix: 'Raise max_cost, or choose a smaller size or another model.',
  });
}

function notOffered({ lane }: BatchOptions): AppError {
  return new AppError('invalid_request', {
    message: `lane "${lane}" is not offered for all of these rows; the batch lane takes no tools, and not every channel has it.`,
    param: 'lane',
    fix: 'Use "auto" or "standard", or leave tools out.',
  });
}
