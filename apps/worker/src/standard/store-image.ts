import { setTimeout as sleep } from 'node:timers/promises';
import { AppError, backoffDelay, type Job, type SpooledBlob, type StoredImage } from '@darkroom/shared/domain';
import { makeThumbnail, probeFile } from '@darkroom/shared/images';
import { describeError } from '@darkroom/shared/observability';
import { imageKey, thumbnailKey } from '@darkroom/shared/usecases';
import type { AttemptDeps } from './deps.ts';

/** Above the largest panorama a model makes. */
const PIXELS_MAX = 100_000_000;
const TRIES_DRAINING = 3;

type Stored = { type: 'stored'; image: StoredImage } | { type: 'unusable' } | 'stopped';

/**
 * Brings a spooled image into the object store, however long the store is away; the image is never made again.
 *
 * @returns `unusable` when the bytes are no image, `stopped` when the process must end first
 */
export async function storeImage(deps: AttemptDeps, job: Job, blob: SpooledBlob): Promise<Stored> {
  const facts = await probeFile(blob.path, { maxPixels: PIXELS_MAX }).catch(asUndefined);
  if (!facts) return { type: 'unusable' };
  const { mime, width, height } = facts;
  const n = job.state.images.length + job.state.lateImages.length;
  let key = imageKey(job.tenant, job.id, { n, sha256: blob.sha256, mime });
  const custom = { job: job.id, tenant: job.tenant, fingerprint: job.fingerprint, sha256: blob.sha256 };
  for (let tries = 1; ; tries++) {
    try {
      await deps.store.put(
        key,
        { path: blob.path, bytes: blob.bytes },
        { contentType: mime, custom, crc32c: blob.crc32c },
      );
      return { type: 'stored', image: { n, key, mime, width, height, bytes: blob.bytes, sha256: blob.sha256 } };
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      if (error.code === 'object_conflict' && !key.includes(blob.sha256)) {
        // The name holds other bytes: something is wrong there, but these bytes are paid. Their full hash names only them.
        deps.log.error({ job: job.id, tenant: job.tenant, key }, 'store.conflict');
        key = key.replace(blob.sha256.slice(0, 8), blob.sha256);
        continue;
      }
      if (!error.retryable) throw error;
      deps.log.warn({ job: job.id, tenant: job.tenant, tries, ...describeError(error) }, 'store.away');
      // A process that is told to end does not wait for a store that is away: the next one goes on from the spool.
      if (deps.draining.aborted && tries >= TRIES_DRAINING) return 'stopped';
      const pauseMs = 500 + backoffDelay(tries, deps.random);
      await sleep(pauseMs, undefined, { signal: deps.draining }).catch(() => undefined);
    }
  }
}

/** The small copy, made when the job is settled already: a failure costs nobody anything but the small copy. */
export async function storeThumbnail(deps: AttemptDeps, blob: SpooledBlob, image: StoredImage): Promise<void> {
  try {
    const { bytes, width, height } = await makeThumbnail(blob.path);
    const custom = { width: String(width), height: String(height) };
    await deps.store.put(thumbnailKey(image.key), bytes, { contentType: 'image/webp', custom });
  } catch (error) {
    deps.log.warn({ key: image.key, ...describeError(error) }, 'thumbnail.failed');
  }
}

function asUndefined(error: unknown): undefined {
  if (!(error instanceof AppError)) throw error;
  return undefined;
}
