/**
 * Which waiting jobs go to the provider together. Pure.
 *
 * A chunk is bounded by what its results will weigh before anything else: files of several gigabytes are the ones that
 * cannot be fetched, and a small chunk loses less when it expires.
 */

import type { Change } from './change.ts';
import type { ChannelSpec } from './channel.ts';
import { cheapestOn } from './channel-price.ts';
import type { EpochMs, Job, JobRequest, Micros } from './job.ts';
import { mayAfford, reroute } from './next-step-ways.ts';
import { estimateCost, inputTokens } from './price.ts';

/** What a job, or a chunk of them, is expected to weigh. */
export type Weight = { tokens: number; inputBytes: number; outputBytes: number };

export type ChunkLimits = Weight & { lines: number };

const MEGABYTE = 1_000_000;

/** Bytes of a result line by image size, base64 and thought signature included, until harvests have taught better. */
const LINE_BYTES: Readonly<Record<string, number>> = {
  '512': 2 * MEGABYTE,
  '1K': 5 * MEGABYTE,
  '2K': 10 * MEGABYTE,
  '4K': 25 * MEGABYTE,
};
/** A size that is not in the table weighs like the largest. */
const LINE_BYTES_MAX = 25 * MEGABYTE;
/** JSON around a prompt, and around a reference. */
const FRAME_BYTES = 1_024;
const UTF8_MAX = 3;

/** Bytes of one result line. @param learnt averages of earlier harvests, by size */
export function lineBytes(size: string, learnt: ReadonlyMap<string, number>): number {
  return learnt.get(size) ?? LINE_BYTES[size] ?? LINE_BYTES_MAX;
}

export function weigh(request: JobRequest, learnt: ReadonlyMap<string, number>): Weight {
  const references = request.references.reduce((sum, { bytes }) => sum + Math.ceil(bytes / 3) * 4 + FRAME_BYTES, 0);
  return {
    tokens: inputTokens(request),
    inputBytes: FRAME_BYTES + request.prompt.length * UTF8_MAX + references,
    outputBytes: lineBytes(request.size, learnt),
  };
}

function add(a: Weight, b: Weight): Weight {
  return {
    tokens: a.tokens + b.tokens,
    inputBytes: a.inputBytes + b.inputBytes,
    outputBytes: a.outputBytes + b.outputBytes,
  };
}

const NOTHING: Weight = { tokens: 0, inputBytes: 0, outputBytes: 0 };

export function weighAll(requests: JobRequest[], learnt: ReadonlyMap<string, number>): Weight {
  return requests.reduce((sum, request) => add(sum, weigh(request, learnt)), NOTHING);
}

export function fitsChunk(weight: Weight, lines: number, limits: ChunkLimits): boolean {
  return (
    lines <= limits.lines &&
    weight.tokens <= limits.tokens &&
    weight.inputBytes <= limits.inputBytes &&
    weight.outputBytes <= limits.outputBytes
  );
}

/** `full` = the next one would not fit any more, so there is nothing to wait for. */
export type Chunk = { members: Job[]; weight: Weight; full: boolean };

/**
 * The first jobs that fit together, in the order given, which is the pool's: whoever is to go first is never passed by.
 *
 * Each of them has to fit by itself. @see fitsChunk
 */
export function cutChunk(waiting: Job[], limits: ChunkLimits, learnt: ReadonlyMap<string, number>): Chunk {
  const members: Job[] = [];
  let weight = NOTHING;
  for (const job of waiting) {
    const more = add(weight, weigh(job.request, learnt));
    if (!fitsChunk(more, members.length + 1, limits)) return { members, weight, full: true };
    members.push(job);
    weight = more;
  }
  return { members, weight, full: members.length === limits.lines };
}

/** How long things take, for telling what would be late. */
export type LaneTimes = {
  /** 95 % of the calls of the standard lane, and a margin for the way there and for the others that come along. */
  standardMs: number;
  /** What a provider batch needs at the very least. */
  batchMsMin: number;
};

type Specs = readonly ChannelSpec[];

/** The way out of the batch lane: how long it takes, and the channels there are. */
export type WayOut = LaneTimes & { specs: Specs };

/**
 * What a job is expected to cost by itself: the price of the cheapest channel that may carry it, and the catalogue's when
 * none may.
 *
 * The cheapest, because that is what it needs at least: the standard lane asks no channel that the job's own `max_cost`
 * does not pay for, so whoever can pay for one of them need not stay. And a submission or a quote reserves by the same
 * measure: by the dearest, the `max_cost` of a batch would keep rows from a lane that they could have been sent to at first.
 */
function costByItself({ request }: Job, specs: Specs): Micros {
  return cheapestOn(request, 'standard', specs) ?? estimateCost(request, 'standard');
}

/** Whether the job's own `max_cost` lets it leave for the standard lane. */
export function mayLeaveBatch(job: Job, specs: Specs): boolean {
  // Most have none, and there are thousands of them to be asked about, again and again.
  return job.request.maxCost === undefined || mayAfford(job, costByItself(job, specs));
}

/** When a job has to leave the batch lane to be made in time; `undefined` when `max_cost` keeps it there. */
export function leaveBatchBy(job: Job, { standardMs, specs }: Omit<WayOut, 'batchMsMin'>): EpochMs | undefined {
  return mayLeaveBatch(job, specs) ? job.state.expiresAt - standardMs : undefined;
}

/** What the job is expected to cost more once it has left for the standard lane. */
export function costOfLeaving(job: Job, specs: Specs): Micros {
  return costByItself(job, specs) - job.state.estimated;
}

/** Sends a waiting job on by itself. @see reroute */
export function leaveBatch(
  job: Job,
  { reason, specs }: { reason: string; specs: Specs },
  now: EpochMs,
): Change | undefined {
  return reroute(job, 'standard', reason, now, costByItself(job, specs));
}

/** Too late for a provider batch, and not for an ordinary call. */
export function isLateForBatch(job: Job, way: WayOut, now: EpochMs): boolean {
  const leaveBy = leaveBatchBy(job, way);
  return leaveBy !== undefined && now + way.batchMsMin >= leaveBy;
}

const HOUR_MS = 3_600_000;
/** A chunk is taken back for the first of its members' deadlines: those of one chunk lie in the same one of these spans, or behind. Those that never leave are by themselves. */
const HASTE_MS = [HOUR_MS, 4 * HOUR_MS, Number.MAX_SAFE_INTEGER];

/** Jobs in groups that have about as long to stay, so that nobody's chunk is taken back for the haste of a stranger. */
export function byHaste(jobs: Job[], way: WayOut, now: EpochMs): Job[][] {
  const hasteOf = (job: Job) => {
    const leaveBy = leaveBatchBy(job, way) ?? Number.POSITIVE_INFINITY;
    return HASTE_MS.filter((ms) => leaveBy > now + ms).length;
  };
  return [...Map.groupBy(jobs, hasteOf).values()];
}
