import { archiveKey, type Job } from '@darkroom/shared/domain';
import type { ObjectStore } from '@darkroom/shared/ports';
import { createGcsStore } from '@darkroom/shared/storage/gcs';
import { archiveJob, cancelJob, readArchive } from '@darkroom/shared/usecases';
import { describe, expect, it } from 'vitest';
import { type Fault, startGcsEmulator } from '../support/gcs-emulator/index.ts';
import { TENANT } from '../support/ledger.ts';
import { openTestUsecases, type TestUsecases } from '../support/usecases.ts';

const REFUSED: Fault = { type: 'status', status: 403, on: ({ method }) => method === 'DELETE' };

/** A bucket in which nobody may delete. */
async function openBucket() {
  const emulator = await startGcsEmulator({ buckets: ['images'] });
  emulator.faults.push(REFUSED);
  const store = createGcsStore({ bucket: 'images', prefix: '', apiEndpoint: emulator.url });
  return { emulator, store, [Symbol.asyncDispose]: () => emulator.close() };
}

/** A job that has ended. */
async function ended(test: TestUsecases) {
  const { job } = await test.submit({ prompt: 'a red mug' });
  return cancelJob(test.deps, TENANT, job.id);
}

async function putDocument(store: ObjectStore, document: { v: 1; job: Job; bodyHash: string }): Promise<void> {
  const key = archiveKey(TENANT, document.job.id);
  await store.put(key, Buffer.from(JSON.stringify(document)), { contentType: 'application/json' });
}

describe('a bucket in which Darkroom may create and read, and not delete', () => {
  it('takes finished jobs out of Redis', async () => {
    await using bucket = await openBucket();
    await using test = await openTestUsecases();
    const job = await ended(test);

    expect(await archiveJob({ ledger: test.ledger, store: bucket.store }, job)).toBe(true);

    expect(await test.ledger.read(TENANT, job.id)).toBeUndefined();
    expect(await readArchive(bucket.store, TENANT, job.id)).toMatchObject({ job });
    expect(bucket.emulator.journal.map(({ method }) => method)).toEqual(['POST', 'GET']);
  });

  it('leaves a job in Redis whose document there is of an older version', async () => {
    await using bucket = await openBucket();
    await using test = await openTestUsecases();
    const job = await ended(test);
    await putDocument(bucket.store, { v: 1, job: { ...job, version: 1 }, bodyHash: '' });

    const archived = archiveJob({ ledger: test.ledger, store: bucket.store }, job);

    await expect(archived).rejects.toMatchObject({ code: 'storage_unavailable', retryable: true });
    expect(await test.ledger.read(TENANT, job.id)).toEqual(job);
    expect(await archiveJob({ ledger: test.ledger, store: bucket.store }, job)).toBe(true); // The right was given.
    expect(await readArchive(bucket.store, TENANT, job.id)).toMatchObject({ job: { version: job.version } });
  });
});
