/** What a caller sees of a job. */

import { z } from 'zod';
import { JOB_STATUSES, LANES, PHASES } from '../domain/index.ts';
import { HealthView } from './channel.ts';
import { OwnWebhookView } from './own-webhook.ts';
import { RoutingView } from './routing.ts';

const instant = z.string().meta({ format: 'date-time' });
const money = z.string().meta({ examples: ['0.0361'] });
/** A field and what it says. */
const told = <S extends z.ZodType>(schema: S, description: string): S => schema.meta({ description });

export const ImageView = z
  .object({
    id: told(z.string(), 'Good as a reference of later jobs.'),
    url: told(z.string(), 'Signed when this view was made, and short-lived; the image itself is not.'),
    mime: told(z.string(), 'What the bytes are.'),
    width: told(z.int(), 'Pixels.'),
    height: told(z.int(), 'Pixels.'),
    bytes: told(z.int(), 'Size of the file.'),
    sha256: told(z.string(), 'Of the file, in hex.'),
    thumbnail_url: told(z.string(), 'Of a small copy; needs a key.'),
    model: told(z.string().optional(), 'Which model made it, where it is not the one that was asked for.'),
    placeholder: told(z.literal(true).optional(), 'Made here, in place of an image that no model made.'),
  })
  .meta({ id: 'Image' });

export const AttemptView = z
  .object({
    channel: told(z.string(), 'The way to the model.'),
    model: told(z.string(), 'The model that was asked.'),
    lane: told(z.enum(LANES), 'How it travelled.'),
    state: told(
      z.enum(['open', 'settled', 'rejected', 'in_doubt']),
      'open: it is out. settled: answered, and billed. rejected: answered by an error, not billed. in_doubt: nobody saw its end.',
    ),
    started_at: told(instant, 'When it was sent.'),
    ms: told(z.int().optional(), 'How long it took.'),
    tokens: told(z.int().optional(), 'That the provider counted.'),
    cost: told(money.optional(), 'Dollars, by those tokens.'),
    error: told(z.string().optional(), 'Code of what went wrong.'),
    reason: told(z.string().optional(), 'What the provider gave as its reason.'),
    hedge: told(z.literal(true).optional(), 'Sent beside another one that was slow.'),
  })
  .meta({ id: 'Attempt', description: 'One paid call. `in_doubt`: its end was not seen, and it is counted as spent.' });

export const UpstreamView = z.object({
  channel: told(z.string(), 'The way to the model.'),
  http: told(z.int().optional(), 'Status of its answer.'),
  finish_reason: told(z.string().optional(), 'Why the model stopped.'),
  block_reason: told(z.string().optional(), 'Why the prompt was refused.'),
  quota_id: told(z.string().optional(), 'The quota that was used up.'),
  message: told(z.string().optional(), 'Its own words, without what is secret.'),
});

export const JobErrorView = z
  .object({
    code: told(z.string(), 'For programs; /errors/CODE explains it.'),
    category: told(z.string(), 'What kind of error it is.'),
    detail: told(z.string(), 'For people.'),
    retryable: told(z.boolean(), 'Whether POST …/retry may help.'),
    fix: told(z.string().optional(), 'What can be done.'),
    started: told(z.boolean().optional(), 'On expired jobs: whether any call was made.'),
    upstream: told(UpstreamView.optional(), 'What the provider said.'),
  })
  .meta({ id: 'JobError' });

