/**
 * A batch, accepted in one streamed request of any length.
 *
 * Rows are checked and written to input shards in the object store while the body is still arriving; only when it has
 * come to its end, and is as good as the caller wants it, is the batch accepted, by one script. Whatever ends before
 * that leaves nothing but objects under `batches/BATCH/`, which were noted before the first of them was written: they
 * are deleted here when this process lives, and by `sweepIngests` when it does not.
 */

import {
  AppError,
  type Batch,
  type BatchId,
  batchKey,
  createSetCost,
  type EpochMs,
  LANES,
  type Lane,
  newBatch,
  type Reference,
  type Tenant,
} from '../domain/index.ts';
import { tellSpan, traceparent, withSpan } from '../observability/trace.ts';
import type { Templates } from '../ports/index.ts';
import type { BatchCheckView, BatchOptions, ReferenceBody } from '../schemas/index.ts';
import { checkWebhookUrl, type UrlCheck } from './check-webhook.ts';
import { createRowCheck } from './ingest/check-rows.ts';
import {
  type Accepted,
  beginIngest,
  type Idempotency,
  type Ingest,
  type IngestDeps,
  recallBatch,
} from './ingest/hold-ingest.ts';
import { createKinds, type Found, type PriceDeps, presentCheck, routeBatch } from './ingest/price-rows.ts';
import type { IncomingRow } from './ingest/read-rows.ts';
import { createReferenceCache } from './ingest/reference-cache.ts';
import { createRowErrors } from './ingest/row-errors.ts';
import { createShardWriter, type Shard } from './ingest/shards.ts';
import { ownWebhookOf } from './resolve-request.ts';
import type { Offering } from './resolve-routing.ts';
import { deleteIngest } from './sweep-ingests.ts';
import { findTemplate } from './templates.ts';

export type SubmitBatchDeps = IngestDeps &
  PriceDeps & {
    templates: Templates;
    channels: Offering;
    checkUrl: UrlCheck;
    resolveReferences: (tenant: Tenant, references: ReferenceBody[]) => Promise<Reference[]>;
  };

export type BatchSubmission = {
  tenant: Tenant;
  options: BatchOptions;
  /** Fields of a job that each row has unless it says otherwise, as the caller wrote them. */
  defaults: Record<string, unknown>;
  /** What is complete of the body so far, again and again until its end. */
  rows: AsyncIterable<IncomingRow[]>;
  idempotency?: Idempotency;
  /** Id of the key it came with, where that has bounds of its own: its rows stand in line with the key's other jobs. */
  key?: string;
};

export type BatchSubmitted = Accepted | { type: 'checked'; check: BatchCheckView };

/** What was wrong with a refused batch can be read for this long. */
const ERRORS_KEPT_MS = 86_400_000;
/** Without a deadline: provider batches may take two days, and what failed in one goes into another. */
const DEADLINE_MS = 3 * 86_400_000;
const DEADLINE_MAX_MS = 30 * 86_400_000;

/** What was found in the rows, and where the good ones lie. */
type Stored = Found & { id: BatchId; shards: Shard[] };

/**
 * @throws AppError `invalid_rows` when rows are bad and the caller wants all or nothing, or when none is good
 * @throws AppError `conflict` (retryable) while the same key's body is arriving on another connection
 */
export function submitBatch(deps: SubmitBatchDeps, submission: BatchSubmission): Promise<BatchSubmitted> {
  return withSpan('batch.admit', { facts: { 'darkroom.tenant': submission.tenant } }, async () => {
    const submitted = await submitOnce(deps, submission);
    if (submitted.type !== 'checked') {
      const { batch, replayed } = submitted;
      const { id, total, route } = batch;
      const facts = { 'darkroom.batch.id': id, 'darkroom.batch.rows': total, 'darkroom.lane': route.lane };
      tellSpan({ ...facts, 'darkroom.replayed': replayed || undefined });
    }
    return submitted;
  });
}

async function submitOnce(deps: SubmitBatchDeps, submission: BatchSubmission): Promise<BatchSubmitted> {
  const { options } = submission;
  expiresAt(options, deps.clock.now()); // Not after hours of rows.
  const checkWebhook = async () =>
    options.webhook && checkWebhookUrl(deps.checkUrl, options.webhook.url, 'webhook.url');
  if (options.dry_run) {
    await checkWebhook();
    const id = deps.newBatchId();
    return {
      type: 'checked',
      check: await presentCheck(deps, submission.tenant, options, await readRows(deps, submission, id)),
    };
  }
  const first = await recallBatch(deps, submission);
  if (first) return first;
  await checkWebhook();
  await using ingest = await beginIngest(deps, submission);
  const found = await readRows(deps, submission, ingest.id);
  if (found.errors.rows() && (options.on_invalid === 'reject' || found.valid === 0)) {
    throw await refuse(deps, submission.tenant, found, ingest);
  }
  if (found.valid === 0) throw new AppError('invalid_request', { message: 'The batch has no rows.' });
  const batch = await toBatch(deps, submission, found);
  if (found.errors.rows()) await putErrors(deps, submission.tenant, found);
  // Awaited here: the ingest is disposed of when this function is left.
  return await ingest.accept(batch);
}

