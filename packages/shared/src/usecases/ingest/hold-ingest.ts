/** What holds a batch together while its body arrives: its key, the note of its objects, and its end. */

import { AppError, type Batch, type BatchId, type EpochMs, type Tenant } from '../../domain/index.ts';
import type { Batches, Clock, Ingests, ObjectStore } from '../../ports/index.ts';
import { getBatch } from '../get-batch.ts';
import { deleteIngest } from '../sweep-ingests.ts';

export type IngestDeps = {
  batches: Batches;
  ingests: Ingests;
  store: ObjectStore;
  clock: Clock;
  newBatchId: () => BatchId;
};

/** Digest of the key, and of body and options once the body has come to its end. */
export type Idempotency = { key: string; bodyHash: () => string };

export type Accepted = { type: 'accepted'; batch: Batch; replayed: boolean };

/** A note of an ingest holds for this long, and is renewed while the body arrives. */
const NOTE_MS = 600_000;
const RENEW_MS = 60_000;

/**
 * What the same key was used for before, known by the body to its end. Before the rows are looked into again: a deadline
 * may have passed since, or an image gone.
 */
export async function recallBatch(
  deps: IngestDeps,
  { tenant, idempotency, rows }: { tenant: Tenant; idempotency?: Idempotency; rows: AsyncIterable<unknown> },
): Promise<Accepted | undefined> {
  const used = idempotency && (await deps.ingests.recall(tenant, idempotency.key));
  if (!used) return undefined;
  for await (const _ of rows);
  if (used.bodyHash !== idempotency.bodyHash()) throw reused();
  return replay(deps, tenant, used.id);
}

async function replay(deps: IngestDeps, tenant: Tenant, id: BatchId): Promise<Accepted> {
  const { batch } = await getBatch(deps, tenant, id);
  return { type: 'accepted', batch, replayed: true };
}

export type Ingest = {
  id: BatchId;
  accept(batch: Batch): Promise<Accepted>;
  /** Keeps what is stored until then, for the caller to read. */
  leave(until: EpochMs): Promise<void>;
} & AsyncDisposable;

/** Disposed of, it deletes what it wrote, unless it was accepted or left. */
export async function beginIngest(
  deps: IngestDeps,
  { tenant, idempotency }: { tenant: Tenant; idempotency?: Idempotency },
): Promise<Ingest> {
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
      // Until the answer says otherwise: one that is lost may have been a yes, and the sweeper asks the record.
      left = true;
      const admission = await batches.accept(
        batch,
        idempotency && { key: idempotency.key, bodyHash: idempotency.bodyHash(), owner: id },
      );
      // Sent twice, with a step of the batch in between, it is told of itself: the batch is ours all the same.
      if (admission.type === 'created' || (admission.type === 'replayed' && admission.id === id)) {
        await ingests.forget(tenant, id).catch(() => undefined); // Found out by the sweeper too.
        return { type: 'accepted', batch, replayed: false };
      }
      left = false;
      switch (admission.type) {
        case 'replayed':
          return replay(deps, tenant, admission.id);
        case 'reused':
          throw reused();
        case 'busy':
          throw stillArriving();
      }
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
