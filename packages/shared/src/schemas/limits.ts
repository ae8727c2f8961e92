/** The answers of `/v1/limits`. */

import { z } from 'zod';

export const LimitView = z
  .object({
    channel: z.string(),
    model: z.string(),
    reason: z.enum(['rate_limited', 'parked']).meta({
      description:
        'rate_limited: for a while. parked: until the daily quota starts anew, or a refused key is looked at again.',
    }),
    until: z.string().meta({ format: 'date-time' }),
  })
  .meta({ id: 'Limit', description: 'A model that nobody calls until then, because the provider said so.' });
export type LimitView = z.output<typeof LimitView>;

export const LimitList = z.object({ data: z.array(LimitView) }).meta({ id: 'LimitList' });

export const ResumedModel = z
  .object({
    model: z.string(),
    resumed: z.boolean().meta({ description: 'Whether it was paused.' }),
    woken: z.int().meta({
      description: 'Jobs that stand in line for it, and go on now.',
    }),
  })
  .meta({ id: 'ResumedModel' });
export type ResumedModel = z.output<typeof ResumedModel>;
