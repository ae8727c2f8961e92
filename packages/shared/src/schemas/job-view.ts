/** What a caller sees of a job. */

import { z } from 'zod';
import { JOB_STATUSES, LANES, PHASES } from '../domain/index.ts';

const instant = z.string().meta({ format: 'date-time' });
const money = z.string().meta({ examples: ['0.0361'] });

export const ImageView = z
  .object({
    id: z.string(),
    url: z.string().meta({ description: 'Signed when this view was made, and short-lived; the image itself is not.' }),
    mime: z.string(),
    width: z.int(),
    height: z.int(),
    bytes: z.int(),
    sha256: z.string(),
    thumbnail_url: z.string(),
  })
  .meta({ id: 'Image' });

export const AttemptView = z
  .object({
    channel: z.string(),
    model: z.string(),
    lane: z.enum(LANES),
    state: z.enum(['open', 'settled', 'rejected', 'in_doubt']),
    started_at: instant,
    ms: z.int().optional(),
    tokens: z.int().optional(),
    cost: money.optional(),
    error: z.string().optional(),
    reason: z.string().optional(),
  })
  .meta({ id: 'Attempt', description: 'One paid call. `in_doubt`: its end was not seen, and it is counted as spent.' });

export const UpstreamView = z.object({
  channel: z.string(),
  http: z.int().optional(),
  finish_reason: z.string().optional(),
  block_reason: z.string().optional(),
  quota_id: z.string().optional(),
  message: z.string().optional(),
});

export const JobErrorView = z
  .object({
    code: z.string(),
    category: z.string(),
    detail: z.string(),
    retryable: z.boolean(),
    fix: z.string().optional(),
    started: z.boolean().optional().meta({ description: 'On expired jobs: whether any call was made.' }),
    upstream: UpstreamView.optional(),
  })
  .meta({ id: 'JobError' });

export const JobView = z
  .object({
    id: z.string(),
    status: z.enum(JOB_STATUSES),
    phase: z.enum(PHASES).optional(),
    lane: z.enum(LANES),
    route: z.string().optional().meta({ description: 'Why it travels on this lane, when it was chosen here.' }),
    model: z.string(),
    prompt: z.string(),
    template: z.string().optional().meta({ description: '`name@version` of the template that wrote the prompt.' }),
    size: z.string(),
    aspect_ratio: z.string().optional(),
    created_at: instant,
    started_at: instant.optional(),
    completed_at: instant.optional(),
    expires_at: instant,
    queue: z
      .object({ position: z.int().optional(), eta: instant.optional() })
      .optional()
      .meta({ description: 'While queued: how many of your jobs are ahead, and the earliest next attempt.' }),
    cost: z.object({
      currency: z.literal('USD'),
      estimated: money,
      reserved: money,
      actual: money,
      in_doubt: money,
    }),
    attempts: z.array(AttemptView),
    references: z
      .array(
        z.object({
          sha256: z.string(),
          mime: z.string(),
          url: z.string(),
          name: z.string().optional(),
          role: z.string().optional(),
        }),
      )
      .optional()
      .meta({ description: 'The reference images, by links as short-lived as those of images.' }),
    images: z.array(ImageView),
    late_images: z.array(ImageView).optional(),
    text: z.string().optional(),
    grounding: z.unknown().optional(),
    deduplicated_of: z.string().optional(),
    batch: z.string().optional(),
    key: z.string().optional(),
    tags: z.array(z.string()),
    metadata: z.record(z.string(), z.string()),
    warnings: z.array(z.string()).optional(),
    error: JobErrorView.optional(),
    urls: z.object({ self: z.string(), events: z.string(), cancel: z.string(), images: z.string() }),
  })
  .meta({ id: 'Job' });
export type JobView = z.output<typeof JobView>;
export type ImageView = z.output<typeof ImageView>;

export const JobList = z
  .object({ data: z.array(JobView), has_more: z.boolean(), next_cursor: z.string().optional() })
  .meta({ id: 'JobList' });

export const AssetView = z
  .object({
    id: z.string(),
    mime: z.string(),
    width: z.int(),
    height: z.int(),
    bytes: z.int(),
    sha256: z.string(),
  })
  .meta({ id: 'Asset' });

export const ModelView = z
  .object({
    id: z.string(),
    name: z.string(),
    aliases: z.array(z.string()),
    status: z.enum(['available', 'deprecated']),
    retires_on: z.string().optional(),
    successor: z.string().optional(),
    sizes: z.array(z.string()),
    default_size: z.string(),
    aspect_ratios: z.array(z.string()),
    references: z.object({ max: z.int(), by_role: z.record(z.string(), z.int()) }),
    thinking: z.array(z.string()),
    tools: z.array(z.string()),
    lanes: z.array(z.enum(LANES)),
    prices: z.record(z.string(), z.record(z.string(), money)).meta({ description: 'lane → size → dollars an image' }),
  })
  .meta({ id: 'Model' });

export const ModelList = z.object({ data: z.array(ModelView) }).meta({ id: 'ModelList' });
