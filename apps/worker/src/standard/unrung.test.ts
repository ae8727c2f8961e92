import { describe, expect, it } from 'vitest';
import type { Ran } from './run-attempt.ts';
import { createUnrung } from './unrung.ts';

/** So many jobs stand in line, each call lasts until it is let go. */
function openLine(jobs: number, { room = 20 } = {}) {
  const draining = new AbortController();
  const calls: (() => void)[] = [];
  const line = { left: jobs, room };
  const run = async (): Promise<Ran> => {
    if (line.left === 0) return { type: 'empty' };
    line.left--;
    await new Promise<void>((resolve) => calls.push(resolve));
    return { type: 'done' };
  };
  const unrung = createUnrung({
    run,
    room: () => line.room,
    waiting: async () => line.left,
    draining: draining.signal,
  });
  const letGo = async () => {
    while (calls.length) {
      for (const end of calls.splice(0)) end();
      await new Promise(setImmediate);
    }
  };
  const look = async () => {
    await unrung.look();
    await new Promise(setImmediate);
  };
  return { draining, calls, line, unrung, letGo, look };
}

describe('turns that no message rings for', () => {
  it('serve side by side all who stand in line, and end with them', async () => {
    const { calls, line, unrung, letGo, look } = openLine(5);

    await look();
    expect(calls).toHaveLength(5);
    await letGo();
    await unrung.idle();

    expect(line.left).toBe(0);
  });

  it('are as many as there is room for, however often they are asked for', async () => {
    const { calls, line, unrung, letGo, look } = openLine(50, { room: 4 });

    await look();
    await look();

    expect(calls).toHaveLength(4);
    await letGo();
    await unrung.idle();
    expect(line.left).toBe(0);
  });

  it('leave the rest to messages when there are enough of those', async () => {
    const { calls, line, unrung, letGo, look } = openLine(50, { room: 4 });
    await look();

    line.room = 0;
    await letGo();
    await unrung.idle();

    expect(line.left).toBe(46);
    await look();
    expect(calls).toEqual([]);
  });

  it('begin no more once the worker drains', async () => {
    const { draining, line, unrung, letGo, look } = openLine(50, { room: 4 });
    await look();

    draining.abort();
    await letGo();
    await unrung.idle();
    await look();

    expect(line.left).toBe(46);
  });
});
