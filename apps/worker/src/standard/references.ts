import { buffer } from 'node:stream/consumers';
import { AppError, type JobRequest } from '@darkroom/shared/domain';
import type { ObjectStore } from '@darkroom/shared/ports';

/** What all reference images hold together. */
export function referenceBytes({ references }: JobRequest): number {
  return references.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** The bytes of all reference images, in order. @throws AppError `storage_unavailable` when one cannot be read now */
export async function loadReferences(store: ObjectStore, { references }: JobRequest): Promise<Buffer[]> {
  return Promise.all(
    references.map(async ({ key }) => {
      const stream = await store.get(key);
      if (!stream)
        throw new AppError('storage_unavailable', { message: `The reference ${key} is gone.`, retryable: true });
      return buffer(stream);
    }),
  );
}
