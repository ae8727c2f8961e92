import { z } from 'zod';

/** The part of the worker's environment that says how events are sent. */
export const webhookEnv = {
  WEBHOOK_CONCURRENCY: z.coerce.number().int().min(1).max(1_000).default(64).meta({
    description: 'Most webhooks under way per worker process; to one receiver, at most 10.',
  }),
  WEBHOOK_FAILURES_MAX: z.coerce.number().int().min(10).max(100_000).default(500).meta({
    description:
      'Tries that fail in a row, over all events, before an endpoint is disabled; one that is down altogether comes to 500 in some 3.5 days.',
  }),
};
