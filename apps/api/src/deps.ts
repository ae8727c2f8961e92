import type { ChannelsConfig, Secret } from '@darkroom/shared/config';
import type { ActionId, BatchId, EndpointId, Job, Reference, Tenant } from '@darkroom/shared/domain';
import type { SafeFetch } from '@darkroom/shared/net';
import type { CrashPoint, Log } from '@darkroom/shared/observability';
import type {
  Actions,
  ApiKeys,
  Batches,
  Breakers,
  Changes,
  Clock,
  Deliveries,
  Endpoints,
  EventLog,
  Ingests,
  JobWalk,
  Latency,
  Ledger,
  Lines,
  Quotas,
  Quotes,
  SubmissionRate,
  Templates,
} from '@darkroom/shared/ports';
import type { DoctorView, ReferenceBody } from '@darkroom/shared/schemas';
import type { OpenedStore } from '@darkroom/shared/storage';
import type { ChannelTeller, Outbox, PausedBatches, Places, UrlCheck } from '@darkroom/shared/usecases';
import type { SecretSeal } from '@darkroom/shared/webhooks';
import type { Pace } from './http/slow-body.ts';
import type { ApiMetrics } from './metrics.ts';

export type Health = { ready: boolean; checks: Record<string, string> };

/** Everything the routes need; built in `compose.ts`. */
export type ApiDeps = {
  log: Log;
  metrics: ApiMetrics;
  clock: Clock;
  keys: ApiKeys;
  ledger: Ledger;
  quotas: Quotas;
  breakers: Breakers;
  /** How both stand. */
  places: Places;
  channelTeller: ChannelTeller;
  store: OpenedStore;
  /** Where callers reach this API. */
  publicUrl: string;
  /** Every way to reach a model, without its secrets. */
  channels: ChannelsConfig;
  batches: Batches;
  isPaused: PausedBatches;
  actions: Actions;
  walk: JobWalk;
  ingests: Ingests;
  templates: Templates;
  quotes: Quotes;
  latency: Latency;
  lines: Lines;
  submissions: SubmissionRate;
  changes: Changes;
  events: EventLog;
  endpoints: Endpoints;
  deliveries: Deliveries;
  outbox: Outbox;
  /** Where the provider tells that a batch is over; none = it is not asked to. `cause` names what it tells. */
  providerWebhook?: { secret: Secret; wake: (cause: string) => Promise<void> };
  safeFetch: SafeFetch;
  /** Looks at an address that is to be posted to. */
  checkUrl: UrlCheck;
  /** What secrets of webhook endpoints are kept under. */
  secrets: SecretSeal;
  /** What signs for addresses that a tenant's jobs name: derived, by generation. */
  ownSecret: (tenant: Tenant, generation: number) => string;
  newJobId: () => Job['id'];
  newBatchId: () => BatchId;
  newActionId: () => ActionId;
  newEndpointId: () => EndpointId;
  resolveReferences: (tenant: Tenant, references: ReferenceBody[]) => Promise<Reference[]>;
  deadlineMs: number;
  bodyLimitMb: number;
  /** How slowly the body of a batch may come. */
  batchPace: Pace;
  /** Of all bodies in memory at one time. */
  bodiesMaxMb: number;
  /** Requests a minute without a good key, of one address. */
  authFailuresMax: number;
  health: () => Promise<Health>;
  /** What is wrong with this installation. */
  doctor: () => Promise<DoctorView>;
  /** Whether new jobs are taken: not while Redis is unfit to keep them. */
  accepting: () => boolean;
  /** A stream of events is never silent for longer than this. */
  heartbeatMs: number;
  /** Aborted when the process begins to stop: waiting requests are answered at once. */
  draining: AbortSignal;
  crash: CrashPoint;
};
