/** Batches in the OpenAPI document. */

import {
  BatchCheckView,
  BatchList,
  BatchOptions,
  BatchView,
  ItemList,
  ItemView,
  ListBatchesQuery,
  ListItemsQuery,
  PatchBatchBody,
  SubmitBatchBody,
} from '@darkroom/shared/schemas';
import { z } from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';
import { json, operation } from './operation.ts';

const id = z.object({ id: z.string().meta({ description: 'A batch id, `bat_…`.' }) });
const batch = json(BatchView, 'The batch');
const retryAfter = z.string().optional().meta({ description: 'Seconds after which another look is worth it.' });
const submitHeaders = z.object({
  'Idempotency-Key': z
    .string()
    .max(255)
    .optional()
    .meta({ description: 'Names this submission: sent again within a day, it is answered as the first time.' }),
});
const submittedHeaders = z.object({
  Location: z.string(),
  'Retry-After': retryAfter,
  'Idempotent-Replayed': z.literal('true').optional(),
});
const conditionalHeaders = z.object({ ETag: z.string(), 'Retry-After': retryAfter });
const stream = (type: string, description: string) => ({
  '200': { description, content: { [type]: { schema: z.string() } } },
});
const control = (operationId: string, summary: string) => ({
  post: operation(operationId, 'batches', { summary, params: { path: id }, answers: { '200': batch } }),
});
const file = (operationId: string, summary: string, type: string) => ({
  get: operation(operationId, 'batches', { summary, params: { path: id }, answers: stream(type, 'Streamed') }),
});

/** Objects ride as `mapping[SKU]=key`, one parameter for each member. */
const deep = (schema: z.ZodType) => schema.optional().meta({ param: { style: 'deepObject', explode: true } });
const { mapping, metadata, cache, dedup, webhook, ...flat } = BatchOptions.shape;
const submitQuery = z
  .object(flat)
  .partial()
  .extend({
    mapping: deep(mapping),
    metadata: deep(metadata),
    cache: deep(cache),
    dedup: deep(dedup),
    webhook: deep(webhook),
  });

export const batchPaths: ZodOpenApiPathsObject = {
  '/v1/batches': {
    post: operation('submitBatch', 'batches', {
      summary: 'Submit a batch of any length; of NDJSON and CSV, the options ride in the query',
      params: { header: submitHeaders, query: submitQuery },
      body: {
        required: true,
        content: {
          'application/json': { schema: SubmitBatchBody },
          'application/x-ndjson': { schema: z.string().meta({ description: 'One item a line.' }) },
          'text/csv': {
            schema: z.string().meta({
              description:
                'A header row, then one item a row. Cells are separated by commas, semicolons or tabs: by whichever the header row has most of, outside quotes, or by what a first line `sep=;` names. Rows of nothing but empty cells are left out.',
            }),
          },
        },
      },
      answers: {
        '202': { ...json(BatchView, 'Accepted: the batch is durable'), headers: submittedHeaders },
        '200': {
          ...json(z.union([BatchView, BatchCheckView]), 'The batch, already over; or what `dry_run` found'),
          headers: submittedHeaders.partial(),
        },
      },
    }),
    get: operation('listBatches', 'batches', {
      summary: 'List batches, newest first',
      params: { query: z.object(ListBatchesQuery.shape) },
      answers: { '200': json(BatchList, 'A page of batches') },
    }),
  },
  '/v1/batches/{id}': {
    get: operation('getBatch', 'batches', {
      summary: 'Read a batch, waiting for its end if asked',
      params: {
        path: id,
        query: z.object({
          wait: z.int().min(0).max(60).optional().meta({ description: 'Seconds to wait for the end.' }),
        }),
        header: z.object({ 'If-None-Match': z.string().optional() }),
      },
      answers: {
        '200': { ...batch, headers: conditionalHeaders },
        '304': { description: 'Unchanged', headers: conditionalHeaders },
      },
    }),
    patch: operation('changeBatch', 'batches', {
      summary: 'Change deadline, priority or max_cost, also of the jobs that are open',
      params: { path: id },
      body: { required: true, content: { 'application/json': { schema: PatchBatchBody } } },
      answers: { '200': batch },
    }),
  },
  '/v1/batches/{id}/pause': control('pauseBatch', 'Begin no more of its jobs; calls that are out end'),
  '/v1/batches/{id}/resume': control('resumeBatch', 'Go on, also after a canary that failed'),
  '/v1/batches/{id}/cancel': control('cancelBatch', 'Cancel every job that is open'),
  '/v1/batches/{id}/retry-failed': control('retryBatch', 'Make failed and expired rows again, as new jobs'),
  '/v1/batches/{id}/events': {
    get: operation('batchEvents', 'batches', {
      summary: 'Server-sent events of a batch, resumable by Last-Event-ID; `data` is the batch as it is when sent',
      params: { path: id, header: z.object({ 'Last-Event-ID': z.string().optional() }) },
      answers: {
        '200': { description: 'The stream', content: { 'text/event-stream': {} } },
        '204': { description: 'Over' },
      },
    }),
  },
  '/v1/batches/{id}/items': {
    get: operation('listItems', 'batches', {
      summary: 'Its rows and their jobs, in the order they were sent',
      params: { path: id, query: z.object(ListItemsQuery.shape) },
      answers: { '200': json(ItemList, 'A page of items') },
    }),
  },
  '/v1/batches/{id}/items/{key}': {
    get: operation('getItem', 'batches', {
      summary: 'The row under a key',
      params: { path: id.extend({ key: z.string() }) },
      answers: { '200': json(ItemView, 'The job; of a row that is none yet, its key') },
    }),
  },
  '/v1/batches/{id}/manifest.jsonl': file(
    'manifestJsonl',
    'What became of every row, a JSON line each: its image_url leads to the image for as long as that is kept, with an API key; late_image_urls to those that came after its end',
    'application/x-ndjson',
  ),
  '/v1/batches/{id}/manifest.csv': file(
    'manifestCsv',
    'What became of every row; no cell is a live formula',
    'text/csv',
  ),
  '/v1/batches/{id}/errors.csv': file('batchErrors', 'Every error of every row that was not valid', 'text/csv'),
  '/v1/batches/{id}/archive.zip': file('batchArchive', 'Every image as KEY.ext, and the manifest', 'application/zip'),
};
