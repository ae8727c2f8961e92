import { expect, it } from 'vitest';
import { createSlots } from './slots.ts';

const MB = 1 << 20;
const patience = (ms: number) => ({ ms, signal: new AbortController().signal });

it('keeps calls with large references apart, and lets calls without any pass', async () => {
  const slots = createSlots(20);
  const first = await slots.take(70 * MB, patience(0));

  expect(await slots.take(1 * MB, patience(0))).toBeUndefined();
  expect(await slots.take(0, patience(0))).toBeDefined();
  first?.freeMemory(); // its call is over, and its image is being stored
  expect(await slots.take(70 * MB, patience(0))).toBeDefined();
});

it('takes no place while it waits for memory, and no memory when there is no place', async () => {
  const slots = createSlots(2);
  const large = await slots.take(70 * MB, patience(0));
  const waiting = slots.take(70 * MB, patience(20_000));

  const small = await slots.take(0, patience(0));

  expect(small).toBeDefined();
  large?.freeMemory();
  // Both places are taken now, and the one that waits has the memory.
  expect(await slots.take(0, patience(1))).toBeUndefined();
  small?.[Symbol.dispose]();
  (await waiting)?.[Symbol.dispose]();
  expect(await slots.take(51 * MB, patience(0))).toBeDefined();
});
