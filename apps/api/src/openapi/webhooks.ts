/** Webhook endpoints and deliveries in the OpenAPI document. */

import {
  CreatedEndpointView,
  CreateEndpointBody,
  DeliveryList,
  DeliveryView,
  EndpointList,
  EventDeliveries,
  ListDeliveriesQuery,
  OwnSecretView,
  RotateSecretBody,
  TestSentView,
  UpdateEndpointBody,
  WebhookEndpointView,
} from '@darkroom/shared/schemas';
import { z } from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';
import { json, operation } from './operation.ts';

const path = z.object({ id: z.string().meta({ description: 'An endpoint’s id, `whe_…`.' }) });
const deliveryPath = z.object({ id: z.string().meta({ description: 'A delivery’s id, `dlv_…`.' }) });
const body = (schema: z.ZodType, required = true) => ({ required, content: { 'application/json': { schema } } });
const createHeaders = z.object({
  'Idempotency-Key': z
    .string()
    .max(255)
    .optional()
    .meta({ description: 'Names this endpoint: asked for again within a day, it is answered as the first time.' }),
});
const createdHeaders = z.object({ Location: z.string(), 'Idempotent-Replayed': z.literal('true').optional() });
const testHeaders = z.object({
  Location: z.string().meta({ description: 'Of the delivery, which is there in a moment.' }),
  'Retry-After': z.string(),
});

export const webhookPaths: ZodOpenApiPathsObject = {
  '/v1/webhook-endpoints': {
    post: operation('createWebhookEndpoint', 'webhooks', {
      summary: 'Have events posted to an address, signed by Standard Webhooks (scope webhooks:write)',
      params: { header: createHeaders },
      body: body(CreateEndpointBody),
      answers: {
        '201': {
          ...json(CreatedEndpointView, 'The endpoint, and its secret, shown this once'),
          headers: createdHeaders,
        },
      },
    }),
    get: operation('listWebhookEndpoints', 'webhooks', {
      summary: 'All of your endpoints, newest first',
      answers: { '200': json(EndpointList, 'All') },
    }),
  },
  '/v1/webhook-endpoints/{id}': {
    get: operation('getWebhookEndpoint', 'webhooks', {
      summary: 'Read an endpoint, and how it answers',
      params: { path },
      answers: { '200': json(WebhookEndpointView, 'The endpoint') },
    }),
    patch: operation('updateWebhookEndpoint', 'webhooks', {
      summary: 'Change an endpoint, disable it, or enable it again (scope webhooks:write)',
      params: { path },
      body: body(UpdateEndpointBody),
      answers: { '200': json(WebhookEndpointView, 'The endpoint as it is now') },
    }),
    delete: operation('deleteWebhookEndpoint', 'webhooks', {
      summary: 'Forget an endpoint; what waits for it is not sent (scope webhooks:write)',
      params: { path },
      answers: { '204': { description: 'It is gone' } },
    }),
  },
  '/v1/webhook-endpoints/{id}/rotate-secret': {
    post: operation('rotateWebhookEndpointSecret', 'webhooks', {
      summary: 'A new secret; those before sign along for a while (scope webhooks:write)',
      params: { path },
      body: body(RotateSecretBody, false),
      answers: { '200': json(CreatedEndpointView, 'The endpoint, and its new secret, shown this once') },
    }),
  },
  '/v1/webhook-endpoints/{id}/test': {
    post: operation('testWebhookEndpoint', 'webhooks', {
      summary: 'Send it a `webhook_endpoint.test`, whatever events it has chosen (scope webhooks:write)',
      params: { path },
      answers: { '202': { ...json(TestSentView, 'It is on its way'), headers: testHeaders } },
    }),
  },
  '/v1/webhook-endpoints/{id}/deliveries': {
    get: operation('listWebhookDeliveries', 'webhooks', {
      summary: 'Its deliveries, that of the newest event first; at most the last 10,000',
      params: { path, query: z.object(ListDeliveriesQuery.shape) },
      answers: { '200': json(DeliveryList, 'A page of deliveries') },
    }),
  },
  '/v1/webhook-secret': {
    get: operation('getWebhookSecret', 'webhooks', {
      summary: 'What verifies that which is sent to the `webhook` of jobs and batches (scope webhooks:write)',
      answers: { '200': json(OwnSecretView, 'The secret') },
    }),
  },
  '/v1/webhook-secret/rotate': {
    post: operation('rotateWebhookSecret', 'webhooks', {
      summary: 'Another one; those before sign along for a while (scope webhooks:write)',
      body: body(RotateSecretBody, false),
      answers: { '200': json(OwnSecretView, 'The new secret') },
    }),
  },
  '/v1/events/{id}/deliveries': {
    get: operation('listEventDeliveries', 'webhooks', {
      summary: 'To whom an event was sent, and what came of it; deleted endpoints are left out',
      params: { path: z.object({ id: z.string().regex(/^evt_[0-9a-f]{32}$/) }) },
      answers: { '200': json(EventDeliveries, 'All of its deliveries') },
    }),
  },
  '/v1/deliveries/{id}': {
    get: operation('getDelivery', 'webhooks', {
      summary: 'Read a delivery, with every try',
      params: { path: deliveryPath },
      answers: { '200': json(DeliveryView, 'The delivery') },
    }),
  },
  '/v1/deliveries/{id}/resend': {
    post: operation('resendDelivery', 'webhooks', {
      summary: 'Send it again under the same `webhook-id`; one on its way is left alone (scope webhooks:write)',
      params: { path: deliveryPath },
      answers: { '202': json(DeliveryView, 'The delivery, pending') },
    }),
  },
};
