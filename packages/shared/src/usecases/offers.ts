/** On which lanes some channel carries a request, what that is expected to cost, and why the others do not. */

import {
  AppError,
  type Carried,
  type ChannelSpec,
  cheapestOn,
  eligible,
  estimateCost,
  LANES,
  type Lane,
  type Micros,
  type Model,
  type Refusal,
  type Routing,
} from '../domain/index.ts';
import type { SubmitJobBody } from '../schemas/index.ts';

/** What is asked of the channels, before or after its references are fetched. */
export type Wanted = Carried & { prompt: string; model: string };

/** A lane that is offered, at the price of the cheapest channel that carries it there. */
export type LaneOffer = { lane: Lane; cost: Micros };

/** Refusals told one by one; the others are a number. */
const TOLD_MAX = 3;

export function wantedOf(
  body: SubmitJobBody,
  {
    model,
    routing,
    references = body.references,
  }: { model: Model; routing: Routing | undefined } & Partial<Pick<Wanted, 'references'>>,
): Wanted {
  return {
    prompt: body.prompt,
    model: model.id,
    size: body.size ?? model.defaultSize,
    ...(body.aspect_ratio && { aspectRatio: body.aspect_ratio }),
    ...(body.seed !== undefined && { seed: body.seed }),
    ...(body.thinking && { thinking: body.thinking }),
    tools: body.tools,
    safety: body.safety,
    references,
    ...(routing && { routing }),
  };
}

/** In the order of `LANES`; none when nothing can carry it. */
export function offersOf(wanted: Wanted, specs: readonly ChannelSpec[]): LaneOffer[] {
  return LANES.flatMap((lane) => {
    const cost = cheapestOn(wanted, lane, specs);
    return cost === undefined ? [] : [{ lane, cost }];
  });
}

/** By lane; where none is offered, what the catalogue says, which nobody is asked to pay. */
export function costsOf(offers: LaneOffer[], wanted: Wanted): Record<Lane, Micros> {
  const cost = (lane: Lane) => offers.find((offer) => offer.lane === lane)?.cost ?? estimateCost(wanted, lane);
  return { standard: cost('standard'), batch: cost('batch') };
}

/** What is told of models that were named as a second choice, and could never be one. */
export function idleModels(wanted: Wanted, specs: readonly ChannelSpec[]): string[] {
  return (wanted.routing?.models ?? []).flatMap((model) => {
    const { channels, refusals } = eligible(wanted, { model, lane: 'standard' }, specs);
    if (channels.length) return [];
    const why = refusals[0] ? `: ${said(refusals[0])}` : '';
    return [`Model ${model} of routing.models will not be used: no channel carries this job with it${why}.`];
  });
}

/** Why no channel carries it on a lane, each by itself. */
export function noChannel(wanted: Wanted, lane: Lane, specs: readonly ChannelSpec[]): AppError {
  const { refusals } = eligible(wanted, { model: wanted.model, lane }, specs);
  const more = refusals.length > TOLD_MAX ? `; and ${refusals.length - TOLD_MAX} more` : '';
  return new AppError('no_channel', {
    message: `No channel carries this job with ${wanted.model}: ${refusals.slice(0, TOLD_MAX).map(said).join('; ')}${more}.`,
    ...(wanted.routing?.channels && { param: 'routing.channels' }),
    errors: refusals.map(({ channel, why }) => ({ path: `channels.${channel}`, message: why })),
  });
}

function said({ channel, why }: Refusal): string {
  return `${channel} ${why}`;
}
