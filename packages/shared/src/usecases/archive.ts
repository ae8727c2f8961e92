import { buffer } from 'node:stream/consumers';
import { AppError, type Job, type JobId, jobFolder, type Tenant } from '../domain/index.ts';
import type { Ledger, ObjectStore } from '../ports/index.ts';

/** A finished job as it rests in the object store. */
type Archived = { v: 1; job: Job; bodyHash: string };

function archiveKey(tenant: Tenant, id: JobId): string {
  return `jobs/${jobFolder(tenant, id)}.json`;
}

/**
 * Moves a finished job out of Redis: document first, record after. Safe to repeat; a document that is there already
 * with other bytes was written from an older version, and is the one thing in the store that is ever replaced.
 */
export async function archiveJob(deps: { ledger: Ledger; store: ObjectStore }, job: Job): Promise<void> {
  const { ledger, store } = deps;
  const key = archiveKey(job.tenant, job.id);
  const document: Archived = { v: 1, job, bodyHash: (await ledger.bodyHash(job.tenant, job.id)) ?? '' };
  const body = Buffer.from(JSON.stringify(document));
  const put = () => store.put(key, body, { contentType: 'application/json' });
  await put().catch(async (error: unknown) => {
    if (!(error instanceof AppError) || error.code !== 'object_conflict') throw error;
    await store.delete(key);
    await put();
  });
  await ledger.forget(job);
}

/** A job that left Redis; `undefined` when there never was one, or it is another tenant's. */
export async function readArchive(store: ObjectStore, tenant: Tenant, id: JobId): Promise<Archived | undefined> {
  const stream = await store.get(archiveKey(tenant, id));
  if (!stream) return undefined;
  const document = JSON.parse((await buffer(stream)).toString()) as Archived;
  return document.job.tenant === tenant ? document : undefined;
}
