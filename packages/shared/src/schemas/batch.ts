/** Batches on the wire: the options of `POST /v1/batches`, its rows, and what a caller sees of a batch. */

import { z } from 'zod';
import { BATCH_STATUSES, JOB_STATUSES, type JobStatus, LANES } from '../domain/index.ts';
import { OWN_TYPES } from './event-types.ts';
import { JobView } from './job-view.ts';
import { OwnWebhookView, ownWebhook } from './own-webhook.ts';
import { instantSchema, moneySchema } from './primitives.ts';
import { QuoteView } from './quote.ts';
import { SubmitJobBody } from './submit-job.ts';

/** Most rows of a JSON body; NDJSON and CSV have no such limit. */
export const ITEMS_MAX = 1_000;
/** Row errors in an answer; `errors.csv` holds all. */
export const ROW_ERRORS_MAX = 100;

const tag = z.string().trim().min(1).max(64);
const column = z.string().min(1).max(128);

/** What the batch says for all of its rows. */
const PER_BATCH = { lane: true, deadline: true, priority: true, max_cost: true, quote: true, webhook: true } as const;
const {
  prompt: _prompt,
  references: _references,
  tags: _tags,
  metadata: _metadata,
  ...DEFAULTABLE
} = SubmitJobBody.omit(PER_BATCH).shape;

/** Names of what the batch says for all of its rows, and no row for itself. */
export const BATCH_FIELDS: readonly string[] = Object.keys(PER_BATCH);

/** One row: a job under a key, without what its batch says for all. */
export const BatchItemBody = SubmitJobBody.omit(PER_BATCH)
  .extend({
    // `.` and `..` are keys that no client could ever ask for: each of them takes those for steps of the path. One that
    // begins with `-` a table takes for a formula: the manifest could not carry it as it is.
    key: z
      .string()
      .regex(
        /^(?!-|\.{1,2}$)[A-Za-z0-9_.:-]{1,64}$/,
        'must be 1 to 64 of A-Z a-z 0-9 _ . : - and not "." or "..", nor begin with "-"',
      ),
  })
  .meta({ id: 'BatchItem', description: 'A job and the key that names it in its batch.' });
export type BatchItemBody = z.output<typeof BatchItemBody>;

/** Fields of a job that may be said once for all rows; a row's own wins. */
const Defaults = z.strictObject(DEFAULTABLE).partial();
export const DEFAULT_FIELDS: readonly string[] = Object.keys(DEFAULTABLE);

export const BatchOptions = Defaults.extend({
  // Without the defaults of a job: what nobody said must not win over a row.
  model: DEFAULTABLE.model.unwrap().optional(),
  tools: DEFAULTABLE.tools.unwrap().optional(),
  safety: DEFAULTABLE.safety.unwrap().optional(),
  on_unknown_outcome: DEFAULTABLE.on_unknown_outcome.unwrap().optional(),
  name: z.string().trim().min(1).max(200).optional(),
  lane: z.enum(['auto', ...LANES]).default('auto'),
  deadline: instantSchema.optional(),
  max_cost: moneySchema.optional().meta({
    description:
      'Of the whole batch: no further row is begun, and none leaves the batch lane to be in time, that by its estimate ' +
      'would pass it. Calls may cost somewhat more than estimated, and a row whose call brought no image is tried again.',
  }),
  quote: SubmitJobBody.shape.quote,
  priority: z.int().min(1).max(9).default(5).meta({ description: '1 (last) to 9 (first).' }),
  on_invalid: z
    .enum(['reject', 'skip'])
    .default('reject')
    .meta({ description: 'reject: one bad row and nothing runs. skip: the others run.' }),
  dry_run: z.boolean().default(false).meta({ description: 'Checks every row and says what it would cost.' }),
  canary: z
    .int()
    .min(0)
    .max(100)
    .optional()
    .meta({
      description:
        'Rows of the batch lane that go ahead in the standard lane before the rest is paid for; 0 for none. ' +
        'Without it, ten of 200 rows or more.',
    }),
  tags: z.array(tag).max(16).default([]),
  metadata: SubmitJobBody.shape.metadata,
  webhook: ownWebhook(OWN_TYPES.batch, 'how the batch ends').optional().meta({
    description: 'Told of this batch beside your endpoints; of its rows only if `events` names `job.*` or the like.',
  }),
  key_column: column
    .optional()
    .meta({ description: 'Column or field that holds the key; `#` numbers the rows instead.' }),
  locales: z
    .array(z.string().min(2).max(16))
    .max(50)
    .default([])
    .meta({ description: 'Makes each row once for each of them, under KEY:LOCALE; with a template.' }),
  mapping: z
    .record(column, z.string().max(128))
    .refine((record) => Object.keys(record).length <= 256, 'must have at most 256 columns')
    .default({})
    .meta({ description: 'CSV: column → field of the job. An empty field leaves the column out.' }),
}).meta({ id: 'BatchOptions' });
export type BatchOptions = z.output<typeof BatchOptions>;

