import { expect, it } from 'vitest';
import { createOneAtATime } from './one-at-a-time.ts';

it('begins with a piece of work when the one before it is over, however that ended', async () => {
  const alone = createOneAtATime();
  const seen: string[] = [];
  const work = (name: string) => async () => {
    seen.push(`${name} begins`);
    await new Promise(setImmediate);
    seen.push(`${name} ends`);
    if (name === 'a') throw new Error('of a');
    return name;
  };

  const ended = await Promise.allSettled([alone(work('a')), alone(work('b')), alone(work('c'))]);

  expect(seen).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
  expect(ended.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
});
