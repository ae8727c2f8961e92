import { AppError, isJobId, type Job, type Tenant } from '../domain/index.ts';
import type { Ledger, ObjectStore } from '../ports/index.ts';
import { readArchive } from './archive.ts';

/** The job, from Redis or from the archive. @throws AppError `not_found`, word for word the same for another tenant's id */
export async function getJob(deps: { ledger: Ledger; store: ObjectStore }, tenant: Tenant, id: string): Promise<Job> {
  const job = isJobId(id) ? await findJob(deps, tenant, id) : undefined;
  if (!job) throw new AppError('not_found', { message: 'There is no such job.', param: 'id' });
  return job;
}

export async function findJob(
  { ledger, store }: { ledger: Ledger; store: ObjectStore },
  tenant: Tenant,
  id: string,
): Promise<Job | undefined> {
  return (await ledger.read(tenant, id)) ?? (await readArchive(store, tenant, id))?.job;
}
