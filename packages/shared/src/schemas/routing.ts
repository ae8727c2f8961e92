/** How a caller wants a job to reach a model. */

import { z } from 'zod';

/** One more than a job has attempts. */
const MODELS_MAX = 4;
const CHANNELS_MAX = 16;

export const RoutingBody = z
  .strictObject({
    channels: z
      .array(z.string().min(1).max(32))
      .min(1, 'must name at least one channel, or be left out')
      .max(CHANNELS_MAX)
      .optional()
      .meta({ description: 'Only these channels, by their ids.', examples: [['gemini']] }),
    models: z
      .array(z.string().min(1).max(128))
      .min(1, 'must name at least one model, or be left out')
      .max(MODELS_MAX)
      .optional()
      .meta({
        description:
          'Models that may make it, one after the other, when no channel can with the one before; `model` is the first. The image says which one made it.',
        examples: [['pro', 'flash']],
      }),
    hedge: z.boolean().optional().meta({
      description:
        'A second channel is asked as well when the first takes longer than its p95, once that is known (20 answers within ten minutes); both may be billed, within max_cost.',
    }),
    placeholder: z.boolean().optional().meta({
      description:
        'When its attempts are used up, or at its deadline while no channel can be called, a labelled image made here ends it as `succeeded`, at no cost.',
    }),
  })
  .meta({ description: 'How it reaches a model, where that matters.' });
export type RoutingBody = z.output<typeof RoutingBody>;

/** As the job is recorded with: names resolved, and what the installation does for jobs that do not say. */
export const RoutingView = z
  .object({
    channels: z.array(z.string()).optional(),
    models: z.array(z.string()).optional(),
    hedge: z.literal(true).optional(),
    placeholder: z.literal(true).optional(),
  })
  .meta({ description: 'How it may reach a model; absent = by every channel, with its own model.' });

/** A body that names no `model` means the first of its `routing.models`. As it came; nothing is checked here. */
export function withFirstModel(asked: Record<string, unknown>): Record<string, unknown> {
  const { routing, model } = asked;
  if (model !== undefined || typeof routing !== 'object' || routing === null) return asked;
  const models: unknown = Reflect.get(routing, 'models');
  const first: unknown = Array.isArray(models) ? models[0] : undefined;
  return typeof first === 'string' ? { ...asked, model: first } : asked;
}
