/** A bucket that answers 412: the name of an image is taken already, by its own bytes or by others. */

import { buffer } from 'node:stream/consumers';
import type { ObjectStore } from '@darkroom/shared/ports';
import { createGcsStore } from '@darkroom/shared/storage/gcs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type GcsEmulator, startGcsEmulator } from '../support/gcs-emulator/index.ts';
import { testRedisUrl } from '../support/redis.ts';
import { aBody, type System, startSystem } from '../support/system.ts';

let gcs: GcsEmulator;
let system: System;
let store: ObjectStore;
/** What the provider draws for every prompt here, so that an object's name is known before it is made. */
let picture: { sha256: string; bytes: Buffer };

beforeAll(async () => {
  gcs = await startGcsEmulator({ buckets: ['images'] });
  store = createGcsStore({ bucket: 'images', prefix: 'here', apiEndpoint: gcs.url });
  const storage = { STORAGE_URL: 'gs://images/here', GCS_API_ENDPOINT: gcs.url };
  const emulator = { settings: { render: 'fast' as const } };
  system = await startSystem({ redisUrl: testRedisUrl(), apiEnv: storage, workerEnv: storage, emulator });
  const { sha256, job } = await make('first');
  picture = { sha256, bytes: await read(keyOf(job.id, sha256)) };
});
afterAll(async () => {
  await system?.[Symbol.asyncDispose]();
  await gcs?.close();
});

/** Runs a job to its end. @returns it, and its one image's digest */
async function make(id: string) {
  await system.client.submit(aBody(), { id });
  const job = await system.client.end(id);
  return { job, sha256: job.images[0]?.sha256 ?? '' };
}

function keyOf(id: string, name: string): string {
  return `results/own/default/${id}/0-${name.slice(0, 8)}.jpg`;
}

async function read(key: string): Promise<Buffer> {
  const stream = await store.get(key);
  if (!stream) throw new Error(`there is no ${key}`);
  return buffer(stream);
}

/** How often the bucket said that a name is taken. */
function taken(): number {
  return gcs.journal.filter(({ method, status }) => method === 'POST' && status === 412).length;
}

function logged(event: string, id: string) {
  return system.workers.flatMap(({ lines }) => lines).filter((line) => line.event === event && line['job'] === id);
}

it('takes a name that holds the very bytes for success, as after an upload whose answer was lost', async () => {
  await store.put(keyOf('same', picture.sha256), picture.bytes, { contentType: 'image/jpeg' });

  const before = taken();
  const { job, sha256 } = await make('same');

  expect(taken()).toBe(before + 1);
  expect(job).toMatchObject({ status: 'succeeded', attempts: [{ state: 'settled' }] });
  expect(sha256).toBe(picture.sha256);
  expect(logged('store.conflict', 'same')).toEqual([]);
});

it('says loudly that a name holds other bytes, leaves them alone and stores the paid image beside them', async () => {
  const key = keyOf('other', picture.sha256);
  const foreign = Buffer.from('not the picture');
  await store.put(key, foreign, { contentType: 'image/jpeg' });

  const before = taken();
  const { job, sha256 } = await make('other');

  expect(taken()).toBe(before + 1);
  expect(job).toMatchObject({ status: 'succeeded', attempts: [{ state: 'settled' }] });
  expect(sha256).toBe(picture.sha256);
  expect(logged('store.conflict', 'other')).toMatchObject([{ level: 50, key, tenant: 'default' }]);
  expect(await read(key)).toEqual(foreign);
  const whole = key.replace(picture.sha256.slice(0, 8), picture.sha256);
  expect(await read(whole)).toEqual(picture.bytes);
  expect(new URL(job.images[0]?.url ?? '').pathname).toContain(whole);
});

it('paid for each image once', async () => {
  await system.idle();

  const totals = await system.redis.hgetall(`${system.prefix}{t:default}:totals`);
  const bill = system.emulator.control.bill();
  expect(bill).toMatchObject({ calls: 3, billed_calls: 3, cost_micros: Number(totals['actual']) });
  expect(totals).toMatchObject({ calls: '3', settled: '3' });
  expect(await system.spooled()).toEqual([]);
});
