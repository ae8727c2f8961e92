/** What is counted while the lines of a result file are read, and what an operator is told of it. */

import {
  type Answer,
  classify,
  costOn,
  type LineCounts,
  type Micros,
  NO_COUNTS,
  type ServedModel,
} from '@darkroom/shared/domain';
import type { ResultLine } from '@darkroom/shared/ports';
import type { FinishedLine } from './finish-line.ts';
import { createLineMeter } from './line-meter.ts';

const KEYS_TOLD = 5;
const KEY_MAX = 80;

export type Tally = {
  line(): void;
  unreadable(line: Extract<ResultLine, { type: 'unreadable' }>): void;
  /** A key that was not sent. */
  unknown(key: string, answer: Answer): void;
  /** The first line of its key. */
  first(ended: FinishedLine): void;
  /** A later one; it is `wasted`, unless it is `finished`. */
  duplicate(): void;
  /** What the line cost is accounted for, on its job's record or here. */
  finished(ended: FinishedLine, answer: Answer): void;
  wasted(answer: Answer): void;
  /** `waste` = what answers cost that are on no job's record. `lineBytes` = average bytes of a line, by image size. */
  sums(): { counts: LineCounts; waste: Micros; alarms: string[]; lineBytes: ReadonlyMap<string, number> };
};

/** @param served of the channel that made them: its prices; absent = the catalogue's */
export function createTally(model: string, served?: ServedModel): Tally {
  const counts = { ...NO_COUNTS };
  const strange: string[] = [];
  const meter = createLineMeter();
  let waste = 0;
  const wasted = (answer: Answer) => {
    waste += costOf(model, served, answer);
  };
  return {
    line: () => void counts.lines++,
    unreadable: ({ cut }) => {
      counts.unreadable++;
      counts.truncated ||= cut;
    },
    unknown: (key, answer) => {
      counts.unknown++;
      if (strange.length < KEYS_TOLD) strange.push(key.slice(0, KEY_MAX));
      wasted(answer);
    },
    first: ({ type }) => {
      if (type === 'settled') counts.settled++;
      else if (type === 'orphan') counts.orphans++;
    },
    duplicate: () => void counts.duplicates++,
    finished: (ended, answer) => {
      if (ended.type === 'settled') meter.note(ended.size, answer);
      else if (ended.type === 'orphan') wasted(answer);
    },
    wasted,
    sums: () => ({ counts, waste, alarms: alarmsOf(counts, strange), lineBytes: meter.averages() }),
  };
}

function alarmsOf({ duplicates, unknown, unreadable, truncated }: LineCounts, strange: string[]): string[] {
  return [
    duplicates > 0 && `${duplicates} lines repeat a key: each may be billed, the first answer counts`,
    unknown > 0 && `${unknown} lines have a key that was not sent: ${strange.join(', ')}`,
    unreadable > 0 && `${unreadable} lines cannot be read${truncated ? ', the last one is cut' : ''}`,
  ].filter((text) => typeof text === 'string');
}

/** What the provider bills for an answer that is of no use. */
function costOf(model: string, served: ServedModel | undefined, answer: Answer): Micros {
  const verdict = classify(answer);
  if (!('usage' in verdict) || verdict.usage.missing) return 0;
  const images = verdict.type === 'blocked' ? 0 : verdict.imagesBilled;
  return costOn({ served, trusted: false }, { model, size: '' }, 'batch', { usage: verdict.usage, images });
}
