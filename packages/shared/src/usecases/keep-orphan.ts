/** The paid image of an attempt that its job's record does not know: Redis came back without it, or the job left Redis. */

import { buffer } from 'node:stream/consumers';
import {
  AppError,
  type AttemptRef,
  archiveKey,
  changeTo,
  type Job,
  type JobState,
  type StoredImage,
} from '../domain/index.ts';
import type { Clock, Ledger, ObjectStore } from '../ports/index.ts';
import { readArchive } from './archive.ts';
import { updateJob } from './update-job.ts';

type Archived = NonNullable<Awaited<ReturnType<typeof readArchive>>>;

/**
 * Makes the image, which is stored already, a late image of its job. Safe to repeat.
 *
 * @returns where it is listed now: on the `record`, in the `archive`, or `nowhere`, because nobody knows the job
 */
export async function keepOrphan(
  deps: { ledger: Ledger; store: ObjectStore; clock: Clock },
  ref: AttemptRef,
  image: StoredImage,
): Promise<'record' | 'archive' | 'nowhere'> {
  const updated = await updateJob(deps.ledger, ref.tenant, ref.job, (job) =>
    holds(job, image) ? undefined : changeTo(job, withLate(job.state, image), ['image.recovered'], deps.clock.now()),
  );
  if (updated) return 'record';
  return (await addToArchive(deps.store, ref, image)) ? 'archive' : 'nowhere';
}

/**
 * Replaces the document, of which there is no record any more: the next one lies beside it under the image's name
 * until it has taken its place, so that a crash leaves one of them whole, and whoever repeats this finds it.
 */
async function addToArchive(store: ObjectStore, ref: AttemptRef, image: StoredImage): Promise<boolean> {
  const key = archiveKey(ref.tenant, ref.job);
  const spare = `${key}.${image.sha256.slice(0, 8)}.next`;
  const archived = (await readArchive(store, ref.tenant, ref.job)) ?? (await restore(store, spare, key));
  if (!archived) return false;
  if (!holds(archived.job, image)) {
    const { job } = archived;
    const next: Archived = {
      ...archived,
      job: { ...job, version: job.version + 1, state: withLate(job.state, image) },
    };
    const body = Buffer.from(JSON.stringify(next));
    await put(store, spare, body).catch(async (error: unknown) => {
      if (!(error instanceof AppError) || error.code !== 'object_conflict') throw error;
      await store.delete(spare); // of an older document
      await put(store, spare, body);
    });
    await store.delete(key);
    await put(store, key, body);
  }
  await store.delete(spare);
  return true;
}

/** Puts the document back that a crash left without its name. */
async function restore(store: ObjectStore, spare: string, key: string): Promise<Archived | undefined> {
  const stream = await store.get(spare);
  if (!stream) return undefined;
  const body = await buffer(stream);
  await put(store, key, body);
  return JSON.parse(body.toString()) as Archived;
}

function put(store: ObjectStore, key: string, body: Buffer): Promise<unknown> {
  return store.put(key, body, { contentType: 'application/json' });
}

function holds({ state }: Job, { sha256 }: StoredImage): boolean {
  return [...state.images, ...state.lateImages].some((known) => known.sha256 === sha256);
}

function withLate(state: JobState, image: StoredImage): JobState {
  const n = state.images.length + state.lateImages.length;
  return { ...state, lateImages: [...state.lateImages, { ...image, n }] };
}
