import { describe, expect, it } from 'vitest';
import { createLines, type Lines, type Place } from './lines.ts';

let now = 0;
const BOUNDS = { posts: 20, perReceiver: 4 };
const open = () => createLines(BOUNDS, () => now);
const take = (lines: Lines, receiver: string, count: number): Place[] =>
  Array.from({ length: count }, () => lines.take(receiver));
const quick = { well: true, ms: 5 };

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
});
