/**
 * The lines of a result file, each brought to the job it belongs to, by key.
 *
 * The provider may leave lines out, shuffle them, repeat one twenty times, add strange ones or end within one. Each line
 * is counted as exactly one of: settled, duplicate, unknown, unreadable.
 */

import { rename, rm } from 'node:fs/promises';
import {
  type Answer,
  actualCost,
  attribute,
  begin,
  type Counted,
  classify,
  type Job,
  type Micros,
  type ProviderBatch,
  type ProviderBatchMember,
  type SpooledBlob,
} from '@darkroom/shared/domain';
import { createTempBlob } from '@darkroom/shared/storage/spool';
import { ifReadable, updateJob } from '@darkroom/shared/usecases';
import { finishOrphan } from '../standard/orphan.ts';
import { settleAttempt } from '../standard/settle-attempt.ts';
import type { BatchDeps } from './deps.ts';
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
  waste: Micros;
  alarms: string[];
  /** Average bytes of a line, by image size. */
  lineBytes: ReadonlyMap<string, number>;
};

const NO_COUNTS = { lines: 0, settled: 0, duplicates: 0, unknown: 0, unreadable: 0, truncated: false };
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
  const meter = createLineMeter();
  let waste = 0;
  let stopped = false;

  const take = async (key: string, answer: Answer): Promise<void> => {
    const member = byKey.get(key);
    if (!member) {
      counts.unknown++;
      if (strange.length < KEYS_TOLD) strange.push(key.slice(0, KEY_MAX));
      waste += costOf(batch.model, answer);
    } else if (keys.has(key)) {
      // The first one counts: it is the same one each time the file is read.
      counts.duplicates++;
      waste += costOf(batch.model, answer);
    } else {
      keys.add(key);
      counts.settled++;
      const ended = await settleLine(deps, batch, member, answer, ({ sha256 }) => kept.add(sha256));
      if (ended.stopped) stopped = true;
      else meter.note(ended.size, answer);
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
    duplicates > 0 && `${duplicates} lines repeat a key: each may be billed, the first one counts`,
    unknown > 0 && `${unknown} lines have a key that was not sent: ${strange.join(', ')}`,
    unreadable > 0 && `${unreadable} lines cannot be read${truncated ? ', the last one is cut' : ''}`,
  ].filter((text) => typeof text === 'string');
}

/** `size` = of the image that was asked for, when that is known. */
type SettledLine = { stopped: boolean; size?: string };

async function settleLine(
  deps: BatchDeps,
  batch: ProviderBatch,
  { tenant, job: id, attempt: sent }: ProviderBatchMember,
  answer: Answer,
  keep: (blob: SpooledBlob) => void,
): Promise<SettledLine> {
  const billed = classify(answer).type !== 'rejected';
  const found = await ifReadable(onRecord(deps, batch, { tenant, job: id, attempt: sent }, billed));
  const ref = { tenant, job: id, attempt: found?.attempt ?? sent };
  const orphan = async () => ({ stopped: (await ifReadable(finishOrphan(deps, ref, answer))) === 'stopped' });
  if (!found) return orphan();
  const { job, attempt } = found;
  if (attempt === undefined) return { stopped: false, size: job.request.size };
  const known = job.state.attempts.find((one) => one.id === attempt);
  const settled = known?.state === 'settled' && [...job.state.images, ...job.state.lateImages].length === 0;
  // Settled in an earlier reading without an image, or given up for good: a line changes nothing.
  if (settled || known?.state === 'rejected') return { stopped: false, size: job.request.size };
  const ms = deps.clock.now() - (known?.startedAt ?? batch.createdAt);
  const ended = await settleAttempt(
    deps,
    job,
    ref,
    { type: 'answered', answer: { ...answer, ms } },
    {
      channel: batch.channel,
      tellStoring: false,
      stored: () => deps.crash('chunk.line_stored'),
      settled: () => deps.crash('chunk.line_settled'),
      keepForLater: keep,
    },
  );
  return ended === 'unrecorded' ? orphan() : { stopped: ended === 'stopped', size: job.request.size };
}

/**
 * The job, and the attempt of it that the line is settled as; without one the line changes nothing. A record that Redis
 * has lost the attempt of takes it again, if no other has begun.
 */
async function onRecord(
  { ledger, clock }: BatchDeps,
  batch: ProviderBatch,
  { tenant, job: id, attempt }: { tenant: string; job: string; attempt: string },
  billed: boolean,
): Promise<{ job: Job; attempt: string | undefined } | undefined> {
  const knows = ({ state }: Job) => state.attempts.some((one) => one.id === attempt);
  const attributed = (job: Job) => attribute(job, attempt, batch, { billed, now: clock.now() });
  const updated = await updateJob(ledger, tenant, id, (job) => {
    if (knows(job)) return attributed(job)?.change;
    const begun = begin(job, { id: attempt, channel: batch.channel, providerBatch: batch.id }, clock.now());
    return begun.type === 'go' ? begun.change : undefined;
  });
  if (!updated || !knows(updated.job)) return undefined;
  return { job: updated.job, attempt: attributed(updated.job)?.attempt };
}

/** What the provider bills for an answer that is of no use. */
function costOf(model: string, answer: Answer): Micros {
  const verdict = classify(answer);
  if (!('usage' in verdict) || verdict.usage.missing) return 0;
  return actualCost({ model, size: '' }, 'batch', verdict.usage, 0);
}
