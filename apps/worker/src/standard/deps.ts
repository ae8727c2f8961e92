import type { ChannelSpec } from '@darkroom/shared/domain';
import type { CrashPoint, Log } from '@darkroom/shared/observability';
import type {
  Breakers,
  CallNotes,
  Channel,
  Clock,
  Exchange,
  Latency,
  Ledger,
  Lines,
  ObjectStore,
  Quotas,
  Spool,
  SpoolEntry,
} from '@darkroom/shared/ports';
import type { ChannelTeller, OriginOf, Outbox, PausedBatches, Places } from '@darkroom/shared/usecases';
import type { WorkerMetrics } from '../metrics.ts';
import type { Slots } from './slots.ts';

/** An attempt that could not be brought to its end, and what this process knows of its call. */
export type Unfinished = { entry: SpoolEntry; exchange: Exchange };

/** The configured channels, opened. */
export type Channels = { specs: readonly ChannelSpec[]; get(id: string): Channel | undefined };

/** What an attempt needs. */
export type AttemptDeps = {
  ledger: Ledger;
  store: ObjectStore;
  spool: Spool;
  channels: Channels;
  quotas: Quotas;
  breakers: Breakers;
  lines: Lines;
  places: Places;
  /** Tells operators how channels fare. */
  channelTeller: ChannelTeller;
  latency: Latency;
  calls: CallNotes;
  outbox: Outbox;
  clock: Clock;
  random: () => number;
  newAttemptId: () => string;
  slots: Slots;
  log: Log;
  metrics: WorkerMetrics;
  crash: CrashPoint;
  /** Answers of this process that could not be brought to an end yet; tried again with those of dead processes. */
  unfinished: Set<Unfinished>;
  /** A call is given up after this long, or the model's own limit if that is less. */
  callMsMax: number;
  isPaused: PausedBatches;
  originOf: OriginOf;
  /** Bytes in the spool above which no new call leaves. */
  spoolBytesMax: number;
  /** Aborted when the process begins to stop: calls in flight end, no new one leaves. */
  draining: AbortSignal;
  /** Aborted when the process must end at once: calls are cut. */
  stopping: AbortSignal;
};
