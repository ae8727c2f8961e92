import { afterAll, beforeAll, expect, it } from 'vitest';
import { testRedisUrl } from '../support/redis.ts';
import { aBody, type System, startSystem } from '../support/system.ts';

let system: System;
beforeAll(async () => {
  system = await startSystem({ redisUrl: testRedisUrl() });
});
afterAll(async () => {
  await system?.[Symbol.asyncDispose]();
});

it('makes a submitted job into an image that its caller can fetch', async () => {
  const { client } = system;
  const { status, headers, body } = await client.submit(aBody());
  expect(status).toBe(202);
  expect(headers.get('location')).toBe(`/v1/jobs/${body.id}`);

  const job = await client.end(body.id);

  expect(job).toMatchObject({ status: 'succeeded', attempts: [{ state: 'settled' }] });
  const image = await client.download(`/v1/jobs/${job.id}/images/0`);
  expect(image).toMatchObject({ sha256: job.images[0]?.sha256, type: 'image/jpeg' });
  expect(image.bytes.subarray(0, 3)).toEqual(Buffer.from([0xff, 0xd8, 0xff]));
});

it('makes 200 parallel identical submissions one provider call', async () => {
  const { client, emulator } = system;
  const body = aBody();

  const answers = await Promise.all(Array.from({ length: 200 }, () => client.submit(body)));
  const jobs = await Promise.all(answers.map(({ body: { id } }) => client.end(id)));

  expect(new Set(jobs.map(({ id }) => id)).size).toBe(200);
  expect(new Set(jobs.map(({ status }) => status))).toEqual(new Set(['succeeded']));
  expect(new Set(jobs.flatMap(({ images }) => images.map(({ sha256 }) => sha256))).size).toBe(1);
  expect(emulator.control.journal().entries.filter(({ prompt }) => prompt === body['prompt'])).toHaveLength(1);
  expect(jobs.filter(({ deduplicated_of }) => deduplicated_of === undefined)).toHaveLength(1);
});

it('makes one job of 50 parallel posts under one Idempotency-Key', async () => {
  const { client } = system;
  const body = aBody({ dedup: false });

  const answers = await Promise.all(Array.from({ length: 50 }, () => client.submit(body, { key: 'fifty' })));

  expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(1);
  expect(answers.filter(({ headers }) => headers.get('idempotent-replayed') === 'true')).toHaveLength(49);
  await client.end(answers[0]?.body.id ?? '');
});

it('keeps every promise while doing so', async () => {
  expect(await system.assertInvariants()).toMatchObject({ jobs: 202, billed: 3, extra: 0, inDoubt: 0 });
});
