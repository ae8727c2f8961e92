/** Events on the wire: the list, the stream, and what each of them says. */

import { z } from 'zod';
import {
  ALERT_EVENT_TYPES,
  ALERT_UNITS,
  ALERTS,
  BATCH_EVENT_TYPES,
  BREAKER_STATES,
  ENDPOINT_EVENT_TYPES,
  EVENT_TYPES,
  isJobId,
  type LoggedType,
} from '../domain/index.ts';
import { BatchView } from './batch.ts';
import { typePattern, typesNamed } from './event-types.ts';
import { JobErrorView, JobView } from './job-view.ts';
import { instantSchema } from './primitives.ts';
import { ENDPOINT_ID, WebhookEndpointView } from './webhook.ts';

const instant = z.string().meta({ format: 'date-time' });
const left = ' Left out where it is too long; the view behind `urls.self` has it.';

/** A job, in short: of what is `optional` here, nothing is left once the job itself is. */
export const JobEventData = JobView.pick({
  id: true,
  batch: true,
  key: true,
  phase: true,
  started_at: true,
  completed_at: true,
  route: true,
  deduplicated_of: true,
})
  .extend({
    ...JobView.pick({ status: true, lane: true, model: true, size: true, created_at: true, cost: true }).partial()
      .shape,
    tags: JobView.shape.tags.optional(),
    metadata: JobView.shape.metadata.optional().meta({ description: `Yours.${left}` }),
    images: JobView.shape.images.optional(),
    late_images: JobView.shape.late_images,
    error: JobErrorView.omit({ upstream: true }).optional(),
    urls: JobView.shape.urls.partial().required({ self: true }),
  })
  .meta({
    id: 'JobEventData',
    description: 'The job in short, as it is when the event is sent: no prompt, links signed anew.',
  });
export type JobEventData = z.output<typeof JobEventData>;

/** A batch, in short. */
export const BatchEventData = z
  .object({
    id: BatchView.shape.id,
    ...BatchView.pick({
      name: true,
      status: true,
      paused_by: true,
      created_at: true,
      started_at: true,
      completed_at: true,
      deadline: true,
      eta: true,
      rate: true,
      lanes: true,
      counts: true,
      cost: true,
      canary: true,
      tags: true,
    }).partial().shape,
    metadata: BatchView.shape.metadata.optional().meta({ description: `Yours.${left}` }),
    urls: BatchView.shape.urls.partial().required({ self: true }),
  })
  .meta({ id: 'BatchEventData', description: 'The batch in short, as it is when the event is sent.' });
export type BatchEventData = z.output<typeof BatchEventData>;

/** An alert, with the figure as it was when it was told. */
export const AlertEventData = z
  .object({
    alert: z
      .enum(ALERTS)
      .meta({ description: 'Which one. Data that are about a job, batch or endpoint have no such field.' }),
    channel: z.string().optional().meta({ description: 'The way to the model that it is about.' }),
    model: z.string().optional().meta({ description: 'The model that it is about.' }),
    value: z.number().optional().meta({
      description:
        'The figure, in `unit`; for a model that ends, the days that are left. Absent, as are the two below, of a breaker that no share of failed calls has moved: the key is refused, the model is gone, or an operator has closed it.',
    }),
    threshold: z.number().optional().meta({ description: 'What it is held against, in `unit`.' }),
    unit: z.enum(ALERT_UNITS).optional().meta({ description: '`ratio`: a share of 1.' }),
    since: instant.meta({ description: 'When the alert was raised.' }),
    reminder: z.boolean().meta({ description: 'It was told before, and lasts.' }),
    message: z.string().meta({ description: 'All of it in a sentence, for people.' }),
    retires_on: z.iso.date().optional().meta({ description: 'The day the model is to end.' }),
    successor: z.string().optional().meta({ description: 'The model that takes its place.' }),
    why: z.string().optional().meta({ description: 'Of a breaker or a pause: what brought it about, for people.' }),
    breaker: z
      .enum(BREAKER_STATES)
      .optional()
      .meta({ description: 'Of a breaker: how it stands now. `open`: no call is made, but a probe at times.' }),
    error_rate: z
      .number()
      .optional()
      .meta({ description: 'Of a breaker: the share of the last minute’s calls that failed.' }),
    until: instant.optional().meta({ description: 'When a call is made there again, a probe at least.' }),
  })
  .meta({ id: 'AlertEventData', description: 'Told to the tenant of the operator alone.' });
export type AlertEventData = z.output<typeof AlertEventData>;

