/**
 * The lines of a result file, each brought to the job it belongs to, by key.
 *
 * The provider may leave lines out, shuffle them, repeat one twenty times, add strange ones or end within one. Each line
 * is counted as exactly one of: settled, orphan, duplicate, unknown, unreadable.
 */

import { rename, rm } from 'node:fs/promises';
import {
  type Answer,
  classify,
  NO_COUNTS,
  type ProviderBatch,
  type ProviderBatchMember,
  type SpooledBlob,
} from '@darkroom/shared/domain';
import { createTempBlob } from '@darkroom/shared/storage/spool';
import { channelOf, servedIn } from './accounts.ts';
import type { BatchDeps } from './deps.ts';
import { type FinishedLine, finishLine } from './finish-line.ts';
import { inParallel } from './in-parallel.ts';
import { createTally, type Tally } from './tally.ts';
import type { Workspace } from './workspace.ts';

/** Lines in hand at a time: one that is parsed, and those whose images are on their way into the store. */
const WIDTH = 4;

/** `keys` = attempts that a line was found for. */
export type Findings = ReturnType<Tally['sums']> & { keys: ReadonlySet<string> };

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
  /** Lines that only told of an error, by key: another one may still bring what was paid for. */
  const unanswered = new Map<string, Promise<FinishedLine>>();
  /** Digests of images whose small copies are still to be made. */
  const kept = new Set<string>();
  const tally = createTally(batch.model, servedIn(deps, batch));
  let stopped = false;

  const finish = async (member: ProviderBatchMember, answer: Answer): Promise<FinishedLine> => {
    const ended = await finishLine(deps, batch, member, answer, ({ sha256 }) => kept.add(sha256));
    tally.finished(ended, answer);
    if (ended.type === 'stopped') stopped = true;
    return ended;
  };

  const takeFirst = async (member: ProviderBatchMember, answer: Answer): Promise<void> => {
    keys.add(member.attempt);
    const finishing = finish(member, answer);
    if (!isAnswered(answer)) unanswered.set(member.attempt, finishing);
    tally.first(await finishing);
  };

  /** The first answer counts: it is the same one each time the file is read. */
  const takeAnother = async (member: ProviderBatchMember, answer: Answer): Promise<void> => {
    tally.duplicate();
    const first = unanswered.get(member.attempt);
    if (!first || !isAnswered(answer)) return tally.wasted(answer);
    unanswered.delete(member.attempt);
    await first;
    await finish(member, answer);
  };

  const take = async (key: string, answer: Answer): Promise<void> => {
    const member = byKey.get(key);
    if (!member) tally.unknown(key, answer);
    else await (keys.has(key) ? takeAnother : takeFirst)(member, answer);
  };

  const lines = channelOf(deps, batch).readLines(raw, (line, index) =>
    createTempBlob(workspace.path(`${line}-${index}.blob`), workspace.sums),
  );
  await inParallel(lines, WIDTH, async (line) => {
    tally.line();
    if (line.type === 'unreadable') return tally.unreadable(line);
    try {
      if (!stopped && !deps.draining.aborted) await take(line.key, line.answer);
      else stopped = true;
    } finally {
      await Promise.all(line.answer.blobs.map((blob) => putAside(workspace, blob, kept)));
    }
  });
  return stopped ? 'stopped' : { ...tally.sums(), keys };
}

/** What a small copy is made of stays, under its digest, until all lines are settled; the rest goes. */
async function putAside(workspace: Workspace, { path, sha256 }: SpooledBlob, kept: ReadonlySet<string>): Promise<void> {
  if (kept.has(sha256)) await rename(path, workspace.path(sha256));
  else await rm(path, { force: true });
}

/** Whether the model has answered, be it with a refusal: that is billed, an error is not. */
function isAnswered(answer: Answer): boolean {
  return 'usage' in classify(answer);
}
