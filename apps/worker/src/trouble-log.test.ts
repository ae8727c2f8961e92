import { expect, it } from 'vitest';
import { createTroubleLog } from './trouble-log.ts';

const SECOND = 1_000;

/** A log of troubles, and the lines it wrote: event, and how often it had come. */
function open() {
  const lines: [event: string, times: unknown][] = [];
  const stacks: boolean[] = [];
  const write = (fields: { times?: unknown; stack?: unknown }, event: string) => {
    lines.push([event, fields.times]);
    stacks.push(fields.stack !== undefined);
  };
  const log = { debug: write, info: write, warn: write, error: write };
  const time = { at: 0 };
  const trouble = createTroubleLog(log, { begun: 'it.failed', over: 'it.recovered' }, { now: () => time.at });
  const fail = (times: number, everyMs: number, words = 'away') => {
    for (let n = 0; n < times; n++, time.at += everyMs) trouble.happened(new Error(words));
  };
  return { lines, stacks, time, trouble, fail };
}

it('tells of a trouble when it begins, once a minute with how often it came, and when it is over', () => {
  const { lines, stacks, trouble, fail } = open();

  fail(1_800, 100);
  trouble.over();
  trouble.over();

  expect(lines).toEqual([
    ['it.failed', undefined],
    ['it.failed', 601],
    ['it.failed', 1_201],
    ['it.recovered', 1_800],
  ]);
  expect(stacks).toEqual([true, false, false, false]);
});

it('tells of another trouble at once, but not of any number of them', () => {
  const { lines, fail } = open();

  for (let n = 0; n < 100; n++) fail(2, 1, `the lock of ${n} is gone`);

  expect(lines).toHaveLength(10);
});

it('takes what comes after a minute of quiet for a new trouble', () => {
  const { lines, stacks, time, fail } = open();

  fail(3, SECOND);
  time.at += 61 * SECOND;
  fail(3, SECOND);

  expect(lines).toEqual([
    ['it.failed', undefined],
    ['it.failed', undefined],
  ]);
  expect(stacks).toEqual([true, true]);
});

it('says nothing of what goes well', () => {
  const { lines, trouble } = open();

  trouble.over();

  expect(lines).toEqual([]);
});
