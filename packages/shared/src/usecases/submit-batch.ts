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
  chooseLane,
  type EpochMs,
  formatMicros,
  LANES,
  type Lane,
  type Micros,
  newBatch,
  type Reference,
  type Tenant,
} from '../domain/index.ts';
import type { Batches, Clock, Ingests, ObjectStore, Templates } from '../ports/index.ts';
import type { BatchCheckView, BatchOptions, ReferenceBody } from '../schemas/index.ts';
import { createRowCheck } from './ingest/check-rows.ts';
import type { IncomingRow } from './ingest/read-rows.ts';
import { createReferenceCache } from './ingest/reference-cache.ts';
import { createRowErrors, type RowErrors } from './ingest/row-errors.ts';
import { createShardWriter, type Shard } from './ingest/shards.ts';
import { deleteIngest } from './sweep-ingests.ts';
import { findTemplate } from './templates.ts';

export type SubmitBatchDeps = {
  batches: Batches;
  ingests: Ingests;
  store: ObjectStore;
  templates: Templates;
  clock: Clock;
  newBatchId: () => BatchId;
  resolveReferences: (tenant: Tenant, references: ReferenceBody[]) => Promise<Reference[]>;
};

export type BatchSubmission = {
  tenant: Tenant;
  options: BatchOptions;
  /** Fields of a job that each row has unless it says otherwise, as the caller wrote them. */
  defaults: Record<string, unknown>;
  /** What is complete of the body so far, again and again until its end. */
  rows: AsyncIterable<IncomingRow[]>;
  /** Digest of the key, and of body and options once the body has come to its end. */
  idempotency?: { key: string; bodyHash: () => string };
};

export type BatchSubmitted =
  | { type: 'accepted'; batch: Batch; replayed: boolean }
  | { type: 'checked'; check: BatchCheckView };

/** A note of an ingest holds for this long, and is renewed while the body arrives. */
const NOTE_MS = 600_000;
const RENEW_MS = 60_000;
/** What was wrong with a refused batch can be read for this long. */
const ERRORS_KEPT_MS = 86_400_000;
/** Without a deadline: provider batches may take two days, and what failed in one goes into another. */
const DEADLINE_MS = 3 * 86_400_000;
const DEADLINE_MAX_MS = 30 * 86_400_000;

/** What was found in the rows. */
type Found = { id: BatchId; valid: number; errors: RowErrors; cost: Record<Lane, Micros>; shards: Shard[] };

/**
 * @throws AppError `invalid_rows` when rows are bad and the caller wants all or nothing, or when none is good
 * @throws AppError `conflict` (retryable) while the same key's body is arriving on another connection
 */
export async function submitBatch(deps: SubmitBatchDeps, submission: BatchSubmission): Promise<BatchSubmitted> {
  const { options } = submission;
  expiresAt(options, deps.clock.now()); // Not after hours of rows.
  if (options.dry_run) {
    const id = deps.newBatchId();
    return { type: 'checked', check: present(await readRows(deps, submission, id), options, deps.clock.now()) };
  }
  const first = await recall(deps, submission);
  if (first) return first;
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

/**
 * What the same key was used for before, known by the body to its end. Before the rows are looked into again: a deadline
 * may have passed since, or an image gone.
 */
async function recall(deps: SubmitBatchDeps, submission: BatchSubmission): Promise<BatchSubmitted | undefined> {
  const { tenant, idempotency, rows } = submission;
  const used = idempotency && (await deps.ingests.recall(tenant, idempotency.key));
  if (!used) return undefined;
  for await (const _ of rows);
  const batch = used.bodyHash === idempotency.bodyHash() ? await deps.batches.read(tenant, used.id) : undefined;
  if (!batch) throw reused();
  return { type: 'accepted', batch, replayed: true };
}

type Ingest = {
  id: BatchId;
  accept(batch: Batch): Promise<BatchSubmitted>;
  /** Keeps what is stored until then, for the caller to read. */
  leave(until: EpochMs): Promise<void>;
} & AsyncDisposable;

/** Disposed of, it deletes what it wrote, unless it was accepted or left. */
async function beginIngest(deps: SubmitBatchDeps, { tenant, idempotency }: BatchSubmission): Promise<Ingest> {
  const { batches, ingests, clock } = deps;
  const id = deps.newBatchId();
  const hold = async (): Promise<boolean> =>
    !idempotency || (await batches.reserve(tenant, idempotency.key, id, 2 * RENEW_MS)) === 'reserved';
  // Used since it was asked: whoever comes again is told of the batch.
  if (!(await hold())) throw stillArriving();
  await ingests.begin(tenant, id, clock.now() + NOTE_MS);
  const renew = () => Promise.all([hold(), ingests.keep(tenant, id, clock.now() + NOTE_MS)]).catch(() => undefined);
  const timer = setInterval(() => void renew(), RENEW_MS);
  timer.unref();
  let left = false;
  return {
    id,
    accept: async (batch) => {
      if (!(await ingests.keep(tenant, id, clock.now() + NOTE_MS))) throw interrupted();
      const admission = await batches.accept(
        batch,
        idempotency && { key: idempotency.key, bodyHash: idempotency.bodyHash(), owner: id },
      );
      if (admission.type === 'busy') throw stillArriving();
      if (admission.type === 'reused') throw reused();
      if (admission.type === 'created') {
        left = true;
        await ingests.forget(tenant, id).catch(() => undefined); // Found out by the sweeper too.
        return { type: 'accepted', batch, replayed: false };
      }
      const first = await batches.read(tenant, admission.id);
      if (!first) throw reused();
      return { type: 'accepted', batch: first, replayed: true };
    },
    leave: async (until) => {
      left = await ingests.keep(tenant, id, until);
    },
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      // Best effort: the note stays until all of it is done, and the sweeper finds it.
      if (!left) await deleteIngest(deps, tenant, id).catch(() => undefined);
      if (idempotency) await batches.release(tenant, idempotency.key, id).catch(() => undefined);
    },
  };
}

