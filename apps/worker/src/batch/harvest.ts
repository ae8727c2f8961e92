/**
 * The lines of a result file, each brought to the job it belongs to, by key.
 *
 * The provider may leave lines out, shuffle them, repeat one twenty times, add strange ones or end within one. Each line
 * is counted as exactly one of: settled, orphan, duplicate, unknown, unreadable.
 */

import { rename, rm } from 'node:fs/promises';
import {
  type Answer,
  actualCost,
  type Counted,
  classify,
  type Micros,
  type ProviderBatch,
  type ProviderBatchMember,
  type SpooledBlob,
} from '@darkroom/shared/domain';
import { createTempBlob } from '@darkroom/shared/storage/spool';
import type { BatchDeps } from './deps.ts';
import { type FinishedLine, finishLine } from './finish-line.ts';
import { inParallel } from './in-parallel.ts';
import { createLineMeter } from './line-meter.ts';
import type { Workspace } from './workspace.ts';

/** Lines in hand at a time: one that is parsed, and those whose images are on their way into the store. */
const WIDTH = 4;
const KEYS_TOLD = 5;
const KEY_MAX = 80;

export type Findings = {
  counts: Omit<Counted, 'missing'>;
  /** Attempts that a line was found for. */
  keys: ReadonlySet<string>;
  /** What answers cost that are on no job's record. */
  waste: Micros;
  alarms: string[];
  /** Average bytes of a line, by image size. */
  lineBytes: ReadonlyMap<string, number>;
};

const NO_COUNTS = { lines: 0, settled: 0, orphans: 0, duplicates: 0, unknown: 0, unreadable: 0, truncated: false };
export const NO_FINDINGS: Findings = {
  counts: NO_COUNTS,
  keys: new Set(),
  waste: 0,
  alarms: [],
  lineBytes: new Map(),
};

/** @returns `stopped` when the process must end before all is settled: the next one reads the file again */
export async function harvest(
  deps: BatchDeps,
  batch: ProviderBatch,
  members: ProviderBatchMember[],
  raw: AsyncIterable<Buffer>,
  workspace: Workspace,
): Promise<Findings | 'stopped'> {
  const byKey = new Map(members.map((member) => [member.attempt, member]));
  const keys = new Set<string>();
  const strange: string[] = [];
  const counts = { ...NO_COUNTS };
  /** Digests of images whose small copies are still to be made. */
  const kept = new Set<string>();
  /** Lines that only told of an error, by key: another one may still bring what was paid for. */
  const unanswered = new Map<string, Promise<FinishedLine>>();
  const meter = createLineMeter();
  let waste = 0;
  let stopped = false;

  const keep = ({ sha256 }: SpooledBlob) => void kept.add(sha256);
  const note = (ended: FinishedLine, answer: Answer): void => {
    if (ended.type === 'settled') meter.note(ended.size, answer);
    else if (ended.type === 'orphan') waste += costOf(batch.model, answer);
    else stopped = true;
  };

  const take = async (key: string, answer: Answer): Promise<void> => {
    const member = byKey.get(key);
    if (!member) {
      counts.unknown++;
      if (strange.length < KEYS_TOLD) strange.push(key.slice(0, KEY_MAX));
      waste += costOf(batch.model, answer);
    } else if (!keys.has(key)) {
      keys.add(key);
      const settling = finishLine(deps, batch, member, answer, keep);
      if (!isAnswered(answer)) unanswered.set(key, settling);
      const ended = await settling;
      if (ended.type === 'settled') counts.settled++;
      else if (ended.type === 'orphan') counts.orphans++;
      note(ended, answer);
    } else {
      // The first answer counts: it is the same one each time the file is read.
      counts.duplicates++;
      const first = unanswered.get(key);
      if (!first || !isAnswered(answer)) {
        waste += costOf(batch.model, answer);
        return;
      }
      unanswered.delete(key);
      await first;
      note(await finishLine(deps, batch, member, answer, keep), answer);
    }
  };

  const lines = deps.channel.readLines(raw, (line, index) =>
    createTempBlob(workspace.path(`${line}-${index}.blob`), workspace.sums),
  );
  await inParallel(lines, WIDTH, async (line) => {
    counts.lines++;
    if (line.type === 'unreadable') {
      counts.unreadable++;
      counts.truncated ||= line.cut;
      return;
    }
    try {
      if (!stopped && !deps.draining.aborted) await take(line.key, line.answer);
      else stopped = true;
    } finally {
      await Promise.all(line.answer.blobs.map((blob) => putAside(workspace, blob, kept)));
    }
  });
  if (stopped) return 'stopped';
  return { counts, keys, waste, alarms: alarmsOf(counts, strange), lineBytes: meter.averages() };
}

/** What a small copy is made of stays, under its digest, until all lines are settled; the rest goes. */
async function putAside(workspace: Workspace, { path, sha256 }: SpooledBlob, kept: ReadonlySet<string>): Promise<void> {
  if (kept.has(sha256)) await rename(path, workspace.path(sha256));
  else await rm(path, { force: true });
}

function alarmsOf(counts: typeof NO_COUNTS, strange: string[]): string[] {
  const { duplicates, unknown, unreadable, truncated } = counts;
  return [
    duplicates > 0 && `${duplicates} lines repeat a key: each may be billed, the first answer counts`,
    unknown > 0 && `${unknown} lines have a key that was not sent: ${strange.join(', ')}`,
    unreadable > 0 && `${unreadable} lines cannot be read${truncated ? ', the last one is cut' : ''}`,
  ].filter((text) => typeof text === 'string');
}

/** Whether the model has answered, be it with a refusal: that is billed, an error is not. */
function isAnswered(answer: Answer): boolean {
  return 'usage' in classify(answer);
}

/** What the provider bills for an answer that is of no use. */
function costOf(model: string, answer: Answer): Micros {
  const verdict = classify(answer);
  if (!('usage' in verdict) || verdict.usage.missing) return 0;
  return actualCost({ model, size: '' }, 'batch', verdict.usage, 0);
}
