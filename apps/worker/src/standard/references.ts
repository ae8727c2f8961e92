import { buffer } from 'node:stream/consumers';
import { AppError, type JobRequest } from '@darkroom/shared/domain';
import type { Channel, ObjectStore, ReferenceInput } from '@darkroom/shared/ports';

/** What all reference images hold together. */
export function referenceBytes({ references }: JobRequest): number {
  return references.reduce((sum, { bytes }) => sum + bytes, 0);
}

/**
 * All reference images, in order: as bytes, or by their `gs://` address for a channel that fetches those itself.
 *
 * @throws AppError `storage_unavailable` when one cannot be read now
 */
export async function loadReferences(
  store: ObjectStore,
  { references }: JobRequest,
  { takesUris }: Pick<Channel, 'takesUris'>,
): Promise<ReferenceInput[]> {
  return Promise.all(
    references.map(async ({ key }) => {
      const uri = takesUris ? store.uri(key) : '';
      return uri.startsWith('gs://') ? { uri } : read(store, key);
    }),
  );
}

async function read(store: ObjectStore, key: string): Promise<Buffer> {
  const stream = await store.get(key);
  if (stream) return buffer(stream);
  throw new AppError('storage_unavailable', { message: `The reference ${key} is gone.`, retryable: true });
}
