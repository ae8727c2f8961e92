import {
  AppError,
  chooseLane,
  type EpochMs,
  formatMicros,
  type Lane,
  type Micros,
  type Model,
} from '../domain/index.ts';
import type { Latency } from '../ports/index.ts';
import type { SubmitJobBody } from '../schemas/index.ts';
import { noChannel, offersOf, type Wanted } from './offers.ts';
import type { Offering } from './resolve-routing.ts';

export type Routed = {
  lane: Lane;
  estimated: Micros;
  /** Absent on the ordinary way: by itself, because nothing speaks for another. */
  reason?: string;
};

/**
 * The lane of one job at its submission, and what it is expected to cost there: on the cheapest channel that carries it.
 *
 * @param maxCost what the caller and a quote allow. @throws AppError `max_cost_exceeded` when no lane is that cheap,
 * `invalid_request` or `unsupported_tool` when the lane that was asked for cannot carry the request, `no_channel` when
 * nothing that this installation has can
 */
export async function routeJob(
  { latency, channels: { channels: specs } }: { latency: Latency; channels: Pick<Offering, 'channels'> },
  body: SubmitJobBody,
  { model, wanted, maxCost, now }: { model: Model; wanted: Wanted; maxCost: Micros | undefined; now: EpochMs },
): Promise<Routed> {
  const offers = offersOf(wanted, specs);
  const cost = (lane: Lane) => offers.find((offer) => offer.lane === lane)?.cost ?? Number.POSITIVE_INFINITY;
  const kind = { model: model.id, size: wanted.size };
  const p95 = body.deadline !== undefined && body.lane === 'auto' ? await timesOf(latency, model, kind) : undefined;
  const route = chooseLane({
    asked: body.lane,
    offered: offers.map(({ lane }) => lane),
    cost,
    p95Ms: (lane) => p95?.get(lane) ?? 0,
    now,
    set: 1,
    ...(maxCost !== undefined && { maxCost }),
    ...(body.deadline !== undefined && { deadline: body.deadline }),
  });
  if (route.type === 'lane') {
    const ordinary = route.lane === 'standard' && (body.lane === 'standard' || body.deadline === undefined);
    const { lane, reason } = route;
    return { lane, estimated: cost(lane), ...(!ordinary && { reason }) };
  }
  if (route.type === 'dear') {
    const open = offers.filter(({ lane }) => body.lane === 'auto' || lane === body.lane);
    throw tooDear(body, model, maxCost ?? 0, Math.min(...open.map((offer) => offer.cost)));
  }
  throw closed(body, model) ?? noChannel(wanted, body.lane === 'batch' ? 'batch' : 'standard', specs);
}

/** The lane that was asked for is one that no channel could offer for this model, or for this request. */
function closed({ lane, tools }: SubmitJobBody, model: Model): AppError | undefined {
  if (lane === 'auto') return undefined;
  if (!model.lanes.includes(lane))
    return new AppError('invalid_request', {
      message: `lane "${lane}" is not offered by ${model.id}.`,
      param: 'lane',
      fix: 'Use "auto".',
    });
  if (lane !== 'batch' || !tools.length) return undefined;
  return new AppError('unsupported_tool', {
    message: `lane "${lane}" takes no tools, and tools names ${tools.join(', ')}.`,
    param: 'lane',
    fix: 'Use "auto" or "standard", or leave tools out.',
  });
}

async function timesOf(
  latency: Latency,
  model: Model,
  kind: { model: string; size: string },
): Promise<Map<Lane, number>> {
  const times = model.lanes.map(async (lane) => [lane, await latency.p95Ms(lane, kind)] as const);
  return new Map(await Promise.all(times));
}

function tooDear({ lane, max_cost }: SubmitJobBody, model: Model, maxCost: Micros, cheapest: Micros): AppError {
  const where = lane === 'auto' ? 'on the cheapest lane' : `on the ${lane} lane`;
  const isQuoted = max_cost === undefined || maxCost < max_cost;
  const cap = isQuoted ? 'What the quote allows' : 'max_cost';
  return new AppError('max_cost_exceeded', {
    message: `${cap} is ${formatMicros(maxCost)}, but one image is estimated at ${formatMicros(cheapest)} ${where}.`,
    param: isQuoted ? 'quote' : 'max_cost',
    fix: `${isQuoted ? 'Ask for a quote of this very job' : 'Raise max_cost'}, or choose a smaller size or another model than ${model.id}.`,
  });
}