export const SubmitBatchBody = BatchOptions.extend({ items: z.array(BatchItemBody).min(1).max(ITEMS_MAX) }).meta({
  id: 'SubmitBatch',
  description: 'A set of jobs and what they have in common.',
});

export const PatchBatchBody = z
  .strictObject({
    deadline: instantSchema.optional(),
    priority: z.int().min(1).max(9).optional(),
    max_cost: moneySchema.optional(),
  })
  .refine((patch) => Object.values(patch).some((value) => value !== undefined), 'must name at least one field')
  .meta({ id: 'PatchBatch' });
export type PatchBatchBody = z.output<typeof PatchBatchBody>;

const instant = z.string().meta({ format: 'date-time' });
const money = z.string().meta({ examples: ['0.0361'] });

const BatchCountsView = z.object({
  total: z.int(),
  ...(Object.fromEntries(JOB_STATUSES.map((status) => [status, z.int()])) as Record<JobStatus, z.ZodInt>),
  deduplicated: z.int(),
  invalid: z.int().meta({ description: 'Rows left out, with `on_invalid=skip`.' }),
  loaded: z.int().meta({ description: 'Rows that have become jobs.' }),
});

export const BatchView = z
  .object({
    id: z.string(),
    name: z.string().optional(),
    status: z.enum(BATCH_STATUSES),
    paused_by: z.enum(['caller', 'canary', 'max_cost']).optional(),
    created_at: instant,
    started_at: instant.optional(),
    completed_at: instant.optional(),
    deadline: instant,
    eta: instant.optional().meta({ description: 'When it would be over at the rate so far.' }),
    rate: z.number().optional().meta({ description: 'Jobs that ended per minute, since it started.' }),
    lanes: z.array(z.enum(LANES)),
    provider_batches: z
      .array(z.string())
      .meta({ description: 'The provider batches that carry or carried its rows, oldest first.' }),
    route: z.string(),
    priority: z.int(),
    counts: BatchCountsView,
    cost: z.object({
      currency: z.literal('USD'),
      estimated: money,
      max: money.optional(),
      actual: money,
      in_doubt: money,
    }),
    canary: z.object({ rows: z.int(), state: z.enum(['running', 'passed', 'failed']), failed: z.int() }).optional(),
    tags: z.array(z.string()),
    metadata: z.record(z.string(), z.string()),
    webhook: OwnWebhookView.optional(),
    urls: z.object({
      self: z.string(),
      items: z.string(),
      events: z.string(),
      manifest: z.string(),
      manifest_csv: z.string(),
      errors: z.string().optional(),
      archive: z.string(),
    }),
  })
  .meta({ id: 'Batch' });
export type BatchView = z.output<typeof BatchView>;

export const BatchList = z
  .object({ data: z.array(BatchView), has_more: z.boolean(), next_cursor: z.string().optional() })
  .meta({ id: 'BatchList' });

export const RowErrorView = z
  .object({ line: z.int(), key: z.string().optional(), path: z.string(), code: z.string(), message: z.string() })
  .meta({ id: 'RowError', description: 'What is wrong with a row; `path` is its column or field.' });

/** What `dry_run` found. */
export const BatchCheckView = z
  .object({
    dry_run: z.literal(true),
    counts: z.object({ rows: z.int(), valid: z.int(), invalid: z.int() }),
    lane: z.enum(LANES).optional().meta({ description: 'What it would travel on; absent when no lane would do.' }),
    route: z.string(),
    cost: z.record(z.string(), money).meta({ description: 'Dollars for all valid rows, by lane that can carry them.' }),
    currency: z.literal('USD'),
    quote: QuoteView.optional().meta({ description: 'Absent when no row is valid, or no lane may be taken.' }),
    errors: z.array(RowErrorView).meta({ description: `The first ${ROW_ERRORS_MAX}.` }),
  })
  .meta({ id: 'BatchCheck' });
export type BatchCheckView = z.output<typeof BatchCheckView>;

export const ListBatchesQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  after: z.string().max(512).optional().meta({ description: 'The `next_cursor` of the page before.' }),
});

export const ListItemsQuery = ListBatchesQuery.extend({
  status: z.enum(JOB_STATUSES).optional(),
});
export type ListItemsQuery = z.output<typeof ListItemsQuery>;

/** A row that is not a job yet has no more than its key. */
export const ItemView = z
  .union([JobView, z.object({ key: z.string(), batch: z.string(), status: z.enum(JOB_STATUSES) })])
  .meta({ id: 'Item' });
export const ItemList = z
  .object({ data: z.array(ItemView), has_more: z.boolean(), next_cursor: z.string().optional() })
  .meta({ id: 'ItemList' });
export type ItemList = z.output<typeof ItemList>;
