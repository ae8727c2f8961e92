/** Results, from the provider's file to the last line and member. Pure. */

import type { EpochMs, Micros } from './job.ts';
import type { ProviderBatch, ProviderBatchHarvest } from './provider-batch.ts';
import { troubled } from './provider-batch-steps.ts';
import { alarm, next } from './provider-batch-steps-next.ts';

const MINUTE_MS = 60_000;
/** A result file may lag behind its batch's end; gone for good it is only after this. */
const FILE_LOOKS_MIN = 6;
const FILE_MS_MIN = 10 * MINUTE_MS;
const ALARMS_MAX = 20;

/** The result file is not there: for now, or for good. */
export function fileMissing(
  batch: ProviderBatch,
  now: EpochMs,
  random: () => number,
): { batch: ProviderBatch; gone: boolean } {
  const looks = batch.fileLooks ?? { count: 0, since: now };
  const fileLooks = { ...looks, count: looks.count + 1 };
  const gone = fileLooks.count >= FILE_LOOKS_MIN && now - fileLooks.since >= FILE_MS_MIN;
  return { batch: next(batch, { ...later(batch, now, random), fileLooks }), gone };
}

function later(batch: ProviderBatch, now: EpochMs, random: () => number): Pick<ProviderBatch, 'troubles' | 'dueAt'> {
  const { troubles, dueAt } = troubled(batch, now, random);
  return { troubles, dueAt };
}

/** A result file in our own store. */
export type RawResults = { key: string; crc32c: number; bytes: number };

/** The raw results are at rest in our own store. */
export function rawStored(batch: ProviderBatch, raw: RawResults, now: EpochMs): ProviderBatch {
  return next(batch, { harvest: { ...NO_LINES, ...raw }, dueAt: now, troubles: 0 });
}

/** What is counted line by line; who is missing shows at the end. */
export type LineCounts = Omit<Counted, 'missing'>;

export const NO_COUNTS: LineCounts = {
  lines: 0,
  settled: 0,
  orphans: 0,
  duplicates: 0,
  unknown: 0,
  unreadable: 0,
  truncated: false,
};
const NO_LINES: ProviderBatchHarvest = { ...NO_COUNTS, bytes: 0, missing: 0 };

/** A download can end early without an error; a file that tells of too little is brought again this often. */
const REREADS_MAX = 2;

/** Whether the provider may have more than what is at rest here. */
export function mayBeCut({ harvest, end }: ProviderBatch): boolean {
  if (harvest?.key === undefined || end?.responsesFile === undefined) return false;
  return !harvest.proven && (harvest.rereads ?? 0) < REREADS_MAX;
}

/** What another download has come to. The longest one counts. */
export function reread(batch: ProviderBatch, found: { raw?: RawResults; proven?: true }, now: EpochMs): ProviderBatch {
  const { harvest = NO_LINES } = batch;
  const { raw, proven } = found;
  const rereads = (harvest.rereads ?? 0) + 1;
  return next(batch, { harvest: { ...harvest, ...raw, ...(proven && { proven }), rereads }, dueAt: now, troubles: 0 });
}

/** Whether all that the provider has of its results lies here: what it tells of everything, or was brought twice. */
export function isAtRest({ harvest }: Pick<ProviderBatch, 'harvest'>): boolean {
  if (harvest?.key === undefined) return false;
  return harvest.proven === true || (harvest.missing === 0 && !harvest.truncated);
}

/** What was counted, and what an operator should know. */
export type Counted = Omit<ProviderBatchHarvest, 'key' | 'crc32c' | 'bytes' | 'doneAt' | 'rereads' | 'proven'>;

/** Every line and every member is accounted for. */
export function harvested(
  batch: ProviderBatch,
  found: { counts: Counted; waste: Micros; alarms: string[] },
  now: EpochMs,
): ProviderBatch {
  const harvest = { ...(batch.harvest ?? NO_LINES), ...found.counts, doneAt: now };
  const alarms = [...batch.alarms, ...found.alarms].slice(-ALARMS_MAX);
  return next(batch, { harvest, alarms, waste: batch.waste + found.waste, dueAt: now, troubles: 0 });
}

/** Members whose results cannot be had in time are in doubt; their file is looked for all the same. */
export function gaveUpMembers(batch: ProviderBatch, now: EpochMs): ProviderBatch {
  return next(batch, { givenUpAt: now, ...alarm(batch, 'results could not be fetched in time') });
}

/** Nothing is left to do. */
export function closed(batch: ProviderBatch): ProviderBatch {
  return next(batch, { state: 'closed' });
}
