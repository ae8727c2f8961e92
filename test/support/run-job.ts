/** What a worker does to a job, without a worker: the same decisions, written to the same ledger. */

import { createHash, randomUUIDv7 } from 'node:crypto';
import {
  type AttemptEnd,
  begin,
  idFrom,
  imageKey,
  type Job,
  type JobError,
  type StoredImage,
  settle,
  thumbnailKey,
} from '@darkroom/shared/domain';
import { handOff, updateJob } from '@darkroom/shared/usecases';
import sharp from 'sharp';
import type { ApiDeps } from '../../apps/api/src/deps.ts';

type Deps = Pick<ApiDeps, 'ledger' | 'store' | 'clock' | 'outbox'>;

/** A still image of the given size; `seed` changes its bytes. */
export function anImage(format: 'png' | 'jpeg' | 'webp' = 'png', options: { seed?: number; side?: number } = {}) {
  const { seed = 0, side = 8 } = options;
  const background = { r: seed % 256, g: (seed >> 8) % 256, b: 90 };
  return sharp({ create: { width: side, height: side, channels: 3, background } })
    .toFormat(format)
    .toBuffer();
}

/** Starts an attempt, as a worker that takes the job up. @returns its id */
export async function beginJob(deps: Deps, id: string, tenant = 'default'): Promise<string> {
  const attempt = idFrom('att', randomUUIDv7());
  await updateJob(deps.ledger, tenant, id, (job) => {
    const begun = begin(job, { id: attempt, channel: 'gemini' }, deps.clock.now());
    return begun.type === 'go' ? begun.change : undefined;
  });
  return attempt;
}

/** Ends the attempt, and hands the end to followers. */
export async function settleJob(
  deps: Deps,
  id: string,
  attempt: string,
  end: AttemptEnd,
  tenant = 'default',
): Promise<Job> {
  const decide = (job: Job) => settle(job, attempt, end, deps.clock.now(), () => 0);
  const updated = await updateJob(deps.ledger, tenant, id, decide);
  if (!updated?.changed) throw new Error(`${id} takes no ${end.type}`);
  if (updated.followers) await handOff(deps, tenant, id);
  return updated.job;
}

/** Runs the job to its image (and thumbnail), at rest in the store. */
export async function succeedJob(deps: Deps, id: string, tenant = 'default'): Promise<Job> {
  return settleWithImage(deps, id, await beginJob(deps, id, tenant), tenant);
}

/** Ends the attempt with an image (and thumbnail), at rest in the store. */
export async function settleWithImage(deps: Deps, id: string, attempt: string, tenant = 'default'): Promise<Job> {
  const bytes = await anImage('png', { side: 32 });
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const facts = { n: 0, mime: 'image/png', width: 32, height: 32, bytes: bytes.length, sha256 };
  const image: StoredImage = { ...facts, key: imageKey(tenant, id, facts) };
  await deps.store.put(image.key, bytes, { contentType: image.mime });
  await deps.store.put(thumbnailKey(image.key), await anImage('webp'), { contentType: 'image/webp' });
  return settleJob(deps, id, attempt, { type: 'image', image, cost: 34_000, tokens: 1_300, ms: 20 }, tenant);
}

const BLOCKED: JobError = { code: 'content_blocked', detail: 'The model refused: IMAGE_SAFETY' };
const REFUSED: JobError = { code: 'upstream_rejected', detail: 'The provider refused the request.' };

/** Runs the job to the model's refusal. */
export async function blockJob(deps: Deps, id: string): Promise<Job> {
  const attempt = await beginJob(deps, id);
  return settleJob(deps, id, attempt, {
    type: 'refused',
    code: 'content_blocked',
    error: BLOCKED,
    cost: 0,
    tokens: 9,
    ms: 5,
  });
}

/** Runs the job to a final failure. */
export async function failJob(deps: Deps, id: string): Promise<Job> {
  const attempt = await beginJob(deps, id);
  const verdict = { type: 'rejected', code: 'upstream_rejected', retryable: false, http: 400 } as const;
  return settleJob(deps, id, attempt, { type: 'rejected', verdict, error: REFUSED, ms: 5 });
}

/** Loses the answer to the job's call. */
export async function doubtJob(deps: Deps, id: string): Promise<Job> {
  const attempt = await beginJob(deps, id);
  return settleJob(deps, id, attempt, { type: 'in_doubt', reason: 'the connection was reset', ms: 5 });
}
