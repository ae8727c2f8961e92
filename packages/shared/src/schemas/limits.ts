/** The answers of `/v1/limits`. */

import { z } from 'zod';
import { WindowView } from './channel.ts';

export const LimitView = z
  .object({
    channel: z.string(),
    model: z.string(),
    reason: z.enum(['rate_limited', 'parked']).optional().meta({
      description:
        'While nobody calls it: the provider said so, its calls of the day are used, or what may be spent in ten minutes is spent. rate_limited: for a while. parked: until the daily quota starts anew, or for as long as the provider says.',
    }),
    until: z.string().optional().meta({ format: 'date-time', description: 'The end of that.' }),
    why: z.string().optional().meta({ description: 'What keeps it waiting, for people.' }),
    windows: z.array(WindowView),
  })
  .meta({ id: 'Limit', description: 'One model on one channel: how much of its limits is used.' });
export type LimitView = z.output<typeof LimitView>;

const standing = z.object({ model: z.string(), waiting: z.int(), running: z.int() });
const perModel = {
  concurrency: z.int().optional().meta({ description: 'Calls of one model that may run at once.' }),
  starts_per_minute: z.int().optional().meta({ description: 'Calls of one model that may begin in any minute.' }),
};

export const OwnLimits = z
  .object({
    tenant: z.object({
      name: z.string(),
      weight: z.number().meta({ description: 'Its share of the calls, beside other tenants that wait.' }),
      ...perModel,
      models: z
        .array(standing)
        .meta({ description: 'What stands in line and what runs now, of the models where anything does.' }),
    }),
    key: z
      .object({
        id: z.string(),
        ...perModel,
        submissions_per_minute: z
          .int()
          .optional()
          .meta({ description: 'Jobs, batches and retries that it may hand in within any minute, of all models.' }),
        models: z
          .array(standing)
          .optional()
          .meta({ description: 'The same of what this key submitted; absent while its calls are not bounded.' }),
      })
      .optional()
      .meta({ description: 'Absent while this key has no bounds of its own.' }),
  })
  .meta({
    id: 'OwnLimits',
    description:
      'What bounds the caller itself, as the configuration says. Bounds of calls hold for each model by itself, and for the standard lane; one that is absent is none.',
  });
export type OwnLimits = z.output<typeof OwnLimits>;

export const LimitList = z.object({ data: z.array(LimitView), own: OwnLimits }).meta({ id: 'LimitList' });
export type LimitList = z.output<typeof LimitList>;

export const ResumedModel = z
  .object({
    model: z.string(),
    resumed: z
      .boolean()
      .meta({ description: 'Whether its provider had paused it. What the channels file allows stays as it is.' }),
    woken: z.int().meta({
      description: 'Jobs that stand in line for it, and go on now.',
    }),
  })
  .meta({ id: 'ResumedModel' });
export type ResumedModel = z.output<typeof ResumedModel>;
