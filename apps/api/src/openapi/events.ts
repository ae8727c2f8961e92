/** Events in the OpenAPI document. */

import { EventList, EventView, ListEventsQuery } from '@darkroom/shared/schemas';
import { z } from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';
import { EVENT_EXAMPLES } from './event-examples.ts';
import { operation } from './operation.ts';

const id = z.string().regex(/^evt_[0-9a-f]{32}$/);

export const eventPaths: ZodOpenApiPathsObject = {
  '/v1/events': {
    get: operation('listEvents', 'events', {
      summary:
        'What happened to your jobs, batches and webhooks, newest first; with `Accept: text/event-stream`, as a stream that does not end',
      params: {
        query: z.object(ListEventsQuery.shape),
        header: z.object({
          'Last-Event-ID': id
            .optional()
            .meta({ description: 'Of a stream: it goes on after this event, which may be days old.' }),
        }),
      },
      answers: {
        '200': {
          description:
            'A page of events, or the stream of them; of the query, a stream takes type, job, batch, endpoint, tag and since',
          content: {
            'application/json': { schema: EventList, example: EVENT_EXAMPLES.list },
            'text/event-stream': { schema: z.string().meta({ description: '`data` of each is an Event.' }) },
          },
        },
      },
    }),
  },
  '/v1/events/{id}': {
    get: operation('getEvent', 'events', {
      summary: 'Read an event; what it is about is shown as it is now',
      params: { path: z.object({ id }) },
      answers: {
        '200': {
          description: 'The event',
          content: { 'application/json': { schema: EventView, examples: EVENT_EXAMPLES.each } },
        },
      },
    }),
  },
};
