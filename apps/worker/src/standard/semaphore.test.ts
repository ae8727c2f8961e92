import { array, assert, asyncProperty, integer } from 'fast-check';
import { expect, it } from 'vitest';
import { createSemaphore } from './semaphore.ts';

const patient = () => ({ ms: 20_000, signal: new AbortController().signal });

it('serves in the order of asking, also when a smaller amount would fit', async () => {
  const semaphore = createSemaphore(10);
  const first = await semaphore.take(6);
  const served: number[] = [];
  const large = semaphore.take(8, patient()).then((release) => (served.push(8), release));
  const small = semaphore.take(1, patient()).then((release) => (served.push(1), release));

  first?.();
  await Promise.all([large, small]);

  expect(served).toEqual([8, 1]);
});

it('lets one through that is larger than the whole, alone', async () => {
  const semaphore = createSemaphore(10);

  const release = await semaphore.take(350);

  expect(await semaphore.take(1, { ...patient(), ms: 0 })).toBeUndefined();
  release?.();
  expect(await semaphore.take(1, { ...patient(), ms: 0 })).toBeDefined();
});

it('gives up when patience ends or is broken off, and lets pass who waited behind', async () => {
  const semaphore = createSemaphore(10);
  const held = await semaphore.take(9);
  const stop = new AbortController();
  const stopped = semaphore.take(10, { ms: 20_000, signal: stop.signal });
  const late = semaphore.take(10, { ms: 1, signal: new AbortController().signal });
  const small = semaphore.take(1);

  stop.abort();

  expect([await stopped, await late]).toEqual([undefined, undefined]);
  expect(await small).toBeDefined();
  held?.();
  held?.();
  expect(await semaphore.take(9, { ...patient(), ms: 0 })).toBeDefined();
  expect(await semaphore.take(1, { ...patient(), ms: 0 })).toBeUndefined();
});

it('never gives more than there is, and all of it in the end', async () => {
  await assert(
    asyncProperty(array(integer({ min: 0, max: 15 }), { maxLength: 30 }), async (amounts) => {
      const semaphore = createSemaphore(10);
      let taken = 0;
      await Promise.all(
        amounts.map(async (amount) => {
          const release = await semaphore.take(amount);
          taken += Math.min(amount, 10);
          expect(taken).toBeLessThanOrEqual(10);
          await Promise.resolve();
          taken -= Math.min(amount, 10);
          release?.();
        }),
      );
      expect(await semaphore.take(10, { ...patient(), ms: 0 })).toBeDefined();
    }),
  );
});
