/**
 * The small copies of a chunk's images, made when all its jobs have ended: they cost more time than all the rest, and no
 * caller's job waits for them.
 *
 * The images lie on this disk under their digests, put there by the harvest. After a crash they are fetched from our own
 * store, those that have no small copy yet.
 */

import { createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { type Job, type ProviderBatch, type StoredImage, thumbnailKey } from '@darkroom/shared/domain';
import { storeThumbnail } from '../standard/store-image.ts';
import { each, worthTelling } from '../sweeper/each.ts';
import type { BatchDeps } from './deps.ts';
import { membersOf } from './members.ts';
import type { Workspace } from './workspace.ts';

const WIDTH = 2;

/** @returns `false` when the process must end first, and the next one is to make the rest */
export async function makeThumbnails(deps: BatchDeps, batch: ProviderBatch, workspace: Workspace): Promise<boolean> {
  if (!batch.harvest?.settled) return true;
  const members = await membersOf(deps, batch);
  let stopped = false;
  const failed = await each(members, WIDTH, async ({ tenant, job: id }) => {
    stopped ||= deps.draining.aborted;
    if (stopped) return;
    const job = await deps.ledger.read(tenant, id);
    if (!job?.state.attempts.some(({ providerBatch, state }) => providerBatch === batch.id && state === 'settled'))
      return;
    for (const image of [...job.state.images, ...job.state.lateImages])
      stopped ||= (await makeThumbnail(deps, job, image, workspace)) === 'stopped';
  });
  const [first] = worthTelling(failed);
  if (first) throw first.error;
  return !stopped;
}

async function makeThumbnail(
  deps: BatchDeps,
  { tenant, id }: Job,
  image: StoredImage,
  workspace: Workspace,
): Promise<'done' | 'stopped'> {
  const path = workspace.path(image.sha256);
  const here = await stat(path).then(
    () => true,
    () => false,
  );
  if (!here && ((await deps.store.head(thumbnailKey(image.key))) || !(await fetchImage(deps, image.key, path))))
    return 'done';
  return storeThumbnail(deps, { job: id, tenant }, { path }, image);
}

/** @returns whether there is such an image */
async function fetchImage({ store }: BatchDeps, key: string, path: string): Promise<boolean> {
  const stream = await store.get(key);
  if (!stream) return false;
  await pipeline(stream, createWriteStream(path));
  return true;
}
