/** Paid answers whose attempt no record knows: an image that was paid for is never thrown away. */

import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { archiveKey, imageKey, thumbnailKey } from '@darkroom/shared/domain';
import { archiveJob, getJob } from '@darkroom/shared/usecases';
import { expect, it } from 'vitest';
import { finishAttempt } from '../../apps/worker/src/standard/finish-attempt.ts';
import { openTestAttempts, refOf, type TestAttempts } from '../support/attempts.ts';
import { TENANT } from '../support/ledger.ts';
import { anImage, beginJob } from '../support/run-job.ts';

const MUG = { prompt: 'a red mug' };
const image = await anImage('png', { seed: 7 });
const sha256 = createHash('sha256').update(image).digest('hex');
const keyFor = (job: string) => imageKey(TENANT, job, { n: 0, sha256, mime: 'image/png' });

/** Brings an answer to its end, as recovery does. */
async function finish({ answered, deps }: TestAttempts, job: { id: string }) {
  const ref = refOf(job);
  const { entry, answer } = await answered(ref, image);
  await finishAttempt(deps, entry, { type: 'answered', answer });
  return ref;
}

async function bytesAt({ deps }: TestAttempts, key: string): Promise<Buffer | undefined> {
  const stream = await deps.store.get(key);
  return stream && buffer(stream);
}

it('keeps the image of a job that nobody knows any more, and says where', async () => {
  await using attempts = await openTestAttempts();
  const lost = { id: 'job_019aa0b1c2d37e4f8a9b0c1d2e3f4a5b' };

  const ref = await finish(attempts, lost);

  const key = keyFor(lost.id);
  expect(await bytesAt(attempts, key)).toEqual(image);
  expect(await attempts.deps.store.head(key)).toMatchObject({ custom: { job: lost.id, tenant: TENANT, sha256 } });
  expect(attempts.lines).toContainEqual(
    expect.objectContaining({ ...ref, level: 'error', event: 'attempt.orphaned', key, listedIn: 'nowhere' }),
  );
  expect(await attempts.spooled()).toEqual([]);
});

it('adds the image to a job in the archive, once, whatever a crash left of the step before', async () => {
  await using attempts = await openTestAttempts();
  const { test } = attempts;
  const { job } = await test.submit(MUG, { idempotencyKey: 'key' });
  await archiveJob(test, await test.succeed(job.id));

  await finish(attempts, job);
  await finish(attempts, job);

  const key = keyFor(job.id);
  const kept = await getJob(test, TENANT, job.id);
  expect(kept.state).toMatchObject({ status: 'succeeded', images: [{ n: 0 }], lateImages: [{ n: 1, key, sha256 }] });
  expect(await bytesAt(attempts, thumbnailKey(key))).toBeDefined();
  // The document went and its successor did not get its name yet.
  const document = (await bytesAt(attempts, archiveKey(TENANT, job.id))) ?? Buffer.of();
  const spare = `${archiveKey(TENANT, job.id)}.${sha256.slice(0, 8)}.next`;
  await test.store.put(spare, document, { contentType: 'application/json' });
  await test.store.delete(archiveKey(TENANT, job.id));
  await finish(attempts, job);
  expect(await getJob(test, TENANT, job.id)).toEqual(kept);
  expect(await test.store.head(spare)).toBeUndefined();
  expect(await test.submit(MUG, { idempotencyKey: 'key' })).toMatchObject({ replayed: true });
});

it('ends the job with its answer when its record lost the attempt, and pays for no other', async () => {
  await using attempts = await openTestAttempts();
  const { job } = await attempts.test.submit(MUG);

  const ref = await finish(attempts, job);

  expect((await attempts.test.read(job.id)).state).toMatchObject({
    status: 'succeeded',
    attempts: [{ id: ref.attempt, state: 'settled' }],
    images: [{ sha256 }],
  });
  expect(await attempts.test.ledger.totals(TENANT)).toMatchObject({ calls: 1, settled: 1 });
  expect(await attempts.spooled()).toEqual([]);
});

it('adds the image to a job whose record has another call out by now', async () => {
  await using attempts = await openTestAttempts();
  const { job } = await attempts.test.submit(MUG);
  await beginJob(attempts.deps, job.id);

  await finish(attempts, job);

  expect((await attempts.test.read(job.id)).state).toMatchObject({
    status: 'running',
    attempts: [{ state: 'open' }],
    lateImages: [{ n: 0, key: keyFor(job.id) }],
  });
  expect(attempts.lines).toContainEqual(expect.objectContaining({ event: 'attempt.orphaned', listedIn: 'record' }));
});

it('counts an attempt once, however often its end is repeated', async () => {
  await using attempts = await openTestAttempts();
  const { job } = await attempts.test.submit(MUG);
  const ref = { tenant: TENANT, job: job.id, attempt: await beginJob(attempts.deps, job.id) };
  const { entry, answer } = await attempts.answered(ref, image);

  // As after a crash behind the settling: the record knows its end, the spool still has its answer.
  for (let n = 0; n < 2; n++) {
    await finishAttempt(attempts.deps, { ...entry, remove: async () => undefined }, { type: 'answered', answer });
  }

  expect(attempts.lines.filter(({ event }) => event === 'attempt.ended')).toHaveLength(1);
  expect((await attempts.deps.metrics.scrape()).text).toMatch(/darkroom_attempts_total\{[^}]*succeeded[^}]*\} 1\n/);
});

it('takes an attempt back onto the record that lost it, with the channel that its intent names', async () => {
  await using attempts = await openTestAttempts();
  const { job } = await attempts.test.submit(MUG);
  const place = { channel: 'gemini', model: job.request.model };
  const { entry, answer } = await attempts.answered(refOf(job), image, place);

  await finishAttempt(attempts.deps, entry, { type: 'answered', answer });

  expect((await attempts.test.read(job.id)).state).toMatchObject({ status: 'succeeded', attempts: [place] });
});

it('drops what was never sent, when no record knows the attempt', async () => {
  await using attempts = await openTestAttempts();
  const { job } = await attempts.test.submit(MUG);
  const entry = await attempts.deps.spool.intend(refOf(job));

  await finishAttempt(attempts.deps, entry, { type: 'unknown', reason: 'the process died' });

  expect(await attempts.spooled()).toEqual([]);
  expect((await attempts.test.read(job.id)).state).toMatchObject({ status: 'queued', attempts: [] });
});
