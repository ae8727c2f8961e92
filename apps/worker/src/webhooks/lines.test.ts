import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLines, type Lines, type Place } from './lines.ts';

let now = 0;
const BOUNDS = { posts: 20, perReceiver: 4 };
const open = () => createLines(BOUNDS, () => now);
const take = (lines: Lines, receiver: string, count: number): Place[] =>
  Array.from({ length: count }, () => lines.take(receiver));
const quick = { well: true, ms: 5 };
const slow = { well: false, ms: 1_200 };

/** A receiver that has earned all it can. */
function earn(lines: Lines, receiver: string): void {
  for (let n = 0; n < 4; n++) for (const place of take(lines, receiver, 1)) lines.free(place, quick);
}

describe('a receiver', () => {
  it('begins with two, and gets one more with each quick answer', () => {
    const lines = open();
    const rooms = [lines.room('a', 0)];
    for (const place of take(lines, 'a', 1)) lines.free(place, quick);
    rooms.push(lines.room('a', 0));

    expect(rooms).toEqual([2, 3]);
  });

  it('that has earned all it can has as many again in hand', () => {
    const lines = open();
    earn(lines, 'a');

    expect(lines.room('a', 0)).toBe(8);
    const places = take(lines, 'a', 8);
    expect(lines.room('a', 0)).toBe(0);
    // One more is not worth a trip to Redis.
    for (const place of places.slice(0, 3)) lines.free(place, quick);
    expect(lines.room('a', 0)).toBe(0);
    for (const place of places.slice(3, 4)) lines.free(place, quick);
    expect(lines.room('a', 0)).toBe(4);
  });

  it.each([
    ['fails', { well: false, ms: 5 }],
    ['is slow', { well: true, ms: 2_000 }],
  ])('that %s loses half each time, down to one', (_, post) => {
    const lines = open();
    earn(lines, 'a');
    const rooms = [1, 2, 3].map(() => {
      for (const place of take(lines, 'a', 1)) lines.free(place, post);
      return lines.room('a', 0);
    });

    expect(rooms).toEqual([2, 1, 1]);
  });

  it('gives back what it took and did not need, and is not judged by it', () => {
    const lines = open();
    for (const place of take(lines, 'a', 2)) lines.free(place);

    expect(lines.room('a', 0)).toBe(2);
  });
});

describe('the posts of a process', () => {
  it('are enough for one that is new, also when there is just one', () => {
    expect(createLines({ posts: 1, perReceiver: 10 }, () => now).room('new', 3)).toBe(1);
  });

  it('are shared by those who wait', () => {
    const lines = open();
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) earn(lines, name);

    const rooms = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((name, i) => {
      const room = lines.room(name, 7 - i);
      take(lines, name, room);
      return room;
    });

    expect(rooms).toEqual([5, 5, 5, 5, 5, 5, 5, 5]);
    expect(lines.room('i', 0)).toBe(0);
  });

  it('are never taken by more than half by receivers that hang, however many there are', () => {
    const lines = open();
    let held = 0;
    for (let n = 0; n < 100; n++) {
      const room = lines.room(`slow-${n}`, 0);
      take(lines, `slow-${n}`, Math.min(room, 1));
      held += Math.min(room, 1);
      now += 2_000;
    }

    expect(held).toBe(BOUNDS.posts / 2);
    expect(lines.room('quick', 0)).toBe(0);
  });

  it('are found by a receiver that is known to be quick, whoever else hangs', () => {
    const lines = open();
    earn(lines, 'quick');
    for (let n = 0; n < 100; n++) take(lines, `slow-${n}`, Math.min(1, lines.room(`slow-${n}`, 0)));
    now += 2_000;

    expect(lines.room('quick', 100)).toBe(1);
    expect(lines.room('quick', 0)).toBe(8);
  });

  it('are found by it also when it was idle among more slow ones than are remembered', () => {
    const lines = open();
    earn(lines, 'quick');
    for (let n = 0; n < 1_000; n++) for (const place of take(lines, `slow-${n}`, 1)) lines.free(place, slow);
    for (let n = 0; n < 10; n++) take(lines, `hangs-${n}`, 1);
    for (const place of take(lines, 'quick', 1)) lines.free(place, quick);

    expect(lines.room('other', 0)).toBe(0);
    expect(lines.room('quick', 0)).toBe(8);
  });

  it('are asked for by any number of receivers, of which those that get none are not remembered', () => {
    const lines = open();
    earn(lines, 'quick');
    for (let n = 0; n < 1_000; n++) lines.room(`other-${n}`, 0);
    for (const place of take(lines, 'quick', 1)) lines.free(place, quick);

    expect(lines.room('quick', 0)).toBe(8);
  });

  it('are kept for the quick ones that were sent to last, once all that are remembered are quick', () => {
    const lines = open();
    for (let n = 0; n < 1_000; n++) earn(lines, `quick-${n}`);
    const known = Array.from({ length: 1_000 }, (_, n) => lines.room(`quick-${n}`, 0) === 8);

    expect(known.lastIndexOf(false)).toBe(known.indexOf(true) - 1);
    expect(known.filter(Boolean)).toHaveLength(10 * BOUNDS.posts);
  });

  it('are counted as held by one that hangs until it answers', () => {
    const lines = open();
    for (const name of ['a', 'b', 'c']) earn(lines, name);
    const places = ['a', 'b'].map((name) => take(lines, name, 5));
    now += 2_000;

    expect(lines.room('new', 0)).toBe(0);
    for (const place of places.flat()) lines.free(place, slow);
    expect(lines.room('new', 0)).toBe(2);
    expect(lines.room('c', 0)).toBe(8);
  });

  it('are counted right, whatever happens in whatever order', () => {
    const step = fc.record({
      receiver: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      passMs: fc.constantFrom(0, 400, 1_100),
      count: fc.integer({ min: 0, max: 4 }),
      well: fc.option(fc.boolean(), { nil: undefined }),
      ms: fc.constantFrom(5, 1_500),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const lines = open();
        const places: Place[] = [];
        for (const { receiver, passMs, count, well, ms } of steps) {
          now += passMs;
          if (well === undefined) places.push(...take(lines, receiver, lines.room(receiver, 0)));
          else for (const place of places.splice(0, count)) lines.free(place, { well, ms });
          expect(lines.room(receiver, 0)).toBeGreaterThanOrEqual(0);
          expect(places.length).toBeLessThanOrEqual(2 * BOUNDS.posts);
        }
        for (const place of places) lines.free(place);
        now += 2_000;

        expect(take(lines, 'new', 2)).toHaveLength(2);
        expect(lines.room('another', 0)).toBe(2);
      }),
    );
  });
});
