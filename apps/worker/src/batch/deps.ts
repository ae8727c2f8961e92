import type { BatchRules, ChunkLimits, LaneTimes, ProviderBatchId } from '@darkroom/shared/domain';
import type { CrashPoint } from '@darkroom/shared/observability';
import type { BatchChannel, Batches, Pool, ProviderBatches } from '@darkroom/shared/ports';
import type { OriginOf, PausedBatches } from '@darkroom/shared/usecases';
import type { WorkerMetrics } from '../metrics.ts';
import type { SettleDeps } from '../standard/settle-attempt.ts';

export type PlanRules = {
  /** Of one chunk. Its tokens are bounded by what the account has left. */
  limits: Omit<ChunkLimits, 'tokens'>;
  /** Tokens of all open chunks of a model; infinity = no limit. */
  enqueuedTokens: number;
  /** Open chunks of the account. */
  slots: number;
  /** A chunk that is not full waits this long for more. */
  gatherMs: number;
  /** How long things take, by model. */
  times: (model: string) => Promise<LaneTimes>;
  /** Time that each member of a chunk adds to making all of them one by one. */
  rescueMsPerJob: number;
  /** A chunk that has been pending for this long is stuck. */
  stuckMs: number;
};

/** What the batch lane needs. */
export type BatchDeps = SettleDeps & {
  channel: BatchChannel;
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
