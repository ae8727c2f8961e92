/** The query of `GET /v1/jobs`. */

import { z } from 'zod';
import { JOB_STATUSES, LANES } from '../domain/index.ts';
import { instantSchema } from './primitives.ts';

/** What jobs are told apart by, in a list and for an action; `metadata` beside it. */
export const JOB_FILTERS = {
  status: z.enum(JOB_STATUSES).optional().meta({ description: 'As they stand now.' }),
  tag: z.string().min(1).max(64).optional().meta({ description: 'That have this tag.' }),
  model: z.string().min(1).max(128).optional().meta({ description: 'Of this model, by any of its names.' }),
  lane: z.enum(LANES).optional().meta({ description: 'That travel on this lane.' }),
  created_after: instantSchema.optional().meta({ description: 'Accepted later than this.' }),
  created_before: instantSchema.optional().meta({ description: 'Accepted earlier than this.' }),
};

export const ListJobsQuery = z
  .object({
    ...JOB_FILTERS,
    limit: z.coerce.number().int().min(1).max(200).default(50).meta({ description: 'Most jobs in a page.' }),
    after: z.string().max(512).optional().meta({ description: 'The `next_cursor` of the page before.' }),
  })
  .catchall(z.string());
export type ListJobsQuery = z.output<typeof ListJobsQuery>;

/** `metadata[sku]=123` → `{ sku: '123' }`; the names that are neither that nor known come back as `unknown`. */
export function metadataFilters(query: Record<string, unknown>): {
  metadata: Record<string, string>;
  unknown: string[];
} {
  const metadata = new Map<string, string>();
  const unknown: string[] = [];
  for (const [name, value] of Object.entries(query)) {
    if (Object.hasOwn(ListJobsQuery.shape, name)) continue;
    const key = /^metadata\[([A-Za-z0-9_.-]{1,64})\]$/.exec(name)?.[1];
    if (key && typeof value === 'string') metadata.set(key, value);
    else unknown.push(name);
  }
  return { metadata: Object.fromEntries(metadata), unknown };
}
