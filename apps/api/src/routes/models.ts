import { formatMicros, imagePrice, type Lane, MODELS, type Model } from '@darkroom/shared/domain';
import type { ModelView } from '@darkroom/shared/schemas';
import { Router } from 'express';
import type { z } from 'zod';
import { callerOf } from '../http/authenticate.ts';

/** The model catalogue: what may be asked of each model, and what it costs. */
export function modelsRouter(): Router {
  const router = Router();
  router.get('/', (_req, res) => {
    callerOf(res, 'jobs:read');
    res.json({ data: MODELS.map(presentModel) });
  });
  return router;
}

function presentModel(model: Model): z.output<typeof ModelView> {
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
    prices: Object.fromEntries(model.lanes.map((lane) => [lane, pricesOf(model, lane)])),
  };
}

function pricesOf(model: Model, lane: Lane): Record<string, string> {
  return Object.fromEntries(model.sizes.map((size) => [size, formatMicros(imagePrice(model, size, lane))]));
}
