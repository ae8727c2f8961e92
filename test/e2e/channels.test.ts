/** What becomes of jobs when their channels fail, are too dear, too slow or held back: all processes, three accounts. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultRule } from '@darkroom/emulator';
import { parseMicros } from '@darkroom/shared/domain';
import type { JobView } from '@darkroom/shared/schemas';
import { createRedisBreakers, createRedisLedger } from '@darkroom/shared/storage/redis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { testRedisUrl } from '../support/redis.ts';
import { readScrape } from '../support/scrape.ts';
import { wasQuick } from '../support/system/quick-place.ts';
import { aBody, type System, startSystem } from '../support/system.ts';

const FLASH = 'gemini-3.1-flash-image';
const PRO = 'gemini-3-pro-image';
/** What a worker saw of its channels is no older. */
const LOOK_MS = 300;

let system: System;
beforeAll(async () => {
  system = await startSystem({
    redisUrl: testRedisUrl(),
    channels: {
      channels: [
        { id: 'a', order: 1 },
        { id: 'b', kind: 'vertex', order: 2 },
        { id: 'c', kind: 'openrouter', order: 3, models: { [FLASH]: { price: { factor: 5 } } } },
      ],
    },
    workerEnv: { CALL_TIMEOUT: '2' },
  });
  await run();
});
afterAll(async () => {
  await system?.[Symbol.asyncDispose]();
});

afterEach(async () => {
  system.emulator.control.putFaults([]);
  // What one test taught the breakers is nothing to the next.
  for (const channel of ['a', 'b', 'c']) await override(channel, 'close').then(() => override(channel, undefined));
  await sleep(LOOK_MS);
  await system.assertInvariants();
});

const override = (channel: string, word: 'close' | 'drain' | undefined) =>
  createRedisBreakers(system).override(channel, word);

type Fault = FaultRule['fault'];
const fail = (fault: Fault, project?: string) =>
  system.emulator.control.putFaults([{ ...(project && { match: { project } }), fault }]);

async function run(body: Record<string, unknown> = {}): Promise<JobView> {
  const answer = await system.client.submit(aBody(body));
  expect(answer).toMatchObject({ status: 202 });
  return system.client.end(answer.body.id, 20_000);
}

/** Whether the job was due again before anybody was told how its first call ended: it waited for nothing. */
async function wasDueAtOnce(id: string): Promise<boolean> {
  const job = await createRedisLedger(system).read('default', id);
  const first = job?.state.attempts[0]?.id;
  const told = await Promise.any(
    system.workers.map((worker) => worker.line((line) => line.event === 'attempt.ended' && line['attempt'] === first)),
  );
  return job !== undefined && job.state.runAt <= Number(told['time']);
}

/** What the worker tells of calls beside others: their steps, and dollars for those that were not the result. */
async function hedgesTold(): Promise<Record<string, number>> {
  const listening = await system.workers[0]?.line(({ event }) => event === 'worker.listening');
  const told = readScrape(await (await fetch(String(listening?.['metrics']))).text());
  const samples = ['hedges_total', 'hedge_usd_total'].flatMap(
    (name) => told.get(`darkroom_channel_${name}`)?.samples ?? [],
  );
  const ofModel = samples.filter(({ labels }) => labels['model'] === FLASH);
  return Object.fromEntries(
    ofModel.map(({ labels, value }) => [`${labels['channel']} ${labels['step'] ?? 'usd'}`, value]),
  );
}

const placesOf = ({ attempts }: JobView) => attempts.map(({ channel }) => channel);

describe('a failed call', () => {
  it.each<[string, Fault]>([
    ['an internal error', { kind: 'internal' }],
    ['an overload', { kind: 'overloaded' }],
    ['an answer without an image', { kind: 'no_image' }],
    ['a refused key', { kind: 'key_invalid' }],
    ['a model that is gone', { kind: 'model_not_found' }],
    ['a broken connection', { kind: 'reset' }],
    ['no answer in time', { kind: 'hang' }],
  ])('goes on to the next channel at once: %s', async (_, fault) => {
    fail(fault, 'a');

    const job = await run();

    expect(job).toMatchObject({
      status: 'succeeded',
      attempts: [{ channel: 'a' }, { channel: 'b', state: 'settled' }],
    });
    expect(await wasDueAtOnce(job.id)).toBe(true);
  });

  it('goes on through all of them, to the last', async () => {
    system.emulator.control.putFaults([
      { match: { project: 'a' }, fault: { kind: 'internal' } },
      { match: { project: 'b' }, fault: { kind: 'internal' } },
    ]);

    expect(placesOf(await run())).toEqual(['a', 'b', 'c']);
  });

  it.each<[string, Fault, string]>([
    ['blocked', { kind: 'blocked', finishReason: 'IMAGE_SAFETY' }, 'blocked'],
    ['invalid', { kind: 'invalid_argument' }, 'failed'],
  ])('of a request that is %s is tried nowhere else', async (_, fault, status) => {
    fail(fault);

    const job = await run();

    expect([job.status, placesOf(job)]).toEqual([status, ['a']]);
  });
});

