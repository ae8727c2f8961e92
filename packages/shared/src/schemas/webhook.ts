/** Webhooks on the wire: endpoints, their secrets, and deliveries with every try that was made. */

import { z } from 'zod';
import { DEATH_CAUSES, DELIVERY_STATUSES } from '../domain/index.ts';
import { typeList } from './event-types.ts';
import { webhookUrl } from './own-webhook.ts';
import { parseDuration } from './primitives.ts';

export const ENDPOINT_ID = /^whe_[0-9a-f]{32}$/;
export const DELIVERY_ID = /^dlv_[0-9a-f]{32}$/;

const DESCRIPTION_MAX = 200;
/** Most headers of an endpoint. */
export const HEADERS_MAX = 10;
const HEADER_VALUE_MAX = 1_024;

/** What says who the caller is; never what HTTP, a proxy on the way or the signature says. */
const HEADER_NAME = /^([Aa]uthorization|[Xx]-[A-Za-z0-9-]{1,60})$/;
const OF_PROXIES = /^x-(forwarded|real-ip|original-)/i;
const headerName = z
  .string()
  .regex(HEADER_NAME, 'must be Authorization or begin with X-')
  .refine((name) => !OF_PROXIES.test(name), 'must be none of those that proxies write');
const headerValue = z
  .string()
  .max(HEADER_VALUE_MAX)
  .regex(/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/, 'must be printable ASCII without spaces at its ends');

/** Headers by their names in lower case; a name may not stand there twice. */
function headersOf<V extends z.ZodType>(value: V) {
  return z
    .record(headerName, value)
    .refine((headers) => Object.keys(headers).length <= HEADERS_MAX, `must have at most ${HEADERS_MAX} headers`)
    .refine(
      (headers) => new Set(Object.keys(headers).map((name) => name.toLowerCase())).size === Object.keys(headers).length,
      'must not have a name twice: case makes no difference',
    )
    .transform((headers) =>
      Object.fromEntries(Object.entries(headers).map(([name, one]) => [name.toLowerCase(), one])),
    );
}

const description = z.string().trim().max(DESCRIPTION_MAX).meta({ description: 'Yours, for people.' });
const events = typeList().meta({
  description:
    'The types it is sent, one by one or as groups such as `job.*`, which mean the types of today. Without it: all, also ' +
    'those to come.',
});

export const CreateEndpointBody = z
  .strictObject({
    url: webhookUrl.meta({
      description:
        'Where events are posted to: https, on the usual port, and reachable from the public internet. It is looked at now ' +
        'and again at every delivery.',
    }),
    events: events.optional(),
    description: description.optional(),
    headers: headersOf(headerValue)
      .default({})
      .meta({
        description: `Sent with each delivery, at most ${HEADERS_MAX}: Authorization, and names that begin with X-. Never shown again.`,
      }),
    enabled: z.boolean().default(true).meta({ description: '`false`: nothing is sent until you enable it.' }),
  })
  .meta({ id: 'CreateWebhookEndpoint' });
export type CreateEndpointBody = z.output<typeof CreateEndpointBody>;
/** As a caller may write it: everything with a default left out. */
export type CreateEndpointInput = z.input<typeof CreateEndpointBody>;

export const UpdateEndpointBody = z
  .strictObject({
    url: webhookUrl.optional().meta({ description: 'What waits goes there as well.' }),
    events: events.nullable().optional().meta({ description: 'In place of those before; `null` = all.' }),
    description: description.nullable().optional().meta({ description: '`null` takes it away.' }),
    headers: headersOf(headerValue.nullable())
      .optional()
      .meta({ description: 'Sets these and leaves the others as they are; `null` takes one away.' }),
    enabled: z.boolean().optional().meta({
      description: '`false`: nothing is sent any more. `true`: what still waits is sent, from now on all is.',
    }),
  })
  .refine((patch) => Object.values(patch).some((value) => value !== undefined), 'must name at least one field')
  .meta({ id: 'UpdateWebhookEndpoint' });
export type UpdateEndpointBody = z.output<typeof UpdateEndpointBody>;
export type UpdateEndpointInput = z.input<typeof UpdateEndpointBody>;

const OVERLAP_MAX = '7d';
const overlap = `must be a duration such as "24h", at most ${OVERLAP_MAX}; "0s" for none`;
const isOverlap = (ms: number | undefined) => ms !== undefined && ms <= (parseDuration(OVERLAP_MAX) ?? 0);

export const RotateSecretBody = z
  .strictObject({
    overlap: z
      .string({ error: overlap })
      .refine((text) => isOverlap(parseDuration(text)), overlap)
      .transform((text) => parseDuration(text) ?? 0)
      .prefault('24h')
      .meta({
        type: 'string',
        description:
          'How long the secrets before sign along, so that receivers may change over one by one: 24h by default. ' +
          '`0s`: not at all, when one has come to light.',
        examples: ['24h', '0s'],
      }),
  })
  .meta({ id: 'RotateSecret' });
export type RotateSecretInput = z.input<typeof RotateSecretBody>;

const instant = z.string().meta({ format: 'date-time' });
/** A field and what it says. */
const told = <S extends z.ZodType>(schema: S, description: string): S => schema.meta({ description });

