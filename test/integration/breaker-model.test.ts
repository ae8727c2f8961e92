/** Breakers over a real Redis do what a small model of them does, whatever happens in whatever order. */

import { deepEqual, equal } from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { BREAKER_RULES, CALL_ENDS, type CallEnd, type Override } from '@darkroom/shared/domain';
import type { Breakers, CallNote } from '@darkroom/shared/ports';
import { createRedisBreakers } from '@darkroom/shared/storage/redis';
import * as fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, expect, it } from 'vitest';
import { type BreakerModel, createBreakerModel } from '../support/breaker-model.ts';
import { testRedisUrl } from '../support/redis.ts';

const CHANNEL = 'gemini-a';
/** Few calls are enough, so that everything happens often; no span is over by itself while the test runs. */
const RULES = { ...BREAKER_RULES, faultsInARow: 4, callsMin: 6, recoveredAt: 0.15 };

const redis = new Redis(testRedisUrl());
afterAll(() => redis.disconnect());

type Real = { workers: Breakers[]; prefix: string; turn: number };
type Ended = Required<Pick<CallNote, 'tenant' | 'again'>> & { end: CallEnd };
type Step = fc.AsyncCommand<BreakerModel, Real>;

function step(name: string, run: (model: BreakerModel, real: Real) => Promise<void>): Step {
  return { check: () => true, run, toString: () => name };
}

/** Workers take turns, so none may know more than Redis does. */
function workerOf(real: Real): Breakers {
  const worker = real.workers[real.turn++ % real.workers.length];
  if (!worker) throw new Error('no worker');
  return worker;
}

const placeOf = (model: string) => ({ channel: CHANNEL, model });

async function enterBoth(model: BreakerModel, real: Real, name: string, attempt: string): Promise<boolean> {
  const got = await workerOf(real).enter(placeOf(name), attempt);
  equal(got.type === 'go' ? (got.probe ? 'probe' : 'go') : 'closed', model.enter(name, attempt));
  return got.type === 'go';
}

/** Noted twice, which is as good as once. */
async function noteBoth(
  model: BreakerModel,
  real: Real,
  name: string,
  attempt: string,
  { end, ...about }: Ended,
): Promise<void> {
  if (model.isNoted(name, attempt)) return;
  const told = await workerOf(real).note(placeOf(name), attempt, end, about);
  equal(told?.to, model.note(name, attempt, end, about));
  deepEqual(await workerOf(real).note(placeOf(name), attempt, end, about), told);
}

const names = fc.constantFrom('pro', 'flash');
const attempts = fc.integer({ min: 0, max: 5 }).map((n) => `attempt-${n}`);
/** Most calls end well, by a fault or without an image; all other ends happen too. */
const callEnds = fc.oneof(
  { weight: 5, arbitrary: fc.constant<CallEnd>('ok') },
  { weight: 4, arbitrary: fc.constant<CallEnd>('timeout') },
  { weight: 4, arbitrary: fc.constant<CallEnd>('no_image') },
  { weight: 1, arbitrary: fc.constant<CallEnd>('auth') },
  { weight: 1, arbitrary: fc.constantFrom(...CALL_ENDS) },
);

const ends: fc.Arbitrary<Ended> = fc.record({
  end: callEnds,
  tenant: fc.constantFrom('acme', 'acme', 'acme', 'honest'),
  again: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
});
const sayEnd = ({ end, tenant, again }: Ended) => `${end} of ${tenant}${again ? ' again' : ''}`;

const enters = fc
  .tuple(names, attempts)
  .map(([name, attempt]) =>
    step(`enter ${name} ${attempt}`, async (model, real) => void (await enterBoth(model, real, name, attempt))),
  );
const leaves = fc.tuple(names, attempts).map(([name, attempt]) =>
  step(`leave ${name} ${attempt}`, async (model, real) => {
    model.leave(name, attempt);
    await workerOf(real).leave(placeOf(name), attempt);
  }),
);
/** Of an attempt that may have entered, and of others that did while the breaker was another. */
const notes = fc.tuple(names, attempts, ends, fc.array(ends, { maxLength: 6 })).map(([name, attempt, end, more]) =>
  step(`note ${name} ${attempt} ${[end, ...more].map(sayEnd).join()}`, async (model, real) => {
    await noteBoth(model, real, name, attempt, end);
    for (const one of more) await noteBoth(model, real, name, randomUUID(), one);
  }),
);
const calls = fc.tuple(names, ends).map(([name, end]) =>
  step(`a call to ${name} that ends ${sayEnd(end)}`, async (model, real) => {
    const attempt = randomUUID();
    if (await enterBoth(model, real, name, attempt)) await noteBoth(model, real, name, attempt, end);
  }),
);
const quietTimes = names.map((name) =>
  step(`${name} goes well for long`, async (model, real) => {
    for (let n = 0; n < 16; n++)
      await noteBoth(model, real, name, randomUUID(), { end: 'ok', tenant: 'honest', again: false });
  }),
);
const floods = fc.tuple(names, fc.integer({ min: 2, max: 6 })).map(([name, count]) =>
  step(`${count} calls of acme to ${name} have no image`, async (model, real) => {
    for (let n = 0; n < count; n++) {
      const attempt = randomUUID();
      const isIn = await enterBoth(model, real, name, attempt);
      if (isIn) await noteBoth(model, real, name, attempt, { end: 'no_image', tenant: 'acme', again: false });
    }
  }),
);
const lonelyTimes = names.map((name) =>
  step(`one tenant alone has called ${name} lately`, async (model, { prefix }) => {
    if (model.beAlone(name)) await redis.hset(`${prefix}{c:${CHANNEL}}:breaker:${name}`, 'other_at', 1);
  }),
);
const coolOffs = fc.constantFrom(undefined, 'pro', 'flash').map((name) =>
  step(`${name ?? 'the channel'} has cooled off`, async (model, { prefix }) => {
    const key = `${prefix}{c:${CHANNEL}}:breaker${name ? `:${name}` : ''}`;
    if (model.coolOff(name)) await redis.hset(key, 'probe_at', 1);
  }),
);
const words = fc.constantFrom<(Override | undefined)[]>('open', 'close', 'drain', undefined, undefined).map((word) =>
  step(`an operator says ${word ?? 'nothing any more'}`, async (model, real) => {
    model.say(word);
    await workerOf(real).override(CHANNEL, word);
  }),
);
const looks = names.map((name) =>
  step(`look at ${name}`, async (model, real) => {
    const [standing] = await workerOf(real).stand([placeOf(name)]);
    const { breaker, out, override } = standing ?? {};
    deepEqual({ breaker, isOut: out !== undefined, override }, model.stand(name));
  }),
);

it('breakers do what their model does', async () => {
  const steps = fc.commands(
    [
      enters,
      leaves,
      notes,
      notes,
      calls,
      calls,
      coolOffs,
      coolOffs,
      quietTimes,
      floods,
      floods,
      lonelyTimes,
      looks,
      words,
    ],
    { maxCommands: 60, size: 'max' },
  );
  const property = fc.asyncProperty(steps, async (commands) => {
    const prefix = `test-${randomUUID().slice(0, 8)}:`;
    const workers = [0, 1].map(() => createRedisBreakers({ redis, prefix, rules: RULES }));
    const real: Real = { workers, prefix, turn: 0 };
    await fc.asyncModelRun(() => ({ model: createBreakerModel(RULES), real }), commands);
    const keys = await redis.keys(`${prefix}*`);
    if (keys.length) await redis.unlink(keys);
  });

  await expect(fc.assert(property, { numRuns: 15 })).resolves.toBeUndefined();
});
