/** The OpenAPI document, made from the schemas that the routes parse with. */

import {
  AssetView,
  CreatedKeyView,
  CreateKeyBody,
  KeyList,
  ListKeysQuery,
  QuoteSetBody,
  QuoteView,
  SubmitJobRequest,
} from '@darkroom/shared/schemas';
import { z } from 'zod';
import { createDocument } from 'zod-openapi';
import { AssetFromUrl } from '../routes/assets.ts';
import { actionPaths } from './actions.ts';
import { batchPaths } from './batches.ts';
import { channelPaths } from './channels.ts';
import { eventPaths } from './events.ts';
import { jobPaths } from './jobs.ts';
import { json, operation } from './operation.ts';
import { processPaths } from './process.ts';
import { providerWebhookPaths } from './provider-webhooks.ts';
import { templatePaths } from './templates.ts';
import { webhookPaths } from './webhooks.ts';

/** Ways to say one and the same key. */
const securitySchemes = {
  bearer: { type: 'http', scheme: 'bearer', description: 'Authorization: Bearer dk_…' },
  apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
  googleApiKey: { type: 'apiKey', in: 'header', name: 'x-goog-api-key' },
} as const;

/** OpenAPI 3.1, as plain JSON. */
export function openApiDocument(): ReturnType<typeof createDocument> {
  return createDocument({
    openapi: '3.1.0',
    info: { title: 'Darkroom', version: '0.1.0', description: 'A job service for Gemini image models.' },
    security: Object.keys(securitySchemes).map((name) => ({ [name]: [] })),
    components: { securitySchemes },
    paths: {
      ...jobPaths,
      ...batchPaths,
      ...eventPaths,
      ...actionPaths,
      ...webhookPaths,
      '/v1/assets': {
        post: operation('uploadAsset', 'assets', {
          summary: 'Upload a reference image, or fetch it from a url',
          body: {
            required: true,
            content: {
              'image/*': { schema: z.string().meta({ format: 'binary' }) },
              'application/json': { schema: AssetFromUrl },
            },
          },
          answers: { '201': json(AssetView, 'The asset; the same bytes give the same id') },
        }),
      },
      '/v1/assets/{id}': {
        get: operation('getAsset', 'assets', {
          summary: 'Read an asset',
          params: { path: z.object({ id: z.string() }) },
          answers: { '200': json(AssetView, 'The asset') },
        }),
      },
      ...templatePaths,
      '/v1/quotes': {
        post: operation('createQuote', 'quotes', {
          summary: 'Price and expected time of each lane, for a job or a set of jobs',
          body: {
            required: true,
            content: { 'application/json': { schema: z.union([SubmitJobRequest, QuoteSetBody]) } },
          },
          answers: { '201': json(QuoteView, 'Holds for an hour; pass its id as `quote` to cap what is spent') },
        }),
      },
      ...channelPaths,
      '/v1/keys': {
        get: operation('listKeys', 'keys', {
          summary: 'The API keys of every tenant, newest first, without their secrets (scope admin)',
          params: { query: ListKeysQuery },
          answers: { '200': json(KeyList, 'A page of keys') },
        }),
        post: operation('createKey', 'keys', {
          summary: 'Make an API key (scope admin)',
          body: { required: true, content: { 'application/json': { schema: CreateKeyBody } } },
          answers: { '201': json(CreatedKeyView, 'The key, shown this once') },
        }),
      },
      '/v1/keys/{id}': {
        delete: operation('revokeKey', 'keys', {
          summary: 'Revoke an API key (scope admin)',
          params: { path: z.object({ id: z.string() }) },
          answers: { '204': { description: 'It works no longer' } },
        }),
      },
      ...providerWebhookPaths,
      ...processPaths,
    },
  });
}
