/** The routes of jobs, described. */

import { JobList, JobView, ListJobsQuery, SubmitJobRequest } from '@darkroom/shared/schemas';
import { z } from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';
import { json, operation } from './operation.ts';

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

export const jobPaths: ZodOpenApiPathsObject = {
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
};
