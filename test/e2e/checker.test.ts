/** The checker that every proof rests on, proved: each planted fault is found, and nothing is found without one. */

import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testRedisUrl } from '../support/redis.ts';
import { contentOf } from '../support/system/content.ts';
import { type Seen, violationsOf } from '../support/system/invariants.ts';
import { aBody, type System, startSystem } from '../support/system.ts';

let system: System;
let ids: string[];
let tag: string;

beforeAll(async () => {
  system = await startSystem({ redisUrl: testRedisUrl() });
  const { client } = system;
  const answers = await Promise.all([0, 1, 2, 3, 4, 5].map(() => client.submit(aBody())));
  ids = answers.map(({ body }) => body.id);
  await Promise.all(ids.map((id) => client.end(id)));
  await system.idle();
  tag = `${system.prefix}{t:default}:`;
});
afterAll(async () => {
  await system?.[Symbol.asyncDispose]();
});

/** Plants a fault, has a look, and takes it back. */
async function withFault(plant: () => Promise<() => Promise<unknown>>): Promise<string[]> {
  const undo = await plant();
  const violations = violationsOf(await system.look());
  await undo();
  return violations;
}

/** Plants a change of one field of a record. */
function changed(key: string, field: string, change: (value: string) => string) {
  return async () => {
    const { redis } = system;
    const before = (await redis.hget(key, field)) ?? '';
    await redis.hset(key, field, change(before));
    return () => redis.hset(key, field, before);
  };
}

/** Plants a change of the state in a record, which is left in the form of a job that goes on. */
function changedState(key: string, change: (state: string) => string) {
  return async () => {
    const { redis } = system;
    const before = await redis.hgetallBuffer(key);
    const { request, state } = contentOf(key.slice(`${tag}job:`.length), before);
    await redis.hset(key, { r: JSON.stringify(request), t: change(JSON.stringify(state)) });
    return () => redis.hset(key, before);
  };
}

const first = () => `${tag}job:${ids[0]}`;
const objects = () => join(system.dataDir, 'objects', 'objects');

async function imageFile(): Promise<string> {
  const names = await readdir(join(objects(), 'results'), { recursive: true });
  const name = names.find((path) => path.includes(ids[0] ?? '') && path.endsWith('.jpg'));
  return join(objects(), 'results', name ?? '');
}

