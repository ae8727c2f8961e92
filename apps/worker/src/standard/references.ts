import { buffer } from 'node:stream/consumers';
import type { JobError, JobRequest } from '@darkroom/shared/domain';
import type { Channel, ObjectStore, ReferenceInput } from '@darkroom/shared/ports';

/** What all reference images hold together. */
export function referenceBytes({ references }: JobRequest): number {
  return references.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** `gone` = one of them is in the store no more, and no later try will find it. */
export type LoadedReferences = { type: 'loaded'; inputs: ReferenceInput[] } | { type: 'gone'; error: JobError };

/**
 * All reference images, in order: as bytes, or by their `gs://` address for a channel that fetches those itself.
 *
 * @throws AppError `storage_unavailable` when one cannot be read now
 */
export async function loadReferences(
  store: ObjectStore,
  { references }: JobRequest,
  { takesUris }: Pick<Channel, 'takesUris'>,
): Promise<LoadedReferences> {
  const inputs = await Promise.all(
    references.map(async ({ key }) => {
      const uri = takesUris ? store.uri(key) : '';
      return uri.startsWith('gs://') ? { uri } : read(store, key);
    }),
  );
  const there = inputs.filter((input) => input !== undefined);
  if (there.length === inputs.length) return { type: 'loaded', inputs: there };
  return { type: 'gone', error: goneError(inputs.indexOf(undefined)) };
}

async function read(store: ObjectStore, key: string): Promise<Buffer | undefined> {
  const stream = await store.get(key);
  return stream && buffer(stream);
}

function goneError(index: number): JobError {
  return {
    code: 'not_found',
    detail: `The image of references[${index}] was deleted from the store; send the job anew with the image.`,
  };
}
