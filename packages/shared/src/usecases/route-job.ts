import {
  AppError,
  chooseLane,
  type EpochMs,
  estimateCost,
  formatMicros,
  type Lane,
  type Micros,
  type Model,
} from '../domain/index.ts';
import type { Latency } from '../ports/index.ts';
import type { SubmitJobBody } from '../schemas/index.ts';

export type Routed = {
  lane: Lane;
  /** Absent on the ordinary way: by itself, because nothing speaks for another. */
  reason?: string;
};

/**
 * The lane of one job at its submission.
 *
 * @param maxCost what the caller and a quote allow. @throws AppError `max_cost_exceeded` when no lane is that cheap,
 * `invalid_request` or `unsupported_tool` when the lane that was asked for cannot carry the request
 */
export async function routeJob(
  latency: Latency,
  body: SubmitJobBody,
  { model, maxCost, now }: { model: Model; maxCost: Micros | undefined; now: EpochMs },
): Promise<Routed> {
  const kind = { model: model.id, size: body.size ?? model.defaultSize };
  const cost = (lane: Lane) => estimateCost({ ...body, ...kind }, lane);
  const p95 = body.deadline !== undefined && body.lane === 'auto' ? await timesOf(latency, model, kind) : undefined;
  const route = chooseLane({
    asked: body.lane,
    offered: lanesFor(body, model),
    cost,
    p95Ms: (lane) => p95?.get(lane) ?? 0,
    now,
    set: 1,
    ...(maxCost !== undefined && { maxCost }),
    ...(body.deadline !== undefined && { deadline: body.deadline }),
  });
  if (route.type === 'lane') {
    const ordinary = route.lane === 'standard' && (body.lane === 'standard' || body.deadline === undefined);
    return ordinary ? { lane: route.lane } : { lane: route.lane, reason: route.reason };
  }
  if (route.type === 'dear') throw tooDear(body, model, maxCost ?? 0, Math.min(...lanesAsked(body, model).map(cost)));
  throw closed(body, model);
}

function closed({ lane, tools }: SubmitJobBody, model: Model): AppError {
  if (model.lanes.some((one) => one === lane))
    return new AppError('unsupported_tool', {
      message: `lane "${lane}" takes no tools, and tools names ${tools.join(', ')}.`,
      param: 'lane',
      fix: 'Use "auto" or "standard", or leave tools out.',
    });
  return new AppError('invalid_request', {
    message: `lane "${lane}" is not offered by ${model.id}.`,
    param: 'lane',
    fix: 'Use "auto".',
  });
}

/** The lanes that can carry this very request. Search happens while an image is made, and within a provider batch nobody does it. */
export function lanesFor({ tools }: Pick<SubmitJobBody, 'tools'>, model: Model): readonly Lane[] {
  return tools.length ? model.lanes.filter((lane) => lane !== 'batch') : model.lanes;
}

function lanesAsked(body: SubmitJobBody, model: Model): readonly Lane[] {
  return body.lane === 'auto' ? lanesFor(body, model) : [body.lane];
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