export const JobView = z
  .object({
    id: told(z.string(), 'Ours, or the one it was put under.'),
    status: told(z.enum(JOB_STATUSES), 'succeeded, blocked, failed, canceled and expired are final.'),
    phase: told(z.enum(PHASES).optional(), 'What it is at while it is queued or running.'),
    lane: told(z.enum(LANES), 'How it travels.'),
    route: z.string().optional().meta({ description: 'Why it travels on this lane, when it was chosen here.' }),
    model: told(z.string(), 'The model’s id, whatever name it was asked by.'),
    prompt: told(z.string(), 'As it is sent to the model.'),
    template: z.string().optional().meta({ description: '`name@version` of the template that wrote the prompt.' }),
    size: told(z.string(), 'As asked, or what the model makes by default.'),
    aspect_ratio: told(z.string().optional(), 'As asked.'),
    routing: RoutingView.optional(),
    created_at: told(instant, 'When it was accepted.'),
    started_at: told(instant.optional(), 'When it was first sent.'),
    completed_at: told(instant.optional(), 'When it ended.'),
    expires_at: told(instant, 'Its deadline.'),
    queue: z.object({ position: z.int().optional(), eta: instant.optional() }).optional().meta({
      description:
        'While queued. position: how many jobs are likely to go before it, or of your own are older. eta: when its image is likely to be there, or the earliest next attempt.',
    }),
    cost: told(
      z.object({
        currency: z.literal('USD'),
        estimated: told(
          money,
          'What one image is expected to cost on the cheapest channel that carries it; 0 for a job that shares another’s.',
        ),
        reserved: told(money, 'The estimate while it is open; 0 after that.'),
        actual: told(money, 'Of the calls that were answered.'),
        in_doubt: told(money, 'Of the calls whose end nobody saw: counted as spent.'),
      }),
      'Dollars, as decimal strings.',
    ),
    attempts: told(z.array(AttemptView), 'Every paid call, oldest first.'),
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
    images: told(z.array(ImageView), 'None until it has succeeded.'),
    late_images: told(z.array(ImageView).optional(), 'Paid for, and there only after it had been canceled or expired.'),
    text: told(z.string().optional(), 'What the model said beside the image.'),
    grounding: told(z.unknown().optional(), 'What the model’s search found, as the provider gave it.'),
    deduplicated_of: told(z.string().optional(), 'The job whose image this one shares.'),
    batch: told(z.string().optional(), 'The batch it belongs to.'),
    key: told(z.string().optional(), 'Its key in that batch.'),
    tags: told(z.array(z.string()), 'Yours.'),
    metadata: told(z.record(z.string(), z.string()), 'Yours.'),
    webhook: OwnWebhookView.optional(),
    warnings: told(z.array(z.string()).optional(), 'What is not quite as asked, such as a model that was replaced.'),
    error: told(JobErrorView.optional(), 'Why it is not succeeded, or not yet.'),
    urls: told(
      z.object({ self: z.string(), events: z.string(), cancel: z.string(), images: z.string() }),
      'Where to go on; relative to the API.',
    ),
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
    status: z.enum(['available', 'deprecated']).meta({
      description:
        'Of the model itself, wherever it is had: deprecated = its provider ends it. Whether it can be had here and now is its health.',
    }),
    retires_on: z.string().optional().meta({ format: 'date', description: 'The day it ends.' }),
    successor: z.string().optional(),
    sizes: z.array(z.string()),
    default_size: z.string(),
    aspect_ratios: z.array(z.string()),
    references: z.object({ max: z.int(), by_role: z.record(z.string(), z.int()) }),
    thinking: z.array(z.string()),
    tools: z.array(z.string()),
    lanes: z.array(z.enum(LANES)),
    prices: z.record(z.string(), z.record(z.string(), money)).meta({
      description: 'lane → size → dollars an image, where it is cheapest; what no channel makes at its list price',
    }),
    health: HealthView.meta({
      description: 'Of this installation now, whatever its status: that of its best channel; out while none serves it.',
    }),
    until: z
      .string()
      .optional()
      .meta({ format: 'date-time', description: 'When calls may go again, if none may now.' }),
    channels: z
      .array(
        z.object({
          channel: z.string(),
          health: HealthView,
          until: z.string().optional().meta({ format: 'date-time' }),
        }),
      )
      .meta({ description: 'Those that serve it; none while no channel of the configuration does.' }),
  })
  .meta({ id: 'Model' });
export type ModelView = z.output<typeof ModelView>;

export const ModelList = z.object({ data: z.array(ModelView) }).meta({ id: 'ModelList' });
