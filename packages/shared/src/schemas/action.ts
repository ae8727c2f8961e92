/** Actions on the wire: one thing done to every job that a filter means, or every event of a time. */

import { z } from 'zod';
import { ACTION_KINDS, ACTION_STATUSES, actionStatuses, JOB_ACTIONS } from '../domain/index.ts';
import { JOB_FILTERS } from './list-jobs.ts';
import { SubmitJobBody } from './submit-job.ts';

export const JobFilterBody = z.strictObject({ ...JOB_FILTERS, metadata: SubmitJobBody.shape.metadata }).meta({
  id: 'JobFilter',
  description:
    'As for GET /v1/jobs: jobs of the last day that are all of this. Rows of batches are not among them: POST ' +
    '/v1/batches/{id}/cancel, /retry-failed and PATCH /v1/batches/{id} are for those.',
});
export type JobFilterFields = z.output<typeof JobFilterBody>;

export const CreateActionBody = z
  .strictObject({
    action: z.enum(JOB_ACTIONS).meta({
      description:
        'cancel: open jobs. retry: makes failed and expired jobs again, as new jobs; canceled and blocked ones, and queued ' +
        'ones that are held, if filter.status says so. reprioritise: queued jobs.',
    }),
    filter: JobFilterBody.meta({ description: 'Which jobs; {} means all.' }),
    priority: z.int().min(1).max(9).optional().meta({ description: 'For reprioritise: 1 (last) to 9 (first).' }),
    preview: z.boolean().default(false).meta({ description: 'Only counts the jobs; nothing is done to any.' }),
  })
  .superRefine(({ action, filter, priority }, context) => {
    const wrong = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
    if (action === 'reprioritise' && priority === undefined) {
      wrong(['priority'], 'is required to reprioritise: a whole number from 1 to 9');
    }
    if (action !== 'reprioritise' && priority !== undefined) wrong(['priority'], `has no meaning for ${action}`);
    const statuses = actionStatuses(action);
    if (filter.status && !statuses.includes(filter.status)) {
      wrong(['filter', 'status'], `must be one of ${statuses.join(', ')} to ${action}, not ${filter.status}`);
    }
  })
  .meta({ id: 'CreateAction', description: 'What is to be done, and to which jobs.' });
export type CreateActionBody = z.output<typeof CreateActionBody>;
/** As a caller may write it: everything with a default left out. */
export type CreateActionInput = z.input<typeof CreateActionBody>;

const count = {
  count: z.int().meta({ description: 'Jobs or events that it would be done to, as they stand now.' }),
  at_least: z.boolean().meta({ description: 'There may be more: only so many are counted.' }),
};

export const ActionPreview = z
  .object({ preview: z.literal(true), action: z.enum(ACTION_KINDS), ...count })
  .meta({ id: 'ActionPreview' });
export type ActionPreview = z.output<typeof ActionPreview>;

const instant = z.string().meta({ format: 'date-time' });

export const ActionView = z
  .object({
    id: z.string().meta({ description: '`act_…`' }),
    action: z.enum(ACTION_KINDS),
    filter: z.record(z.string(), z.unknown()).meta({
      description: 'As it was understood: the model by its id. Of a replay, the endpoint and which events.',
    }),
    priority: z.int().optional(),
    status: z.enum(ACTION_STATUSES).meta({
      description:
        'aborting: the page under way is still being done. failed: nobody got on with it for twelve hours; what was done stays done.',
    }),
    created_at: instant,
    started_at: instant.optional(),
    completed_at: instant.optional(),
    expected: z.object(count).meta({ description: 'What a preview said when it was accepted.' }),
    counts: z.object({
      matched: z.int().meta({ description: 'Jobs or events met so far that it is to be done to.' }),
      done: z.int(),
      skipped: z
        .int()
        .meta({ description: 'When their turn came, there was nothing left to do: they had ended meanwhile.' }),
      failed: z.int().meta({ description: 'Jobs that it could not be done to; see `errors`.' }),
    }),
    errors: z
      .array(z.object({ job: z.string(), code: z.string(), message: z.string() }))
      .meta({ description: 'Of the first jobs that it failed for.' }),
    urls: z.object({ self: z.string(), abort: z.string() }),
  })
  .meta({ id: 'Action' });
export type ActionView = z.output<typeof ActionView>;

export const ActionList = z
  .object({ data: z.array(ActionView), has_more: z.boolean(), next_cursor: z.string().optional() })
  .meta({ id: 'ActionList' });

export const ListActionsQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(200).default(50).meta({ description: 'Most actions in a page.' }),
  after: z.string().max(512).optional().meta({ description: 'The `next_cursor` of the page before.' }),
});
