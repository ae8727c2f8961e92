/** The OpenAPI document, made from the schemas that the routes parse with. */

import {
  AssetView,
  CreatedKeyView,
  CreateKeyBody,
  DoctorView,
  JobList,
  JobView,
  KeyList,
  LimitList,
  ListJobsQuery,
  ListKeysQuery,
  ModelList,
  QuoteSetBody,
  QuoteView,
  ResumedModel,
  SubmitJobRequest,
} from '@darkroom/shared/schemas';
import { z } from 'zod';
import { createDocument } from 'zod-openapi';
import { actionPaths } from './openapi-actions.ts';
import { batchPaths } from './openapi-batches.ts';
import { CHANNEL_EXAMPLES, CHANNEL_PROBLEMS } from './openapi-channel-examples.ts';
import { channelPaths } from './openapi-channels.ts';
import { eventPaths } from './openapi-events.ts';
import { json, open, operation } from './openapi-operation.ts';
import { providerWebhookPaths } from './openapi-provider-webhooks.ts';
import { templatePaths } from './openapi-templates.ts';
import { webhookPaths } from './openapi-webhooks.ts';
import { AssetFromUrl } from './routes/assets.ts';
import { ErrorKind } from './routes/errors.ts';

const jobId = z.object({ id: z.string().meta({ description: 'A job id: ours, or the one it was put under.' }) });
const imageNumber = jobId.extend({ n: z.string().meta({ description: 'The number of the image, from 0.' }) });
const wait = z.object({
  wait: z
    .int()
    .min(0)
    .max(60)
    .optional()
    .meta({ description: 'Seconds to wait for the end; more than 60 is refused.' }),
});
const idempotencyKey = z.object({
  'Idempotency-Key': z
    .string()
    .max(255)
    .optional()
    .meta({ description: 'Names this submission: sent again within a day, it is answered as the first time.' }),
});
const submitHeaders = idempotencyKey.extend({
  Prefer: z
    .string()
    .optional()
    .meta({
      description:
        'wait=SECONDS holds the answer back until the job has ended, or so long; more than 60 is taken for 60.',
      examples: ['wait=30'],
    }),
});

const ifNoneMatch = z
  .string()
  .optional()
  .meta({ description: 'An ETag seen before: 304 when nothing changed; with `wait`, waits for the next change.' });
const lastEventId = z
  .string()
  .regex(/^evt_[0-9a-f]{32}$/)
  .optional()
  .meta({ description: 'The id of the last event seen; the stream goes on after it.' });
const submitBody = { required: true, content: { 'application/json': { schema: SubmitJobRequest } } };
const retryAfter = z
  .string()
  .meta({ description: 'Seconds after which another look is worth it; while open.' })
  .optional();
