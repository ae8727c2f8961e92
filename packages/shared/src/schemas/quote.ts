/** Prices before anything is spent. */

import { z } from 'zod';
import { LANES } from '../domain/index.ts';
import { SubmitJobRequest } from './template.ts';

const money = z.string().meta({ examples: ['0.0361'] });

/** A job, or a row of a batch as it would be sent: its key is of no concern to its price. */
const QuoteItemBody = SubmitJobRequest.extend({ key: z.string().max(64).optional() }).meta({ id: 'QuoteItem' });

/** The set that is asked about; a single job is asked about by its own body. */
export const QuoteSetBody = SubmitJobRequest.pick({ lane: true, deadline: true, max_cost: true })
  .extend({ items: z.array(QuoteItemBody).min(1).max(1_000) })
  .meta({ id: 'QuoteSet', description: 'Many jobs at once.' });

export const QuoteView = z
  .object({
    id: z.string(),
    expires_at: z.string().meta({ format: 'date-time' }),
    currency: z.literal('USD'),
    jobs: z.int(),
    cap: money.meta({
      description:
        'What the jobs may cost together when submitted with `quote`, the dearest lane and some room for interim images, ' +
        'which come by chance; fewer of them, their part of it.',
    }),
    lane: z.enum(LANES).meta({ description: 'The lane that would be taken now.' }),
    reason: z.string(),
    lanes: z.array(
      z.object({
        lane: z.enum(LANES),
        cost: money.meta({
          description:
            'Expected, with the words and interim images that are billed, and for a set of 200 or more in the batch ' +
            'lane with the first rows at the standard price, which go ahead.',
        }),
        expected_at: z.string().meta({ format: 'date-time', description: 'When 95 % of such sets are done, lately.' }),
        meets_deadline: z.boolean().optional(),
      }),
    ),
    warnings: z.array(z.string()).optional(),
  })
  .meta({ id: 'Quote' });
export type QuoteView = z.output<typeof QuoteView>;
