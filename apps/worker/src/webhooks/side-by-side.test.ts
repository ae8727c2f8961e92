import { expect, it } from 'vitest';
import { createSideBySide } from './side-by-side.ts';

it('does what was added, so many at a time, and for one never twice at a time', async () => {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const doing = createSideBySide<string>(2, async (item) => {
    begun.push(item);
    await new Promise<void>((resolve) => ends.set(item, resolve));
  });
  const end = async (item: string) => {
    ends.get(item)?.();
    await new Promise(setImmediate);
  };

  for (const item of ['a', 'a', 'a', 'b', 'c', 'd']) doing.add(item);
  expect(begun).toEqual(['a', 'b']);
  await end('b');
  expect(begun).toEqual(['a', 'b', 'c']);
  await end('a');
  // It was added twice more, which counts once, and before the last one.
  expect(begun).toEqual(['a', 'b', 'c', 'a']);
  doing.clear();
  const idle = doing.idle();
  await end('a');
  await end('c');
  await idle;

  expect(begun).toHaveLength(4);
});