const FAULTS: [string, RegExp, () => Promise<() => Promise<unknown>>][] = [
  [
    'a lost record',
    /^I1 .* has no record/,
    async () => {
      const dump = await system.redis.dumpBuffer(first());
      await system.redis.del(first());
      return () => system.redis.restore(first(), 0, dump ?? '');
    },
  ],
  [
    'a job nobody was promised',
    /^I1 .* never answered/,
    async () => {
      // An id as long as a real one, and of the same instant: the packed form counts on it.
      const stray = `${tag}job:${(ids[0] ?? '').replace(/.{5}$/, 'fa15e')}`;
      await system.redis.copy(first(), stray);
      return () => system.redis.del(stray);
    },
  ],
  [
    'a job on the list of another status',
    /^I1 .* on the lists of two statuses/,
    async () => {
      await system.redis.zadd(`${tag}jobs:failed`, 1, ids[0] ?? '');
      return () => system.redis.zrem(`${tag}jobs:failed`, ids[0] ?? '');
    },
  ],
  ['a sum of calls that is off by one', /^I3 .* sum calls/, async () => changed(`${tag}totals`, 'calls', plusOne)()],
  ['a sum of money that is off by one', /^I3 .* sum actual/, async () => changed(`${tag}totals`, 'actual', plusOne)()],
  [
    'a settled cost that is a micro-dollar off the bill',
    /^I3 .* never charged/,
    async () =>
      changedState(first(), (state) => state.replace(/"cost":(\d+)/, (_, n: string) => `"cost":${plusOne(n)}`))(),
  ],
  [
    'a call that is on no record',
    /^I2 .* calls for 0 attempts/,
    async () => changedState(first(), (state) => state.replace(/"attempts":\[.*?\]/, '"attempts":[]'))(),
  ],
  [
    'a charge that is neither settled nor in doubt',
    /^I3 .* charges are not settled/,
    async () => changedState(first(), (state) => state.replace('"state":"settled"', '"state":"rejected"'))(),
  ],
  [
    'an image that is gone',
    /^I4 .* is not what was paid for/,
    async () => {
      const path = await imageFile();
      await rename(path, `${path}.gone`);
      return () => rename(`${path}.gone`, path);
    },
  ],
  [
    'an image with other bytes',
    /^I4 .* is not what was paid for/,
    async () => {
      const path = await imageFile();
      const bytes = await readFile(path);
      await writeFile(path, bytes.toReversed());
      return () => writeFile(path, bytes);
    },
  ],
  [
    'an object that is on no record',
    /^I4 .* stored and on no record/,
    async () => {
      const path = `${await imageFile()}.copy`;
      await writeFile(path, 'x');
      return () => rm(path);
    },
  ],
  [
    'a small copy that was never made',
    /^I4 .*thumb.webp is not in the store/,
    async () => {
      const path = (await imageFile()).replace('.jpg', '.thumb.webp');
      await rename(path, `${path}.gone`);
      return () => rename(`${path}.gone`, path);
    },
  ],
  [
    'two jobs that swapped their images',
    /^I4 .* image of another prompt/,
    async () => {
      const other = ids[1] ?? '';
      const { state } = contentOf(other, await system.redis.hgetallBuffer(`${tag}job:${other}`));
      const images = JSON.stringify(state.images);
      return changedState(first(), (text) => text.replace(/"images":\[.*?\]/, `"images":${images}`))();
    },
  ],
  [
    'an end that changed',
    /^I7 .* and now shows/,
    async () => changedState(first(), (state) => state.replace(/"completedAt":\d+/, '"completedAt":1'))(),
  ],
  [
    'an end that is told twice',
    /^I7 .* announced as job.succeeded,job.succeeded/,
    async () => {
      const id = await system.redis.xadd(`${tag}events`, '*', 't', 'job.succeeded', 'j', ids[0] ?? '');
      return () => system.redis.xdel(`${tag}events`, id ?? '');
    },
  ],
  [
    'a lease nobody gives back',
    /^I13 .* left in leases/,
    async () => {
      await system.redis.zadd(`${tag}leases`, 1_000_000, ids[0] ?? '');
      return () => system.redis.zrem(`${tag}leases`, ids[0] ?? '');
    },
  ],
  [
    'paid bytes forgotten in the spool',
    /^I4 .* left in the spool/,
    async () => {
      const path = join(system.dataDir, 'spool', 'att_1.0.blob');
      await writeFile(path, 'x');
      return () => rm(path);
    },
  ],
  [
    'an intent nobody takes back',
    /^I4 .*att_1\.intent is left in the spool/,
    async () => {
      const path = join(system.dataDir, 'spool', 'intents');
      await writeFile(path, JSON.stringify({ tenant: 't', job: 'j', attempt: 'att_1' }).padEnd(512));
      return () => rm(path);
    },
  ],
  [
    'two attempts out at the same time',
    /^I2 .* began before/,
    async () =>
      changedState(first(), (state) =>
        state.replace(
          /"attempts":\[(.*?)\]/,
          (_, one: string) => `"attempts":[${one.replace(/"ms":\d+/, '"ms":60000')},${one}]`,
        ),
      )(),
  ],
];

function plusOne(value: string): string {
  return String(Number(value) + 1);
}

it('finds nothing in a system that kept its promises', async () => {
  const seen: Seen = await system.look();

  expect(violationsOf(seen)).toEqual([]);
});

describe('finds', () => {
  it.each(FAULTS)('%s', async (_, expected, plant) => {
    expect(await withFault(plant)).toContainEqual(expect.stringMatching(expected));
  });
});

it('finds nothing once all of it is taken back', async () => {
  expect(violationsOf(await system.look())).toEqual([]);
});
