/** Whose answers without an image close a place, and to whom: one tenant's prompts are nobody else's trouble. */

import { randomUUID } from 'node:crypto';
import type { CallEnd, Place, Transition } from '@darkroom/shared/domain';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GO, kinds, openTestBreakers, PLACE, PROBE, type TestBreakers, times } from '../support/breakers.ts';

const PLACES: Place[] = [PLACE, { ...PLACE, channel: 'gemini-b' }];
/** More than enough to open both places, each by faults in a row. */
const FLOOD = 14;

/** A job's call: asked for, made if it may be, and ended. @returns what was answered, and told */
async function call(test: TestBreakers, tenant: string, end: CallEnd, place = PLACE) {
  const [breakers] = test.workers;
  const attempt = randomUUID();
  const entered = await breakers.enter(place, attempt);
  const told = entered.type === 'go' ? await breakers.note(place, attempt, end, { tenant }) : undefined;
  return { entered, told: told?.to };
}

/** Calls that are all out at once, over all places. */
async function flood(test: TestBreakers, tenant: string): Promise<Transition[]> {
  const [breakers] = test.workers;
  const calls = Array.from({ length: FLOOD }, (_, n) => ({ place: PLACES[n % 2] ?? PLACE, attempt: randomUUID() }));
  for (const { place, attempt } of calls) await breakers.enter(place, attempt);
  const told: Transition[] = [];
  for (const { place, attempt } of calls)
    told.push(...[(await breakers.note(place, attempt, 'no_image', { tenant })) ?? []].flat());
  return told;
}

/** As if all but the last tenant that called had called long ago. */
async function passWindow({ redis, prefix }: TestBreakers): Promise<void> {
  await redis.hset(`${prefix}{c:${PLACE.channel}}:breaker:${PLACE.model}`, 'other_at', 1);
}

describe('a flood of answers without an image, all of one tenant', () => {
  it('keeps another tenant away for a moment at most, and not at all once both are calling', async () => {
    await using test = await openTestBreakers();
    const [breakers] = test.workers;

    expect(kinds(await flood(test, 'acme'))).toEqual(['opened', 'opened']);
    for (const place of PLACES) {
      const { entered } = await call(test, 'honest', 'ok', place);
      expect(entered.type === 'closed_until' && entered.retryAfterMs).toBeLessThanOrEqual(1_000);
    }

    for (const place of PLACES) {
      await test.coolOff(place);
      // The flood goes on, and is served first.
      for (const _ of times(3, 'turn'))
        expect(await call(test, 'acme', 'no_image', place)).toEqual({ entered: PROBE, told: undefined });
      expect(await call(test, 'honest', 'ok', place)).toEqual({ entered: PROBE, told: undefined });
      expect(await call(test, 'acme', 'no_image', place)).toEqual({ entered: PROBE, told: undefined });
      expect(await call(test, 'honest', 'ok', place)).toEqual({ entered: PROBE, told: 'recovered' });
    }

    for (const _ of times(3, 'minute')) {
      expect(await flood(test, 'acme')).toEqual([]);
      for (const place of PLACES)
        expect(await call(test, 'honest', 'ok', place)).toEqual({ entered: GO, told: undefined });
    }
    expect(await breakers.stand(PLACES)).toMatchObject(times(2, { breaker: 'closed', waitMs: 0 }));
    expect((await breakers.look([PLACE]))[0]?.ends).toEqual({ no_image: 32, ok: 5 });
  });

  it('closes nothing for a tenant that has called lately, in whatever order they call', async () => {
    const calls = fc.constantFrom<[string, CallEnd][]>(
      ['acme', 'no_image'],
      ['acme', 'no_image'],
      ['acme', 'no_image'],
      ['acme', 'ok'],
      ['honest', 'ok'],
    );
    const property = fc.asyncProperty(fc.array(calls, { minLength: 20, maxLength: 60 }), async (order) => {
      await using test = await openTestBreakers({ callsMin: 6 });
      await call(test, 'honest', 'ok');

      for (const [tenant, end] of order) expect((await call(test, tenant, end)).entered).toEqual(GO);
    });

    await fc.assert(property, { numRuns: 15 });
  });

  it('that began before another tenant called counts as one from then on', async () => {
    await using test = await openTestBreakers();
    for (const _ of times(5, 'round')) await test.end(['no_image', 'ok', 'no_image'], PLACE, { tenant: 'acme' });
    await test.end(['ok', ...times<CallEnd>(3, 'no_image')], PLACE, { tenant: 'acme' });

    // The twentieth call: 13 of them had no image, and four in a row now.
    expect(kinds(await test.end(['no_image', 'ok'], PLACE, { tenant: 'honest' }))).toEqual([undefined, undefined]);
    expect(await call(test, 'honest', 'ok')).toEqual({ entered: GO, told: undefined });
  });
});

