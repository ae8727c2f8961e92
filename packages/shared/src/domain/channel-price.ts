/** What a call costs on a channel, whose price may be another than the catalogue's. Integer micro-dollars. */

import type { ChannelSpec, ServedModel } from './channel.ts';
import { type Carried, eligible } from './eligible.ts';
import type { Lane, Micros } from './job.ts';
import type { Model } from './models.ts';
import { actualCost, estimateCost, imagePrice, LANE_SHARE } from './price.ts';
import type { Usage } from './verdict.ts';

type Request = Parameters<typeof estimateCost>[0];
type Asked = Parameters<typeof actualCost>[0];

/** What one image is expected to cost there. @param request with the model that would make it */
export function estimateOn(served: Pick<ServedModel, 'price'>, request: Request, lane: Lane): Micros {
  return flatPrice(served, request.size, lane) ?? Math.round(factorOf(served) * estimateCost(request, lane));
}

/**
 * What the cheapest channel that carries a request on a lane is expected to charge; `undefined` when none carries it.
 *
 * A model of `routing.models` that takes over does so by calls of its own: it opens the standard lane alone.
 */
export function cheapestOn(
  request: Omit<Request, 'references'> & Carried,
  lane: Lane,
  specs: readonly ChannelSpec[],
): Micros | undefined {
  const chain = lane === 'standard' ? (request.routing?.models ?? [request.model]) : [request.model];
  for (const model of chain) {
    const { channels } = eligible(request, { model, lane }, specs);
    const costs = channels.map(({ served }) => estimateOn(served, { ...request, model }, lane));
    if (costs.length) return Math.min(...costs);
  }
  return undefined;
}

/** What the image alone costs there, by the list. @throws RangeError for a size that the model does not make */
export function imagePriceOn(served: Pick<ServedModel, 'price'>, model: Model, size: string, lane: Lane): Micros {
  return flatPrice(served, size, lane) ?? Math.round(factorOf(served) * imagePrice(model, size, lane));
}

/** How an answered call ended, as far as its bill is concerned. */
export type Billed = {
  usage: Usage;
  /** Image parts that came, interim ones included. */
  images: number;
  /** What the answer itself says that it cost. */
  reported?: Micros | undefined;
};

/**
 * What an answered call cost: what its answer says, where that is believed; else the channel's flat price, once for a
 * call that brought an image; else by its usage, at the channel's part of the catalogue's rates.
 *
 * @param served absent when the channel is not configured any more: the catalogue's rates
 * @param asked with the model that was called
 */
export function costOn(
  channel: { served?: Pick<ServedModel, 'price'> | undefined; trusted: boolean },
  asked: Asked,
  lane: Lane,
  { usage, images, reported }: Billed,
): Micros {
  const { served = {}, trusted } = channel;
  if (trusted && reported !== undefined) return reported;
  const flat = flatPrice(served, asked.size, lane);
  if (flat !== undefined) return images > 0 ? flat : 0;
  return Math.round(factorOf(served) * actualCost(asked, lane, usage, images));
}

/** Undefined also for a size that the list does not name: it was another list when the call was made. */
function flatPrice({ price }: Pick<ServedModel, 'price'>, size: string, lane: Lane): Micros | undefined {
  if (!price || !('perImage' in price) || !Object.hasOwn(price.perImage, size)) return undefined;
  const micros = price.perImage[size];
  return micros === undefined ? undefined : Math.round(LANE_SHARE[lane] * micros);
}

function factorOf({ price }: Pick<ServedModel, 'price'>): number {
  return price && 'factor' in price ? price.factor : 1;
}
