import { setTimeout as sleep } from 'node:timers/promises';
import {
  AppError,
  backoffDelay,
  imageKey,
  type Job,
  type SpooledBlob,
  type StoredImage,
  thumbnailKey,
} from '@darkroom/shared/domain';
import { type ImageFacts, makeThumbnail, probeFile } from '@darkroom/shared/images';
import { describeError } from '@darkroom/shared/observability';
import type { AttemptDeps } from './deps.ts';

export type StoreDeps = Pick<AttemptDeps, 'store' | 'log' | 'random' | 'draining'>;

/** Above the largest panorama a model makes. */
const PIXELS_MAX = 100_000_000;
const TRIES_DRAINING = 3;

type Stored = { type: 'stored'; image: StoredImage } | { type: 'unusable' } | 'stopped';
type Owner = { job: string; tenant: string };
/** What an image at rest tells of itself. */
type ImageOwner = Owner & { fingerprint?: string };

/**
 * Brings a spooled image into the object store, however long the store is away; the image is never made again.
 *
 * @returns `unusable` when the bytes are no image, `stopped` when the process must end first
 */
export async function storeImage(deps: StoreDeps, job: Job, blob: SpooledBlob): Promise<Stored> {
  const { images, lateImages } = job.state;
  // After a crash behind the settling it is on the record already, under the number it had then.
  const recorded = [...images, ...lateImages].find(({ sha256 }) => sha256 === blob.sha256);
  if (recorded) return { type: 'stored', image: recorded };
  const { id, tenant, fingerprint } = job;
  return putImage(deps, { job: id, tenant, fingerprint }, images.length + lateImages.length, blob);
}

/** Brings it there as image `n` of `owner`, whether there is a record of that or not. @see storeImage */
export async function putImage(deps: StoreDeps, owner: ImageOwner, n: number, blob: SpooledBlob): Promise<Stored> {
  const facts = factsOf(blob);
  if (!facts) return { type: 'unusable' };
  const { mime, width, height } = facts;
  const { sha256, bytes, crc32c, path } = blob;
  const custom = { ...owner, sha256 };
  const put = (key: string) =>
    insist(deps, owner, () => deps.store.put(key, { path, bytes }, { contentType: mime, custom, crc32c }));
  const key = imageKey(owner.tenant, owner.job, { n, sha256, mime });
  const image = { n, mime, width, height, bytes, sha256 };
  try {
    return (await put(key)) ? { type: 'stored', image: { ...image, key } } : 'stopped';
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'object_conflict') throw error;
    // The name holds other bytes: something is wrong there, but these bytes are paid. Their full hash names only them.
    deps.log.error({ ...owner, key }, 'store.conflict');
    const whole = key.replace(sha256.slice(0, 8), sha256);
    return (await put(whole)) ? { type: 'stored', image: { ...image, key: whole } } : 'stopped';
  }
}

/**
 * Makes and stores the small copy, when the job is settled already: a failure costs nobody anything but the small copy.
 *
 * @returns `stopped` when the process must end first, and the next one is to make it
 */
export async function storeThumbnail(
  deps: StoreDeps,
  owner: Owner,
  blob: Pick<SpooledBlob, 'path'>,
  image: StoredImage,
): Promise<'done' | 'stopped'> {
  try {
    const { bytes, width, height } = await makeThumbnail(blob.path);
    const options = { contentType: 'image/webp', custom: { width: String(width), height: String(height) } };
    const put = () => deps.store.put(thumbnailKey(image.key), bytes, options);
    return (await insist(deps, owner, put)) ? 'done' : 'stopped';
  } catch (error) {
    deps.log.warn({ ...owner, key: image.key, ...describeError(error) }, 'thumbnail.failed');
    return 'done';
  }
}

/** Tries until the store takes it; `false` when the process must end first. @throws what a later try would not mend */
async function insist(deps: StoreDeps, owner: Owner, put: () => Promise<unknown>): Promise<boolean> {
  for (let tries = 1; ; tries++) {
    try {
      await put();
      return true;
    } catch (error) {
      if (!(error instanceof AppError) || !error.retryable) throw error;
      deps.log.warn({ ...owner, tries, ...describeError(error) }, 'store.away');
      // A process that is told to end does not wait for a store that is away: the next one goes on from the spool.
      if (deps.draining.aborted && tries >= TRIES_DRAINING) return false;
      const pauseMs = 500 + backoffDelay(tries, deps.random);
      await sleep(pauseMs, undefined, { signal: deps.draining }).catch(() => undefined);
    }
  }
}

/** `undefined` when the bytes are no image. */
function factsOf({ path }: SpooledBlob): ImageFacts | undefined {
  try {
    return probeFile(path, { maxPixels: PIXELS_MAX });
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return undefined;
  }
}
