/** Actions in the OpenAPI document. */

import {
  ActionList,
  ActionPreview,
  ActionView,
  CreateActionBody,
  ListActionsQuery,
  ReplayBody,
} from '@darkroom/shared/schemas';
import { z } from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';
import { json, operation } from './operation.ts';

const path = z.object({ id: z.string().meta({ description: 'An action id, `act_…`.' }) });
const endpointPath = z.object({ id: z.string().meta({ description: 'The id of a webhook endpoint, `whe_…`.' }) });
const retryAfter = z
  .string()
  .optional()
  .meta({ description: 'Seconds after which another look is worth it; while open.' });
const submitHeaders = z.object({
  'Idempotency-Key': z
    .string()
    .max(255)
    .optional()
    .meta({ description: 'Names this action: sent again within a day, it is answered as the first time.' }),
});
const submittedHeaders = z.object({
  Location: z.string(),
  'Retry-After': retryAfter,
  'Idempotent-Replayed': z.literal('true').optional(),
});
const submittedAnswers = {
  '202': { ...json(ActionView, 'Accepted: it goes on by itself, through restarts too'), headers: submittedHeaders },
  '200': {
    ...json(z.union([ActionPreview, ActionView]), 'What `preview` counted; or the action, already over'),
    headers: submittedHeaders.partial(),
  },
};

export const actionPaths: ZodOpenApiPathsObject = {
  '/v1/actions': {
    post: operation('createAction', 'actions', {
      summary: 'Cancel, retry or reprioritise every job that a filter means, in the background; or only count them',
      params: { header: submitHeaders },
      body: { required: true, content: { 'application/json': { schema: CreateActionBody } } },
      answers: submittedAnswers,
    }),
    get: operation('listActions', 'actions', {
      summary: 'List actions, newest first; each is kept for seven days after its end',
      params: { query: z.object(ListActionsQuery.shape) },
      answers: { '200': json(ActionList, 'A page of actions') },
    }),
  },
  '/v1/actions/{id}': {
    get: operation('getAction', 'actions', {
      summary: 'How far an action is',
      params: { path },
      answers: { '200': { ...json(ActionView, 'The action'), headers: z.object({ 'Retry-After': retryAfter }) } },
    }),
  },
  '/v1/actions/{id}/abort': {
    post: operation('abortAction', 'actions', {
      summary: 'Begin no further page; what was done stays done, and a page under way (at most 200 jobs) is finished',
      params: { path },
      answers: { '200': json(ActionView, 'The action') },
    }),
  },
  '/v1/webhook-endpoints/{id}/replay': {
    post: operation('replayEvents', 'webhooks', {
      summary: 'Send events of a past time to an endpoint (again), in the background; or only count them',
      params: { path: endpointPath, header: submitHeaders },
      body: { required: true, content: { 'application/json': { schema: ReplayBody } } },
      answers: submittedAnswers,
    }),
  },
};
