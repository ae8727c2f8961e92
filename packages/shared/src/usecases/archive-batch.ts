import { buffer } from 'node:stream/consumers';
import {
  AppError,
  type Batch,
  type BatchId,
  type BatchTotals,
  batchKey,
  isBatchOver,
  type Tenant,
} from '../domain/index.ts';
import type { Batches, ObjectStore } from '../ports/index.ts';

/** A batch that is over as it rests in the object store. */
type ArchivedBatch = { v: 1; batch: Batch; totals: BatchTotals };

/**
 * Moves a batch that is over out of Redis: document first, record after. Safe to repeat.
 *
 * A document of an older version is there when the batch went on after a crash between the two; it is replaced, which no
 * reader sees, since the record is read first. @returns false when it is not over, or changed meanwhile
 */
export async function archiveBatch(
  { batches, store }: { batches: Batches; store: ObjectStore },
  tenant: Tenant,
  id: BatchId,
): Promise<boolean> {
  const batch = await batches.read(tenant, id);
  if (!batch || !isBatchOver(batch.status)) return false;
  const document: ArchivedBatch = { v: 1, batch, totals: await batches.totals(tenant, id) };
  const key = documentKey(id);
  const put = () => store.put(key, Buffer.from(JSON.stringify(document)), { contentType: 'application/json' });
  await put().catch(async (error: unknown) => {
    if (!(error instanceof AppError) || error.code !== 'object_conflict') throw error;
    await store.delete(key);
    await put();
  });
  return batches.forget(batch);
}

/** A batch that left Redis; `undefined` when there never was one, or it is another tenant's. */
export async function readBatchArchive(
  store: ObjectStore,
  tenant: Tenant,
  id: BatchId,
): Promise<ArchivedBatch | undefined> {
  const stream = await store.get(documentKey(id));
  if (!stream) return undefined;
  const document = JSON.parse((await buffer(stream)).toString()) as ArchivedBatch;
  return document.batch.tenant === tenant ? document : undefined;
}

function documentKey(id: BatchId): string {
  return batchKey(id, 'batch.json');
}
