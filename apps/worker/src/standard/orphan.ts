/** A paid answer whose attempt is on no record: Redis came back without it, or its job has left Redis. */

import { type Answer, type AttemptRef, classify, type SpooledBlob, type StoredImage } from '@darkroom/shared/domain';
import { keepOrphan } from '@darkroom/shared/usecases';
import type { SettleDeps } from './settle-attempt.ts';
import { putImage, storeThumbnail } from './store-image.ts';

/**
 * Keeps its image: in the store, among the late images of its job if that is still known, and in the log.
 *
 * @returns `stopped` when the process must end first: the spool keeps it for the next one
 */
export async function finishOrphan(deps: SettleDeps, ref: AttemptRef, answer: Answer): Promise<'done' | 'stopped'> {
  const verdict = classify(answer);
  const blob = verdict.type === 'image' ? answer.blobs[verdict.image] : undefined;
  const tokens = 'usage' in verdict ? verdict.usage.totalTokens : undefined;
  const stored = blob && (await putImage(deps, { job: ref.job, tenant: ref.tenant }, 0, blob));
  if (stored === 'stopped') return 'stopped';
  if (!blob || stored?.type !== 'stored') {
    deps.log.warn({ ...ref, outcome: verdict.type, http: answer.httpStatus, tokens }, 'attempt.orphaned');
    return 'done';
  }
  return list(deps, ref, blob, stored.image, tokens);
}

async function list(
  deps: SettleDeps,
  ref: AttemptRef,
  blob: SpooledBlob,
  image: StoredImage,
  tokens: number | undefined,
): Promise<'done' | 'stopped'> {
  const listedIn = await keepOrphan(deps, ref, image);
  deps.log.error({ ...ref, key: image.key, listedIn, tokens }, 'attempt.orphaned');
  if (listedIn === 'nowhere') return 'done';
  return storeThumbnail(deps, { job: ref.job, tenant: ref.tenant }, blob, image);
}
