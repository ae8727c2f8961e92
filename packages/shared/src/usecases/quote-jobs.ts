import { randomUUIDv7 } from 'node:crypto';
import type { z } from 'zod';
import {
  AppError,
  chooseLane,
  createSetCost,
  type EpochMs,
  formatMicros,
  idFrom,
  LANES,
  type Lane,
  type Micros,
  quoteCap,
  type Route,
  setMs,
  type Tenant,
} from '../domain/index.ts';
import type { Clock, Latency, Quote, Quotes } from '../ports/index.ts';
import type { QuoteView, SubmitJobBody } from '../schemas/index.ts';
import { costsOf, type LaneOffer, noChannel, offersOf, type Wanted, wantedOf } from './offers.ts';
import { checkCapabilities } from './resolve-request.ts';
import { type Offering, resolveRouting } from './resolve-routing.ts';

/** A price that was told holds for this long. */
const BINDING_MS = 3_600_000;

type QuoteDeps = { quotes: Quotes; latency: Latency; clock: Clock; channels: Offering };

export type JobsAsked = {
  bodies: SubmitJobBody[];
  lane: 'auto' | Lane;
  deadline: EpochMs | undefined;
  /** Of all of them together. */
  maxCost: Micros | undefined;
};

/** One lane as the jobs would take it; `p95Ms` is the slowest job's. */
export type Offer = { lane: Lane; cost: Micros; p95Ms: number };

/**
 * What jobs would cost on each lane and when they would be done. Fetches nothing and spends nothing.
 *
 * Submitted with the quote's id, no call is made that by its estimate would pass what the dearest lane is expected to cost
 * and the room that `quoteCap` leaves; a part of them has that part of it.
 */
export async function quoteJobs(
  deps: QuoteDeps,
  tenant: Tenant,
  asked: JobsAsked,
): Promise<z.output<typeof QuoteView>> {
  const jobs = asked.bodies.map((body) => askedFor(body, deps.channels));
  const offers = await offersFor(deps.latency, jobs);
  const warnings = [...new Set(jobs.flatMap((job) => job.warnings))];
  return tellQuote(deps, tenant, { ...asked, jobs: jobs.length, offers, warnings });
}

/** What was asked about, priced on every lane that is offered for it. */
export type Priced = Pick<JobsAsked, 'lane' | 'deadline' | 'maxCost'> & {
  jobs: number;
  offers: Offer[];
  warnings: string[];
};

/** Makes a price binding. @throws AppError `invalid_request` when no lane may be taken */
export async function tellQuote(
  deps: Pick<QuoteDeps, 'quotes' | 'clock'>,
  tenant: Tenant,
  priced: Priced,
): Promise<z.output<typeof QuoteView>> {
  const { offers } = priced;
  const now = deps.clock.now();
  const { route, warnings } = routeOf(priced, now);
  const quote: Quote = {
    id: idFrom('quo', randomUUIDv7(), now),
    jobs: priced.jobs,
    cap: quoteCap(Math.max(...offers.map(({ cost }) => cost)), priced.jobs),
    expiresAt: now + BINDING_MS,
  };
  await deps.quotes.save(tenant, quote);
  return {
    id: quote.id,
    expires_at: iso(quote.expiresAt),
    currency: 'USD',
    jobs: quote.jobs,
    cap: formatMicros(quote.cap),
    lane: route.lane,
    reason: route.reason,
    lanes: offers.map((offer) => presentOffer(offer, priced, now)),
    ...(warnings.length && { warnings }),
  };
}

type JobAsked = { wanted: Wanted; offers: LaneOffer[]; warnings: string[] };

/** @throws AppError `no_channel` when nothing could carry it */
function askedFor(body: SubmitJobBody, offering: Offering): JobAsked {
  const { model, warnings } = checkCapabilities(body);
  const wanted = wantedOf(body, { model, routing: resolveRouting(body, model, offering) });
  const offers = offersOf(wanted, offering.channels);
  if (!offers.length) throw noChannel(wanted, 'standard', offering.channels);
  return { wanted, offers, warnings };
}

async function offersFor(latency: Latency, jobs: JobAsked[]): Promise<Offer[]> {
  const lanes = LANES.filter((lane) => jobs.every(({ offers }) => offers.some((offer) => offer.lane === lane)));
  const kinds = new Map(jobs.map(({ wanted: { model, size } }) => [`${model} ${size}`, { model, size }]));
  const cost = costOfAll(jobs);
  return Promise.all(
    lanes.map(async (lane) => {
      const times = await Promise.all([...kinds.values()].map((kind) => latency.p95Ms(lane, kind)));
      return { lane, cost: cost[lane], p95Ms: Math.max(...times) };
    }),
  );
}

function costOfAll(jobs: JobAsked[]): Record<Lane, Micros> {
  const costs = createSetCost();
  for (const { offers, wanted } of jobs) costs.add(costsOf(offers, wanted));
  return costs.sum();
}

type Told = { route: Extract<Route, { type: 'lane' }>; warnings: string[] };

/** The lane as a submission would take it; above `max_cost` the price is told all the same. @throws AppError `invalid_request` when no lane may be taken */
function routeOf(priced: Priced, now: EpochMs): Told {
  const { lane, deadline, maxCost, jobs, offers } = priced;
  const offerOf = (wanted: Lane) => offers.find((offer) => offer.lane === wanted);
  const route = chooseLane({
    asked: lane,
    offered: offers.map((offer) => offer.lane),
    cost: (wanted) => offerOf(wanted)?.cost ?? 0,
    p95Ms: (wanted) => offerOf(wanted)?.p95Ms ?? 0,
    now,
    set: jobs,
    ...(maxCost !== undefined && { maxCost }),
    ...(deadline !== undefined && { deadline }),
  });
  if (route.type === 'lane') return { route, warnings: priced.warnings };
  if (route.type === 'dear') {
    const told = routeOf({ ...priced, maxCost: undefined }, now);
    return {
      ...told,
      warnings: [...told.warnings, 'max_cost is below every price: submitted like this, it is refused.'],
    };
  }
  const message = `lane "${lane}" is not offered for all of these jobs; the batch lane takes no tools, and not every channel has it.`;
  const fix = 'Use "auto" or "standard", or leave tools out.';
  throw new AppError('invalid_request', { message, param: 'lane', fix });
}

function presentOffer({ lane, cost, p95Ms }: Offer, { deadline, jobs }: Priced, now: EpochMs) {
  const expectedAt = now + setMs(lane, p95Ms, jobs);
  return {
    lane,
    cost: formatMicros(cost),
    expected_at: iso(expectedAt),
    ...(deadline !== undefined && { meets_deadline: expectedAt < deadline }),
  };
}

/** What `jobs` jobs may cost by the quote they are submitted with: their part of it, when it was given for more. @throws AppError `invalid_request` */
export async function capOf(quotes: Quotes, tenant: Tenant, id: string, jobs: number): Promise<Micros> {
  const quote = await quotes.find(tenant, id);
  if (quote && quote.jobs >= jobs) return Math.ceil((quote.cap * jobs) / quote.jobs);
  throw new AppError('invalid_request', {
    message: quote ? `quote was given for ${quote.jobs} jobs, not ${jobs}.` : 'quote is not known, or no longer holds.',
    param: 'quote',
    fix: 'POST /v1/quotes for a new one.',
  });
}

function iso(at: EpochMs): string {
  return new Date(at).toISOString();
}
