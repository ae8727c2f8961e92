import { hash } from 'node:crypto';
import { AppError, imageKey, type Job, modelById, type StoredImage, thumbnailKey } from '@darkroom/shared/domain';
import { drawPlaceholder, makeThumbnail } from '@darkroom/shared/images';
import { describeError } from '@darkroom/shared/observability';
import type { WorkerMetrics } from '../metrics.ts';
import type { AttemptDeps } from './deps.ts';

type PlaceholderDeps = Pick<AttemptDeps, 'store' | 'log'> & { metrics?: Pick<WorkerMetrics, 'placeholderMade'> };

/** A labelled image in place of one that nobody made, stored as any other, with its small copy; `undefined` when the store does not take it now. */
export async function makePlaceholder(
  { store, log, metrics }: PlaceholderDeps,
  { id, tenant, request, state }: Job,
): Promise<StoredImage | undefined> {
  const { bytes, width, height } = await drawPlaceholder(
    request.aspectRatio ?? modelById(request.model).aspectRatios[0],
  );
  const sha256 = hash('sha256', bytes);
  const n = state.images.length + state.lateImages.length;
  const key = imageKey(tenant, id, { n, sha256, mime: 'image/png' });
  try {
    await store.put(key, bytes, { contentType: 'image/png', custom: { job: id, tenant, sha256, placeholder: 'true' } });
    const small = await makeThumbnail(bytes);
    const custom = { width: String(small.width), height: String(small.height) };
    await store.put(thumbnailKey(key), small.bytes, { contentType: 'image/webp', custom });
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    log.warn({ job: id, ...describeError(error) }, 'placeholder.not_stored');
    return undefined;
  }
  metrics?.placeholderMade(request.model);
  return { n, key, mime: 'image/png', width, height, bytes: bytes.length, sha256, placeholder: true };
}