/** Reads the body to its end. Memory holds a chunk's rows, two shards, and the keys. */
async function readRows(deps: SubmitBatchDeps, submission: BatchSubmission, id: BatchId): Promise<Stored> {
  const { tenant, options, defaults, rows } = submission;
  const errors = createRowErrors();
  await using shards = createShardWriter(deps.store, id);
  const check = createRowCheck(
    {
      references: createReferenceCache(async (reference) => {
        const [image] = await deps.resolveReferences(tenant, [reference]);
        if (!image) throw new Error('a reference came to nothing');
        return image;
      }),
      channels: deps.channels,
      findTemplate: (name) => findTemplate(deps.templates, tenant, name),
    },
    {
      defaults,
      priority: options.priority,
      lane: options.lane === 'standard' ? 'standard' : 'batch',
      locales: options.locales,
    },
  );
  const costs = createSetCost(options.canary);
  const kinds = createKinds();
  let offered: readonly Lane[] = LANES;
  let valid = 0;
  for await (const incoming of rows) {
    for (const one of await check.take(incoming)) {
      if (Array.isArray(one)) {
        errors.add(one);
        continue;
      }
      valid++;
      kinds.add(one.row.request);
      offered = offered.filter((lane) => one.lanes.includes(lane));
      costs.add(one.cost);
      if (options.dry_run || (options.on_invalid === 'reject' && errors.rows())) continue;
      const full = shards.add(one.row);
      if (full) await full;
    }
  }
  const stored = await shards.end();
  return { id, valid, errors, cost: costs.sum(), offered, kinds: kinds.all(), shards: stored };
}

async function toBatch(deps: SubmitBatchDeps, submission: BatchSubmission, found: Stored): Promise<Batch> {
  const { options, tenant, key } = submission;
  const now = deps.clock.now();
  const { cap, ...route } = await routeBatch(deps, tenant, options, found);
  const trace = traceparent();
  return newBatch({
    id: found.id,
    tenant,
    ...(options.name && { name: options.name }),
    createdAt: now,
    expiresAt: expiresAt(options, now),
    total: found.valid,
    invalid: found.errors.rows(),
    shards: found.shards,
    estimated: found.cost[route.lane],
    ...(cap !== undefined && { maxCost: cap }),
    priority: options.priority,
    route,
    ...(options.canary !== undefined && { canaryRows: options.canary }),
    metadata: options.metadata,
    tags: options.tags,
    ...ownWebhookOf(options.webhook),
    ...(key && { key }),
    ...(trace && { trace }),
  });
}

/** @throws AppError `invalid_request` for a deadline that no job may have */
function expiresAt({ deadline }: BatchOptions, now: EpochMs): EpochMs {
  const at = deadline ?? now + DEADLINE_MS;
  if (at > now && at <= now + DEADLINE_MAX_MS) return at;
  throw new AppError('invalid_request', {
    message: 'deadline must lie in the future, at most 30 days ahead.',
    param: 'deadline',
    fix: 'Send a later time, with its time zone.',
  });
}

async function putErrors({ store }: SubmitBatchDeps, tenant: Tenant, { id, errors }: Stored): Promise<void> {
  await store.put(batchKey(id, 'errors.csv'), errors.csv(), { contentType: 'text/csv', custom: { tenant } });
}

async function refuse(deps: SubmitBatchDeps, tenant: Tenant, found: Stored, ingest: Ingest): Promise<AppError> {
  const { id, valid, errors } = found;
  const until = deps.clock.now() + ERRORS_KEPT_MS;
  await deleteIngest(deps, tenant, id, { keepNote: true });
  await putErrors(deps, tenant, found);
  await ingest.leave(until);
  const count = errors.rows();
  return new AppError('invalid_rows', {
    message: `${count} of ${valid + count} rows ${count === 1 ? 'is' : 'are'} not valid; nothing was enqueued.`,
    fix: valid
      ? 'Correct them, or leave them out by on_invalid=skip.'
      : 'Correct the fields named in errors; see /openapi.json for every field.',
    errors: errors.first(),
    extensions: {
      counts: { rows: valid + count, valid, invalid: count },
      errors_url: `/v1/batches/${id}/errors.csv`,
    },
  });
}
