/** The answers of `/v1/limits`. */

import { z } from 'zod';
import { WindowView } from './channel.ts';

export const LimitView = z
  .object({
    channel: z.string(),
    model: z.string(),
    reason: z.enum(['rate_limited', 'parked']).optional().meta({
      description:
        'While nobody calls it, because the provider said so. rate_limited: for a while. parked: until the daily quota starts anew, or for as long as the provider says.',
    }),
    until: z.string().optional().meta({ format: 'date-time', description: 'The end of that.' }),
    why: z.string().optional().meta({ description: 'What was said.' }),
    windows: z.array(WindowView),
  })
  .meta({ id: 'Limit', description: 'One model on one channel: how much of its limits is used.' });
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
