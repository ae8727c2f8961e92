import { array, assert, asyncProperty, constantFrom } from 'fast-check';
import { expect, it } from 'vitest';
import { createGate } from './gate.ts';

it('lets all through, never more at a time than both bounds allow, and none of another receiver wait for a busy one', async () => {
  await assert(
    asyncProperty(array(constantFrom('a', 'b', 'c'), { maxLength: 40 }), async (receivers) => {
      const gate = createGate({ posts: 4, perReceiver: 2 });
      const inside: string[] = [];
      const done: string[] = [];
      const posts = receivers.map((receiver) =>
        gate.pass(receiver, async () => {
          inside.push(receiver);
          expect(inside.length).toBeLessThanOrEqual(4);
          expect(inside.filter((one) => one === receiver).length).toBeLessThanOrEqual(2);
          await Promise.resolve();
          inside.splice(inside.indexOf(receiver), 1);
          done.push(receiver);
        }),
      );
      await Promise.all(posts);

      expect(done.toSorted()).toEqual(receivers.toSorted());
    }),
  );
});

it('lets a post of another receiver pass those that wait for a busy one', async () => {
  const gate = createGate({ posts: 4, perReceiver: 1 });
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  const first = gate.pass('a', () => held);
  const second = gate.pass('a', async () => 'a again');

  await expect(gate.pass('b', async () => 'b')).resolves.toBe('b');
  release();
  await first;
  await expect(second).resolves.toBe('a again');
});

it('lets the next one in when a post throws', async () => {
  const gate = createGate({ posts: 1, perReceiver: 1 });
  const failing = gate.pass('a', () => Promise.reject(new Error('no')));
  const next = gate.pass('b', async () => 'in');

  await expect(failing).rejects.toThrow('no');
  await expect(next).resolves.toBe('in');
});