/** An endpoint of webhooks, in short: neither its headers nor anything of its secret. */
export const EndpointEventData = z
  .object({
    id: WebhookEndpointView.shape.id,
    ...WebhookEndpointView.pick({
      url: true,
      description: true,
      enabled: true,
      disabled_reason: true,
      disabled_at: true,
      health: true,
    }).partial().shape,
    urls: WebhookEndpointView.shape.urls.partial().required({ self: true }),
  })
  .meta({
    id: 'EndpointEventData',
    description: 'The endpoint in short, as it is when the event is sent; once it is deleted, its id is left.',
  });
export type EndpointEventData = z.output<typeof EndpointEventData>;

const envelope = {
  id: z
    .string()
    .regex(/^evt_[0-9a-f]{32}$/)
    .meta({ description: 'The same in every list, stream and delivery; ids sort as the events do.' }),
  timestamp: instant.meta({ description: 'When it happened.' }),
};

export const JobEventView = z
  .object({ ...envelope, type: z.enum(EVENT_TYPES).exclude(['quota.parked']), data: JobEventData })
  .meta({ id: 'JobEvent' });
/** A limit that lasts has a job wait, or keeps everybody away from a channel. */
export const QuotaEventView = z
  .object({
    ...envelope,
    type: z.literal('quota.parked'),
    data: z.union([JobEventData, AlertEventData]).meta({
      description:
        'With `alert`: a channel that a limit keeps everybody away from, told to the operator. With `id`: a job that waits for a limit of the day, told to its tenant.',
    }),
  })
  .meta({ id: 'QuotaEvent' });
export const BatchEventView = z
  .object({ ...envelope, type: z.enum(BATCH_EVENT_TYPES), data: BatchEventData })
  .meta({ id: 'BatchEvent' });
export const AlertEventView = z
  .object({ ...envelope, type: z.enum(ALERT_EVENT_TYPES), data: AlertEventData })
  .meta({ id: 'AlertEvent' });
export const EndpointEventView = z
  .object({ ...envelope, type: z.enum(ENDPOINT_EVENT_TYPES), data: EndpointEventData })
  .meta({ id: 'EndpointEvent' });
/** Whatever happened. */
export const EventView = z
  .discriminatedUnion('type', [JobEventView, QuotaEventView, BatchEventView, EndpointEventView, AlertEventView])
  .meta({ id: 'Event' });
export type EventView = z.output<typeof EventView>;

export const EventList = z
  .object({ data: z.array(EventView), has_more: z.boolean(), next_cursor: z.string().optional() })
  .meta({ id: 'EventList' });

const filters = {
  type: z
    .preprocess(
      (value) => [value].flat().flatMap((one) => (typeof one === 'string' ? one.split(',') : [one])),
      z.array(typePattern()).min(1).max(50),
    )
    .transform((patterns): ReadonlySet<LoggedType> => new Set(patterns.flatMap((pattern) => typesNamed(pattern))))
    .optional()
    .meta({
      type: 'array',
      items: { type: 'string' },
      description: 'Of these types: a type, or `job.*`; several times, or by commas.',
    }),
  job: z.string().refine(isJobId, 'must be the id of a job').optional().meta({ description: 'About this job.' }),
  batch: z
    .string()
    .regex(/^bat_[0-9a-f]{32}$/, 'must be the id of a batch')
    .optional()
    .meta({ description: 'About this batch, or one of its rows’ jobs.' }),
  endpoint: z
    .string()
    .regex(ENDPOINT_ID, 'must be the id of a webhook endpoint')
    .optional()
    .meta({ description: 'About this endpoint of webhooks.' }),
  tag: z.string().min(1).max(64).optional().meta({ description: 'About a job or batch with this tag.' }),
  since: instantSchema
    .optional()
    .meta({ description: 'At this time or later; a stream without it begins with what is new.' }),
};

/** The query of `GET /v1/events` as a list. */
export const ListEventsQuery = z.strictObject({
  ...filters,
  until: instantSchema.optional().meta({ description: 'Before this time.' }),
  order: z.enum(['desc', 'asc']).default('desc').meta({ description: 'Newest first, or oldest first.' }),
  limit: z.coerce.number().int().min(1).max(200).default(50).meta({ description: 'Most events in a page.' }),
  after: z.string().max(512).optional().meta({
    description:
      'The `next_cursor` of the page before. The id of an event will do: with `order=asc`, to go on from there.',
  }),
});
export type ListEventsQuery = z.output<typeof ListEventsQuery>;

/** The query of `GET /v1/events` as a stream. */
export const StreamEventsQuery = z.strictObject(filters);
export type StreamEventsQuery = z.output<typeof StreamEventsQuery>;
