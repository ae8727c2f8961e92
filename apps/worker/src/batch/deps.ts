import type { BatchRules, ChannelSpec, ChunkLimits, LaneTimes, Place, ProviderBatchId } from '@darkroom/shared/domain';
import type { CrashPoint } from '@darkroom/shared/observability';
import type { BatchChannel, Batches, Pool, ProviderBatches } from '@darkroom/shared/ports';
import type { OriginOf, PausedBatches } from '@darkroom/shared/usecases';
import type { WorkerMetrics } from '../metrics.ts';
import type { SettleDeps } from '../standard/settle-attempt.ts';

export type PlanRules = {
  /** Of one chunk. Its tokens are bounded by what the account has left. */
  limits: Omit<ChunkLimits, 'tokens'>;
  /** A chunk that is not full waits this long for more. */
  gatherMs: number;
  /** How long things take, by model. */
  times: (model: string) => Promise<LaneTimes>;
  /** Time that each member of a chunk adds to making all of them one by one. */
  rescueMsPerJob: number;
  /** A chunk that has been pending for this long is stuck. */
  stuckMs: number;
};

/** One of the accounts that carry the batch lane side by side. */
export type BatchAccount = {
  spec: ChannelSpec;
  channel: BatchChannel;
  /** Most open chunks. */
  slots: number;
  /** Tokens of all open chunks of a model; infinity = no limit. */
  enqueuedTokens: number;
};

/** By the id of their channel, in the order of the configuration. */
export type BatchAccounts = ReadonlyMap<string, BatchAccount>;

/** What the batch lane needs. */
export type BatchDeps = SettleDeps & {
  accounts: BatchAccounts;
  /** All channels, of whatever lane: a job that no account takes may be made by another one. */
  specs: readonly ChannelSpec[];
  /** Whether an operator, a refused key or a retired model keeps everything from a place. */
  isOut: (place: Place) => Promise<boolean>;
  batches: ProviderBatches;
  pool: Pool;
  isPaused: PausedBatches;
  originOf: OriginOf;
  /** The callers' batches, told which chunks carry their rows, and asked for their money. */
  callers: Pick<Batches, 'carriedBy' | 'read' | 'totals'>;
  rules: BatchRules;
  plan: PlanRules;
  /** What a dead process was working on is taken over after this. */
  holdMs: number;
  /** Time between two lists. */
  pollMs: number;
  /** Where files lie that need not outlive this process. */
  folder: string;
  newId: () => ProviderBatchId;
  newAttemptId: () => string;
  metrics: WorkerMetrics;
  crash: CrashPoint;
  /** Aborted when the process must end at once: calls are cut. */
  stopping: AbortSignal;
};
