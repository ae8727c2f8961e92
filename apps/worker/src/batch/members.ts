/** Whose lines a provider batch carries: on record while the chunk is open, at rest beside its results from then on. */

import { buffer } from 'node:stream/consumers';
import { AppError, type ProviderBatch, type ProviderBatchMember, providerBatchKey } from '@darkroom/shared/domain';
import type { BatchDeps } from './deps.ts';

/** Everything about a chunk that is worth keeping, as one document. */
export type ChunkRecord = { v: 1; providerBatch: ProviderBatch; members: ProviderBatchMember[] };

/**
 * The members of a chunk; of a stray, those of the chunk that it was made of.
 *
 * @throws AppError `storage_unavailable` when those of a chunk that is over cannot be read now
 */
export async function membersOf(
  { batches, store }: Pick<BatchDeps, 'batches' | 'store'>,
  { id, stray }: Pick<ProviderBatch, 'id' | 'stray'>,
): Promise<ProviderBatchMember[]> {
  const known = await batches.members(stray?.of ?? id);
  if (!stray || known.length) return known;
  const key = providerBatchKey(stray.of, 'record.json');
  const stream = await store.get(key);
  if (!stream) throw new AppError('storage_unavailable', { message: `${key} cannot be read.`, retryable: true });
  // Written by this program from this very type; the record is not an edge.
  return (JSON.parse((await buffer(stream)).toString()) as ChunkRecord).members;
}