export const WebhookEndpointView = z
  .object({
    id: told(z.string().regex(ENDPOINT_ID), '`whe_…`'),
    url: told(z.string(), 'Without its query string, which may hold a secret.'),
    description: told(z.string().optional(), 'Yours.'),
    events: told(z.array(z.string()).optional(), 'The types it is sent; absent = all.'),
    headers: told(z.array(z.string()), 'The names of those that are sent along; values are not shown.'),
    enabled: told(z.boolean(), 'Whether it is sent anything.'),
    disabled_reason: told(
      z.enum(['caller', 'gone', 'failing', 'backlog']).optional(),
      'caller: you did it. gone: it answered 410. failing: too many tries failed in a row. backlog: too many deliveries wait for it.',
    ),
    disabled_at: told(instant, 'Since when it is disabled.').optional(),
    created_at: told(instant, 'It is sent what happened later than this.'),
    health: told(
      z.object({
        failures: told(z.int(), 'Tries that failed since one went well.'),
        failing_since: told(instant, 'When the first of them was.').optional(),
        paused_until: told(instant, 'It failed so often that nothing is sent before.').optional(),
        waiting: told(z.int(), 'Deliveries that are due, or will be.'),
      }),
      'How it answers.',
    ),
    old_secrets_until: told(
      z.array(instant).optional(),
      'Secrets of before that still sign along, and how long each of them does.',
    ),
    urls: told(
      z.object({ self: z.string(), deliveries: z.string(), test: z.string() }),
      'Where to go on; relative to the API.',
    ),
  })
  .meta({ id: 'WebhookEndpoint' });
export type WebhookEndpointView = z.output<typeof WebhookEndpointView>;

const secret = z
  .string()
  .regex(/^whsec_/)
  .meta({ description: 'Verifies what is sent; by Standard Webhooks. Shown this once: keep it.' });

export const CreatedEndpointView = WebhookEndpointView.extend({ secret }).meta({ id: 'CreatedWebhookEndpoint' });
export type CreatedEndpointView = z.output<typeof CreatedEndpointView>;

export const EndpointList = z.object({ data: z.array(WebhookEndpointView) }).meta({ id: 'WebhookEndpointList' });

/** The secret that verifies what jobs' and batches' own webhooks are sent. */
export const OwnSecretView = z
  .object({
    secret: z.string().regex(/^whsec_/),
    old_secrets_until: told(
      z.array(instant).optional(),
      'Secrets of before that still sign along, and how long each of them does.',
    ),
  })
  .meta({ id: 'WebhookSecret' });
export type OwnSecretView = z.output<typeof OwnSecretView>;

export const DeliveryTryView = z
  .object({
    at: told(instant, 'When it was sent.'),
    ms: told(z.int(), 'How long it took.'),
    http: told(z.int().optional(), 'The status of the answer; absent when none came.'),
    error: told(z.string().optional(), 'Why there was no answer, or none that counts.'),
    body: told(z.string().optional(), 'The beginning of the answer’s body, without what looks secret.'),
    request_headers: told(
      z.record(z.string(), z.string()),
      'As they were sent; signatures and the values of your own headers are not shown.',
    ),
  })
  .meta({ id: 'DeliveryTry' });

export const DeliveryView = z
  .object({
    id: told(z.string().regex(DELIVERY_ID), '`dlv_…`'),
    event: told(z.string(), 'The id of what it tells, which is its `webhook-id` in every try.'),
    type: told(z.string(), 'Of the event.'),
    endpoint: told(z.string().optional(), 'Absent when a job or batch has named the address itself.'),
    url: told(z.string().optional(), 'Where it goes, without the query string.'),
    status: told(
      z.enum(DELIVERY_STATUSES),
      'pending: on its way. delivered: answered 2xx. dead: nothing is tried any more, until it is sent again.',
    ),
    cause: told(
      z.enum(DEATH_CAUSES).optional(),
      'Why it is dead. exhausted: every try failed. gone: answered 410. refused: its address leads where none may. ' +
        'removed: its receiver was deleted.',
    ),
    created_at: told(instant, 'When it was made.'),
    completed_at: told(instant, 'When it was delivered, or died.').optional(),
    next_try_at: told(instant, 'When it is tried next; absent while its endpoint is disabled.').optional(),
    tries: told(z.array(DeliveryTryView), 'The last ones, oldest first.'),
    urls: told(
      z.object({ self: z.string(), event: z.string(), resend: z.string() }),
      'Where to go on; relative to the API.',
    ),
  })
  .meta({ id: 'Delivery', description: 'One event on its way to one receiver.' });
export type DeliveryView = z.output<typeof DeliveryView>;

export const DeliveryList = z
  .object({ data: z.array(DeliveryView), has_more: z.boolean(), next_cursor: z.string().optional() })
  .meta({ id: 'DeliveryList' });
export type DeliveryList = z.output<typeof DeliveryList>;

/** All of one event: as many as there are receivers. */
export const EventDeliveries = z.object({ data: z.array(DeliveryView) }).meta({ id: 'EventDeliveries' });

export const ListDeliveriesQuery = z.strictObject({
  status: z.enum(DELIVERY_STATUSES).optional().meta({ description: 'As they stand now.' }),
  limit: z.coerce.number().int().min(1).max(200).default(50).meta({ description: 'Most deliveries in a page.' }),
  after: z
    .string()
    .regex(DELIVERY_ID, 'must be the next_cursor of the page before')
    .optional()
    .meta({ description: 'The `next_cursor` of the page before.' }),
});
export type ListDeliveriesQuery = z.output<typeof ListDeliveriesQuery>;

export const TestSentView = z
  .object({
    event: z.string().meta({ description: 'The `webhook_endpoint.test` that was told.' }),
    delivery: z.string().meta({ description: 'The id of its delivery, which is there in a moment.' }),
    urls: z.object({ event: z.string(), delivery: z.string() }),
  })
  .meta({ id: 'WebhookTest' });
export type TestSentView = z.output<typeof TestSentView>;
