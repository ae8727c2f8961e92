/**
 * A provider batch: a chunk of jobs that goes to the provider as one unit. Types; its decisions are in `provider-batch-steps.ts`.
 *
 *   sealing → sealed → creating → submitted → ended → closed
 *                         └── doubt: list before create, never the other way round
 */

import type { ErrorCode } from './errors.ts';
import type { AttemptRef, EpochMs, Micros, ProviderBatchId } from './job.ts';

export const PROVIDER_BATCH_STATES = ['sealing', 'sealed', 'creating', 'submitted', 'ended', 'closed'] as const;
/**
 * `sealing` = members chosen, their records not all written · `sealed` = members fixed, nothing sent · `creating` = a create
 * call may be out, the intent is recorded · `submitted` = the provider's name is known · `ended` = over at the provider,
 * to be harvested · `closed` = every member accounted for.
 */
export type ProviderBatchState = (typeof PROVIDER_BATCH_STATES)[number];

/** How a batch ended at the provider; `lost` = it never answered to its name any more. */
export const PROVIDER_ENDS = ['succeeded', 'failed', 'canceled', 'expired', 'lost'] as const;
export type ProviderEnd = (typeof PROVIDER_ENDS)[number];

export type ProviderBatch = {
  id: ProviderBatchId;
  /** Set for a batch that the provider has made of a chunk beside the one that the chunk knows. It has no members but the chunk's. */
  stray?: Stray;
  /** 1 when planned, one more with each change. */
  version: number;
  channel: string;
  model: string;
  state: ProviderBatchState;
  createdAt: EpochMs;
  /** Not to be looked at before. */
  dueAt: EpochMs;
  /** Members after sealing; more may have been planned. */
  size: number;
  estimated: Micros;
  /** Expected sums over the members, for the provider's allowances. */
  tokens: number;
  inputBytes: number;
  outputBytes: number;
  /** When the members still open are taken back from the provider, to be made in the standard lane in time. */
  rescueAt: EpochMs;
  /** Why then: members that have to leave the lane by this instant. Absent when none has to before the chunk's own deadline. */
  rescueDue?: EpochMs;
  /** How many of those members are expected to leave: others of them have not the money. */
  rescueSize?: number;
  /** Others of them would have to leave, and may not: when that is looked at again. */
  reviewAt?: EpochMs;
  /** Unique and chosen beforehand: how a batch is found again when the answer to its creation was lost. */
  displayName: string;
  /** SHA-256 (hex) of the input file, and its name at the provider: recorded once it is there. */
  input?: { sha256: string; bytes: number; fileName: string };
  /** One entry for each create call that was intended; more than one only after lists that did not show the batch. */
  creates: CreateIntent[];
  /** The provider takes no more of this model before: holds for all its chunks. */
  refusedUntil?: EpochMs;
  /** `batches/…` at the provider. */
  providerName?: string;
  submittedAt?: EpochMs;
  /** As the provider last said it. */
  providerState?: string;
  /** When it was first to be canceled: on record before the call. */
  cancelAskedAt?: EpochMs;
  /** While it still runs, it is not asked for again before. */
  cancelAgainAt?: EpochMs;
  /** Why it was to be canceled: its jobs would be late, no caller wants them any more, another one makes them, or its channel takes none. */
  cancelFor?: 'rescue' | 'callers' | 'stray' | 'channel';
  /** Since when no list shows it, and when the provider said that it knows no such name. */
  unseen?: { since: EpochMs; notFoundAt: EpochMs[] };
  /**
   * `code` = it was refused for good, by that. `partial` = it has made something before, whether or not a file tells what;
   * `empty` = by its counts it has made nothing. `awaited` = it ran, or does not answer to its name: results may come late.
   */
  end?: {
    type: ProviderEnd;
    at: EpochMs;
    message?: string;
    code?: ErrorCode;
    responsesFile?: string;
    partial?: true;
    empty?: true;
    awaited?: true;
  };
  /** The result file in our own store, and what was found in it. */
  harvest?: ProviderBatchHarvest;
  /** Looks at a result file that was not there, though it is to be. */
  fileLooks?: { count: number; since: EpochMs };
  /** When members whose results could not be had in time were given up as in doubt. */
  givenUpAt?: EpochMs;
  /** What was paid, or may have been, for images that nobody asked for, or whose job is on no record any more. */
  waste: Micros;
  /** Failed steps in a row, for the backoff. */
  troubles: number;
  /** W3C traceparents of what its members were submitted by, when traces were recorded. Bounded. */
  traces?: string[];
  /** What an operator should know: double batches, duplicate lines, unknown keys. Bounded. */
  alarms: string[];
};

/** `only` = nothing else can have come of the chunk's create calls: what this one did not make was not made. */
export type Stray = { of: ProviderBatchId; only: boolean };

/** `endedAt` = the call is over, without an answer that says how. Lists count from there on. */
export type CreateIntent = { at: EpochMs; endedAt?: EpochMs; emptyLists: number; lastListAt?: EpochMs };

/**
 * Lines by what became of them. `orphans` = those of jobs whose records have left Redis, paid for as waste. `missing` =
 * members that no line was found for.
 */
export type ProviderBatchHarvest = {
  key?: string;
  /** Of the result file, by which it is known again; SHA-256 would take as long as all else that is done with it. */
  crc32c?: number;
  bytes: number;
  lines: number;
  settled: number;
  orphans: number;
  duplicates: number;
  unknown: number;
  unreadable: number;
  missing: number;
  truncated: boolean;
  /** Downloads beside the first, of a file that does not tell of all. */
  rereads?: number;
  /** Another download was as long: the provider has no more. */
  proven?: true;
  /** When the last line and the last member were accounted for. */
  doneAt?: EpochMs;
};

/**
 * A job in a chunk; its line carries the attempt's id as key.
 *
 * It was chosen at `version` of its record: at any other it has moved on, for good, since versions never come back.
 */
export type ProviderBatchMember = AttemptRef & { version: number };
