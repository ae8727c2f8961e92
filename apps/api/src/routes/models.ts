import {
  bestHealth,
  formatMicros,
  type Health,
  imagePrice,
  type Lane,
  MODELS,
  type Model,
} from '@darkroom/shared/domain';
import type { ChannelView, ModelView, PlaceView } from '@darkroom/shared/schemas';
import { lookAtChannels } from '@darkroom/shared/usecases';
import { Router } from 'express';
import type { z } from 'zod';
import type { ApiDeps } from '../deps.ts';
import { callerOf } from '../http/authenticate.ts';

/** The model catalogue: what may be asked of each model, what it costs, and whether it can be had now. */
export function modelsRouter(deps: Pick<ApiDeps, 'channels' | 'quotas' | 'breakers'>): Router {
  const router = Router();
  router.get('/', async (_req, res) => {
    callerOf(res, 'jobs:read');
    const channels = await lookAtChannels(deps, deps.channels.channels);
    res.json({ data: MODELS.map((model) => presentModel(model, waysTo(model, channels))) });
  });
  return router;
}

type Way = { channel: string; place: PlaceView };

function waysTo(model: Model, channels: readonly ChannelView[]): Way[] {
  return channels.flatMap(({ id, models }) =>
    models.flatMap((place) => (place.model === model.id ? [{ channel: id, place }] : [])),
  );
}

function presentModel(model: Model, ways: readonly Way[]): z.output<typeof ModelView> {
  const channels = ways.map(({ channel, place: { health, until } }) => ({ channel, health, ...(until && { until }) }));
  return {
    id: model.id,
    name: model.name,
    aliases: [...model.aliases],
    status: model.status,
    ...(model.retiresOn && { retires_on: model.retiresOn }),
    ...(model.successor && { successor: model.successor }),
    sizes: [...model.sizes],
    default_size: model.defaultSize,
    aspect_ratios: [...model.aspectRatios],
    references: { max: model.references.max, by_role: { ...model.references.byRole } },
    thinking: [...model.thinking],
    tools: [...model.tools],
    lanes: [...model.lanes],
    prices: Object.fromEntries(model.lanes.map((lane) => [lane, pricesOf(model, lane, ways)])),
    ...healthOfAll(channels),
    channels,
  };
}

function healthOfAll(ways: readonly { health: Health['health']; until?: string }[]): {
  health: Health['health'];
  until?: string;
} {
  const { health, until } = bestHealth(
    ways.map((way) => ({ health: way.health, ...(way.until && { until: Date.parse(way.until) }) })),
  );
  return { health, ...(until !== undefined && { until: new Date(until).toISOString() }) };
}

function pricesOf(model: Model, lane: Lane, ways: readonly Way[]): Record<string, string> {
  return Object.fromEntries(
    model.sizes.map((size) => {
      const asked = ways.flatMap(({ place }) => place.prices[lane]?.[size] ?? []);
      const [cheapest] = asked.toSorted((a, b) => Number(a) - Number(b));
      return [size, cheapest ?? formatMicros(imagePrice(model, size, lane))];
    }),
  );
}