const jobHeaders = z.object({ ETag: z.string(), 'Retry-After': retryAfter });
const submittedHeaders = z.object({
  Location: z.string(),
  'Retry-After': retryAfter,
  'X-Dedup': z.enum(['miss', 'joined']).meta({
    description:
      'joined: shares the work of an equal job. A replay says it of the job that was accepted first, as it stands now.',
  }),
  'X-Cache': z.literal('hit').optional().meta({ description: 'The image of an equal job that had ended; by `cache`.' }),
  'Idempotent-Replayed': z.literal('true').optional().meta({ description: 'Submitted before: the same job again.' }),
  'Preference-Applied': z
    .string()
    .optional()
    .meta({ description: 'wait=SECONDS: for how long the answer was held back at most.', examples: ['wait=30'] }),
});
const job = json(JobView, 'The job');
const accepted = {
  '202': { ...json(JobView, 'Accepted: the job is durable'), headers: submittedHeaders },
  '200': { ...json(JobView, 'The job, already ended'), headers: submittedHeaders },
};
const link = { '302': { description: 'To a signed, short-lived link' } };
const live = z.object({ status: z.literal('ok') });
const ready = z.object({ status: z.enum(['ready', 'not_ready']), checks: z.record(z.string(), z.string()) });
const text = (type: string) => ({ '200': { description: 'The text', content: { [type]: { schema: z.string() } } } });

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
      '/v1/jobs': {
        post: operation('submitJob', 'jobs', {
          summary: 'Submit a job',
          params: { header: submitHeaders },
          body: submitBody,
          answers: accepted,
        }),
        get: operation('listJobs', 'jobs', {
          summary: 'List jobs, newest first; also by metadata[name]=value',
          params: { query: z.object(ListJobsQuery.shape) },
          answers: { '200': json(JobList, 'A page of jobs') },
        }),
      },
      '/v1/jobs/{id}': {
        put: operation('putJob', 'jobs', {
          summary: 'Submit a job under your own id',
          params: { path: jobId, header: submitHeaders },
          body: submitBody,
          answers: accepted,
        }),
        get: operation('getJob', 'jobs', {
          summary: 'Read a job, waiting for its end if asked',
          params: { path: jobId, query: wait, header: z.object({ 'If-None-Match': ifNoneMatch }) },
          answers: { '200': { ...job, headers: jobHeaders }, '304': { description: 'Unchanged', headers: jobHeaders } },
        }),
      },
      '/v1/jobs/{id}/cancel': {
        post: operation('cancelJob', 'jobs', { summary: 'Cancel', params: { path: jobId }, answers: { '200': job } }),
      },
      '/v1/jobs/{id}/retry': {
        post: operation('retryJob', 'jobs', {
          summary: 'Release a held job, or make an ended one again as a new job',
          params: { path: jobId, header: submitHeaders },
          answers: accepted,
        }),
      },
      '/v1/jobs/{id}/events': {
        get: operation('jobEvents', 'jobs', {
          summary: 'Server-sent events of a job, resumable by Last-Event-ID; `data` is the job as it is when sent',
          params: { path: jobId, header: z.object({ 'Last-Event-ID': lastEventId }) },
          answers: {
            '200': { description: 'The stream', content: { 'text/event-stream': {} } },
            '204': { description: 'Over' },
          },
        }),
      },
      '/v1/jobs/{id}/images': {
        get: operation('jobImages', 'jobs', {
          summary: 'The images of a job',
          params: { path: jobId },
          answers: { '200': json(z.object({ data: JobView.shape.images }), 'The images, late ones last') },
        }),
      },
      '/v1/jobs/{id}/images/{n}': {
        get: operation('jobImage', 'jobs', { summary: 'An image', params: { path: imageNumber }, answers: link }),
      },
      '/v1/jobs/{id}/images/{n}/thumbnail': {
        get: operation('jobThumbnail', 'jobs', {
          summary: 'Its thumbnail',
          params: { path: imageNumber },
          answers: link,
        }),
      },
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
      '/v1/models': {
        get: operation('listModels', 'models', {
          summary: 'What each model can do, what it costs, and whether it can be had now',
          answers: { '200': json(ModelList, 'All', CHANNEL_EXAMPLES.models) },
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
      '/v1/limits': {
        get: operation('listLimits', 'limits', {
          summary:
            'How much of its limits each model has used on each channel, which are paused, and what bounds the caller',
          answers: {
            '200': json(
              LimitList,
              'All models of all channels, and the bounds of the tenant and key that ask',
              CHANNEL_EXAMPLES.limits,
            ),
          },
        }),
      },
      '/v1/limits/{model}/resume': {
        post: operation('resumeModel', 'limits', {
          summary: 'End the pause of a model now (scope admin)',
          params: { path: z.object({ model: z.string() }) },
          answers: { '200': json(ResumedModel, 'It may be called again', CHANNEL_EXAMPLES.resumed) },
          problems: { not_found: CHANNEL_PROBLEMS.noModel, forbidden: CHANNEL_PROBLEMS.noAdmin },
        }),
      },
      '/v1/doctor': {
        get: operation('examine', 'health', {
          summary: 'What is wrong with this installation, and how to mend it; costs nothing (scope admin)',
          answers: { '200': json(DoctorView, 'All that was looked at', CHANNEL_EXAMPLES.doctor) },
          problems: { forbidden: CHANNEL_PROBLEMS.noAdmin },
        }),
      },
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
      '/livez': {
        get: open(
          operation('livez', 'health', {
            summary: 'Whether the process answers',
            answers: { '200': json(live, 'It does') },
          }),
        ),
      },
      '/readyz': {
        get: open(
          operation('readyz', 'health', {
            summary: 'Whether jobs can be accepted and kept',
            answers: { '200': json(ready, 'They can'), '503': json(ready, 'They cannot, and why') },
          }),
        ),
      },
      '/metrics': {
        get: operation('metrics', 'health', { summary: 'Figures for Prometheus', answers: text('text/plain') }),
      },
      '/openapi.json': {
        get: open(
          operation('openapi', 'docs', {
            summary: 'This document',
            answers: { '200': json(z.looseObject({}), 'OpenAPI 3.1') },
          }),
        ),
      },
      '/': {
        get: open(
          operation('root', 'docs', { summary: 'Leads to /docs', answers: { '302': { description: 'To /docs' } } }),
        ),
      },
      '/errors/{code}': {
        get: open(
          operation('errorKind', 'docs', {
            summary: 'What the type of a problem means',
            params: { path: z.object({ code: z.string() }) },
            answers: { '200': json(ErrorKind, 'The error') },
          }),
        ),
      },
      '/docs': {
        get: open(operation('docs', 'docs', { summary: 'This document, to be read', answers: text('text/html') })),
      },
    },
  });
}