describe('routing', () => {
  it('uses the channels that the caller named, and no other', async () => {
    expect(placesOf(await run({ routing: { channels: ['b'] } }))).toEqual(['b']);
  });

  it('stays with them when they fail', async () => {
    system.emulator.control.putFaults([{ match: { project: 'c' }, times: 1, fault: { kind: 'internal' } }]);

    expect(placesOf(await run({ routing: { channels: ['c'] } }))).toEqual(['c', 'c']);
  });

  it('makes it with the next model of the chain once no channel has the first, and says which', async () => {
    system.emulator.control.putFaults([{ match: { model: PRO }, fault: { kind: 'model_not_found' } }]);

    const job = await run({ model: PRO, size: '1K', routing: { models: [PRO, FLASH] } });

    expect(job).toMatchObject({ status: 'succeeded', images: [{ model: FLASH }] });
    expect(job.attempts.at(-1)).toMatchObject({ model: FLASH, state: 'settled' });
  });

  it('leaves a dearer channel alone that max_cost does not pay for', async () => {
    system.emulator.control.putFaults([
      { match: { project: 'a' }, fault: { kind: 'internal' } },
      { match: { project: 'b' }, times: 1, fault: { kind: 'internal' } },
    ]);

    const job = await run({ max_cost: '0.15' });

    expect(job.status).toBe('succeeded');
    expect(placesOf(job)).not.toContain('c');
  });

  it('gives nothing to a drained channel, whose calls in flight end', async () => {
    system.emulator.control.putFaults([{ match: { project: 'a' }, times: 1, fault: { kind: 'slow', ms: 800 } }]);
    const before = await system.client.submit(aBody());
    await system.emulator.control.when(({ project, outcome }) => project === 'a' && outcome === 'open');
    await override('a', 'drain');
    await sleep(LOOK_MS);

    expect(placesOf(await run())).toEqual(['b']);
    const job = await system.client.end(before.body.id);
    expect([job.status, placesOf(job)]).toEqual(['succeeded', ['a']]);
  });

  it('ends with a labelled image at no cost when everything has failed, where the caller allows it', async () => {
    fail({ kind: 'model_not_found' });

    const job = await run({ routing: { placeholder: true } });

    expect(job).toMatchObject({ status: 'succeeded', images: [{ placeholder: true }], cost: { actual: '0.00' } });
  });
});

describe('a second call beside a slow one', () => {
  beforeEach(() => wasQuick(system, { channel: 'a', model: FLASH }));
  const slowFor = (ms: number): Fault => ({ kind: 'slow', ms });
  const slow = (ms: number) =>
    system.emulator.control.putFaults([{ match: { project: 'a' }, times: 1, fault: slowFor(ms) }]);

  it('wins with the first image; the other is paid, on record and kept', async () => {
    slow(1_500);
    const { control } = system.emulator;
    // Another picture than the one that comes late: of two that are the same, one is kept.
    control.patchSettings({ image_bytes: 90_000 });

    const job = await run({ routing: { hedge: true } });
    control.patchSettings({ image_bytes: 'auto' });
    await system.idle();

    expect(job.status).toBe('succeeded');
    const { body } = await system.client.get(job.id);
    expect(body.attempts).toMatchObject([
      { channel: 'a', state: 'settled' },
      { channel: 'b', state: 'settled', hedge: true },
    ]);
    expect(body.late_images).toHaveLength(1);
    expect(body.late_images?.[0]?.id).not.toBe(body.images[0]?.id);
  });

  it.each([
    { step: 'won', slowMs: { a: 1_500 }, loser: 'a', late: 1 },
    { step: 'lost', slowMs: { a: 1_200, b: 1_500 }, loser: 'b', late: 1 },
    // Of two images that are the same, one is kept, and both are paid.
    { step: 'won', slowMs: { a: 1_500 }, loser: 'a', late: 0 },
  ])(
    'that $step is counted, the loser at what its account is billed; $late late',
    async ({ step, slowMs, loser, late }) => {
      const { control } = system.emulator;
      const rules = Object.entries(slowMs).map(([project, ms]) => ({
        match: { project },
        times: 1,
        fault: slowFor(ms),
      }));
      control.putFaults(rules);
      const before = await hedgesTold();
      if (late) control.patchSettings({ image_bytes: 90_000 });

      const job = await run({ routing: { hedge: true } });
      control.patchSettings({ image_bytes: 'auto' });
      await system.idle();

      const { body } = await system.client.get(job.id);
      expect(body.late_images ?? []).toHaveLength(late);
      const settled = body.attempts.map(({ channel, cost }) => ({ channel, cost: parseMicros(cost ?? '') }));
      const calls = control.journal().entries.filter(({ prompt }) => prompt === body.prompt);
      expect(calls.map(({ project, billed }) => ({ channel: project, cost: billed?.cost_micros }))).toEqual(settled);
      const spare = settled.find(({ channel }) => channel === loser)?.cost ?? 0;
      expect(spare).toBeGreaterThan(0);
      const after = await hedgesTold();
      const steps = Object.keys(after).filter((name) => after[name] !== before[name]);
      expect(steps.toSorted()).toEqual([`b ${step}`, 'b made', `${loser} usd`].toSorted());
      const grown = (name: string) => (after[name] ?? 0) - (before[name] ?? 0);
      expect([grown('b made'), grown(`b ${step}`)]).toEqual([1, 1]);
      expect(grown(`${loser} usd`)).toBeCloseTo(spare / 1e6, 9);
    },
  );

  it.each<[string, Record<string, unknown>]>([
    ['when max_cost does not pay for both', { max_cost: '0.06', routing: { hedge: true } }],
    ['without the caller’s leave', {}],
  ])('is not made %s', async (_, body) => {
    slow(800);

    expect(placesOf(await run(body))).toEqual(['a']);
  });
});