describe('a place that answers everybody without an image', () => {
  it('opens as by any other fault', async () => {
    await using test = await openTestBreakers();
    const told: (string | undefined)[] = [];

    for (const tenant of ['acme', 'acme', 'b', 'acme', 'c', 'c', 'acme']) {
      told.push((await call(test, tenant, 'no_image')).told);
    }

    expect(told).toEqual([...times(6, undefined), 'opened']);
    expect((await test.workers[0].stand([PLACE]))[0]).toMatchObject({ breaker: 'open' });
  });

  it('opens for a tenant that calls it alone, as soon as it does', async () => {
    await using test = await openTestBreakers();
    expect((await call(test, 'honest', 'ok')).entered).toEqual(GO);
    expect(kinds(await test.end(times(FLOOD, 'no_image'), PLACE, { tenant: 'acme' }))).toEqual(times(FLOOD, undefined));

    await passWindow(test);

    expect(await call(test, 'acme', 'no_image')).toEqual({ entered: GO, told: 'opened' });
  });

  it('opens for a tenant that calls it alone by five in a row, which a good call or two good probes let begin anew', async () => {
    await using test = await openTestBreakers({ callsMin: 1_000 });
    const acme = { tenant: 'acme' };
    await call(test, 'honest', 'ok');
    await test.end(times(FLOOD, 'no_image'), PLACE, acme);
    await passWindow(test);

    expect(kinds(await test.end(['ok', ...times<CallEnd>(4, 'no_image')], PLACE, acme))).toEqual(times(5, undefined));
    expect(kinds(await test.end(['no_image'], PLACE, acme))).toEqual(['opened']);
    await test.coolOff();
    for (const told of [undefined, 'recovered']) expect((await call(test, 'acme', 'ok')).told).toBe(told);
    expect(kinds(await test.end(times(4, 'no_image'), PLACE, acme))).toEqual(times(4, undefined));
    expect(kinds(await test.end(['no_image'], PLACE, acme))).toEqual(['opened']);
  });

  it('is probed by one after the other, and stays with its cool-down', async () => {
    await using test = await openTestBreakers();
    await test.end(times(5, 'timeout'));
    await test.coolOff();

    for (const tenant of ['acme', 'b', 'acme', 'b']) {
      expect(await call(test, tenant, 'no_image')).toEqual({ entered: PROBE, told: undefined });
    }
    await call(test, 'acme', 'timeout');

    const waitMs = (await test.workers[0].stand([PLACE]))[0]?.waitMs ?? 0;
    expect(waitMs).toBeGreaterThan(15_000);
    expect(waitMs).toBeLessThanOrEqual(20_000);
  });
});

it('a fault of a probe behind a flood of one tenant is followed by the first cool-down', async () => {
  await using test = await openTestBreakers();
  await flood(test, 'acme');
  await test.coolOff();

  expect(await call(test, 'honest', 'timeout')).toEqual({ entered: PROBE, told: undefined });

  const waitMs = (await test.workers[0].stand([PLACE]))[0]?.waitMs ?? 0;
  expect(waitMs).toBeGreaterThan(5_000);
  expect(waitMs).toBeLessThanOrEqual(10_000);
});

it('an answer without an image to a job that had one before counts in the figures alone', async () => {
  await using test = await openTestBreakers();

  const told = await test.end(times(30, 'no_image'), PLACE, { tenant: 'acme', again: true });

  expect(told).toEqual(times(30, undefined));
  expect((await test.workers[0].look([PLACE]))[0]).toMatchObject({ breaker: 'closed', ends: { no_image: 30 } });
});
