import { buffer } from 'node:stream/consumers';
import { AppError, archiveKey, type Job, type JobId, type Tenant } from '../domain/index.ts';
import type { Ledger, ObjectStore } from '../ports/index.ts';

/** A finished job as it rests in the object store. */
type Archived = { v: 1; job: Job; bodyHash: string };

/**
 * Moves a finished job out of Redis: document first, record after. Safe to repeat.
 *
 * @returns `false` when it is not over yet, and nothing was written: a call is out, or twins wait for its end
 */
export async function archiveJob(deps: { ledger: Ledger; store: ObjectStore }, job: Job): Promise<boolean> {
  const { ledger, store } = deps;
  if (job.state.open || (await ledger.followers(job.tenant, job.id, 1)).length) return false;
  await putDocument(store, { v: 1, job, bodyHash: (await ledger.bodyHash(job.tenant, job.id)) ?? '' });
  await ledger.forget(job);
  return true;
}

/**
 * A document of an older version is the one thing in the store that is ever replaced. It is there only if the record
 * changed between its document and its end in Redis. A store that replaces needs the right to delete
 * (`storage.objects.delete`); without it such a job stays in Redis, and nothing is lost.
 *
 * A crash between the two steps leaves the record, which is read first and writes the document again.
 */
async function putDocument(store: ObjectStore, document: Archived): Promise<void> {
  const { tenant, id, version } = document.job;
  const key = archiveKey(tenant, id);
  const body = Buffer.from(JSON.stringify(document));
  const put = () => store.put(key, body, { contentType: 'application/json' });
  await put().catch(async (error: unknown) => {
    if (!(error instanceof AppError) || error.code !== 'object_conflict') throw error;
    const stored = await readArchive(store, tenant, id);
    if (!stored) throw error; // Another tenant's.
    if (stored.job.version >= version) return;
    await store.delete(key);
    await put();
  });
}

/** A job that left Redis; `undefined` when there never was one, or it is another tenant's. */
export async function readArchive(store: ObjectStore, tenant: Tenant, id: JobId): Promise<Archived | undefined> {
  const stream = await store.get(archiveKey(tenant, id));
  if (!stream) return undefined;
  const document = JSON.parse((await buffer(stream)).toString()) as Archived;
  return document.job.tenant === tenant && document.job.id === id ? document : undefined;
}
