/** What bodies that broke off left in the object store. */

import { type BatchId, batchKey, shardKey, type Tenant } from '../domain/index.ts';
import type { Batches, Clock, Ingests, ObjectStore } from '../ports/index.ts';

export type SweepIngestsDeps = { batches: Batches; ingests: Ingests; store: ObjectStore; clock: Clock };

/** Ingests of one step. */
const STEP = 20;

/** Deletes what nobody will accept any more, and errors that have been there for long enough. @returns how many */
export async function sweepIngests(deps: SweepIngestsDeps, tenant: Tenant): Promise<number> {
  const { batches, ingests, clock } = deps;
  const ids = await ingests.condemned(tenant, clock.now(), STEP);
  for (const id of ids) {
    // Accepted after all, and only the note of it was left behind.
    if (await batches.read(tenant, id)) await ingests.forget(tenant, id);
    else await deleteIngest(deps, tenant, id);
  }
  return ids.length;
}

/**
 * Deletes the objects of an ingest, then the note of it. Safe to repeat.
 *
 * @param options `keepNote`: something else will be written under its name
 */
export async function deleteIngest(
  { ingests, store }: Pick<SweepIngestsDeps, 'ingests' | 'store'>,
  tenant: Tenant,
  id: BatchId,
  { keepNote = false } = {},
): Promise<void> {
  let shards = 0;
  while (await store.head(shardKey(id, shards))) shards++;
  // The last one first: what is left after a crash is found again by counting from the first.
  for (let n = shards - 1; n >= 0; n--) await store.delete(shardKey(id, n));
  await store.delete(batchKey(id, 'errors.csv'));
  if (!keepNote) await ingests.forget(tenant, id);
}