/** Reads the body to its end. Memory holds a chunk's rows, two shards, and the keys. */
async function readRows(deps: SubmitBatchDeps, submission: BatchSubmission, id: BatchId): Promise<Found> {
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
      findTemplate: (name) => findTemplate(deps.templates, tenant, name),
    },
    {
      defaults,
      priority: options.priority,
      lane: options.lane === 'standard' ? 'standard' : 'batch',
      locales: options.locales,
    },
  );
  const cost = { standard: 0, batch: 0 };
  let valid = 0;
  for await (const incoming of rows) {
    for (const one of await check.take(incoming)) {
      if (Array.isArray(one)) {
        errors.add(one);
        continue;
      }
      valid++;
      cost.standard += one.cost.standard;
      cost.batch += one.cost.batch;
      if (options.dry_run || (options.on_invalid === 'reject' && errors.rows())) continue;
      const full = shards.add(one.row);
      if (full) await full;
    }
  }
  const stored = await shards.end();
  return { id, valid, errors, cost, shards: stored };
}

async function toBatch(deps: SubmitBatchDeps, submission: BatchSubmission, found: Found): Promise<Batch> {
  const { options, tenant } = submission;
  const now = deps.clock.now();
  const route = routeOf(options, found, now);
  if (route.type !== 'lane') throw route.type === 'dear' ? tooDear(options, found) : notOffered(options);
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
    ...(options.max_cost !== undefined && { maxCost: options.max_cost }),
    priority: options.priority,
    route: { lane: route.lane, reason: route.reason },
    ...(options.canary !== undefined && { canaryRows: options.canary }),
    metadata: options.metadata,
    tags: options.tags,
  });
}

function routeOf({ lane, deadline, max_cost }: BatchOptions, { valid, cost }: Found, now: EpochMs) {
  return chooseLane({
    asked: lane,
    offered: LANES,
    cost: (one) => cost[one],
    ...(max_cost !== undefined && { maxCost: max_cost }),
    ...(deadline !== undefined && { deadline }),
    now,
    p95Ms: (one) => P95_MS[one],
    set: valid,
  });
}

/** How long a lane takes until it has been measured. */
const P95_MS: Record<Lane, number> = { standard: 600_000, batch: 86_400_000 };

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

function present(found: Found, options: BatchOptions, now: EpochMs): BatchCheckView {
  const { valid, errors, cost } = found;
  const route = routeOf(options, found, now);
  return {
    dry_run: true,
    counts: { rows: valid + errors.rows(), valid, invalid: errors.rows() },
    ...(route.type === 'lane' && { lane: route.lane }),
    route: route.type === 'lane' ? route.reason : route.type === 'dear' ? 'max_cost is too low' : 'lane is not offered',
    cost: { standard: formatMicros(cost.standard), batch: formatMicros(cost.batch) },
    currency: 'USD',
    errors: errors.first(),
  };
}

async function putErrors({ store }: SubmitBatchDeps, tenant: Tenant, { id, errors }: Found): Promise<void> {
  await store.put(batchKey(id, 'errors.csv'), errors.csv(), { contentType: 'text/csv', custom: { tenant } });
}

async function refuse(deps: SubmitBatchDeps, tenant: Tenant, found: Found, ingest: Ingest): Promise<AppError> {
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

function tooDear({ max_cost = 0, lane }: BatchOptions, { cost, valid }: Found): AppError {
  const least = lane === 'auto' ? Math.min(cost.standard, cost.batch) : cost[lane];
  return new AppError('max_cost_exceeded', {
    message: `max_cost is ${formatMicros(max_cost)}, but ${valid} rows are estimated at ${formatMicros(least)}.`,
    param: 'max_cost',
    fix: 'Raise max_cost, or choose a smaller size or another model.',
  });
}

function notOffered({ lane }: BatchOptions): AppError {
  return new AppError('invalid_request', {
    message: `lane "${lane}" is not offered for these rows.`,
    param: 'lane',
    fix: 'Use "auto".',
  });
}

function stillArriving(): AppError {
  return new AppError('conflict', {
    message: 'A batch under this Idempotency-Key is still arriving on another connection.',
    param: 'Idempotency-Key',
    retryable: true,
    retryAfterMs: 5_000,
    fix: 'Wait as long as Retry-After says, then send it again with the same key.',
  });
}

function reused(): AppError {
  return new AppError('idempotency_key_reused', {
    message: 'This Idempotency-Key was used before with another body.',
    param: 'Idempotency-Key',
    fix: 'Send the first body with the same options again, or choose a new key.',
  });
}

/** The process stood still for so long that what it wrote was given up. */
function interrupted(): AppError {
  return new AppError('not_ready', {
    message: 'The batch took too long to be accepted here; nothing of it was kept.',
    retryable: true,
    retryAfterMs: 1_000,
  });
}
