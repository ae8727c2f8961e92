/** The body of `POST /v1/webhook-endpoints/{id}/replay`. */

import { z } from 'zod';
import { typeList } from './event-types.ts';
import { instantSchema } from './primitives.ts';

export const ReplayBody = z
  .strictObject({
    since: instantSchema.meta({ description: 'Events of this time or later.' }),
    until: instantSchema.optional().meta({ description: 'Events before this time; now by default.' }),
    types: typeList().optional().meta({
      description: 'Of these types: a type, or `job.*`; by default those that the endpoint is sent.',
    }),
    only_missing: z.boolean().default(true).meta({ description: 'Leaves out those that arrived.' }),
    preview: z.boolean().default(false).meta({ description: 'Only counts the events; nothing is sent.' }),
  })
  .meta({ id: 'Replay', description: 'Which events are to be sent to the endpoint (again).' });
export type ReplayBody = z.output<typeof ReplayBody>;
export type ReplayInput = z.input<typeof ReplayBody>;
