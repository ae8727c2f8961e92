/**
 * The job: the only unit of work.
 *
 * A record has an immutable request and a mutable state. The state changes only by the pure decisions of
 * `attempt.ts` and `control.ts`, and each change is written by one script that checks `version`, so two writers never both win.
 */

import type { OwnWebhook } from './endpoint.ts';
import type { ErrorCode } from './errors.ts';

export type JobId = string;
export type AttemptId = string;
/** A caller's named set of jobs. */
export type BatchId = string;
/** One chunk of jobs at the provider. */
export type ProviderBatchId = string;
export type Tenant = string;
/** Milliseconds since the epoch. */
export type EpochMs = number;
/** Integer millionths of a US dollar. */
export type Micros = number;

export const JOB_STATUSES = ['queued', 'running', 'succeeded', 'blocked', 'failed', 'canceled', 'expired'] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

export const PHASES = [
  'accumulating',
  'rate_limited',
  'parked',
  'backoff',
  'held',
  'generating',
  'in_provider_batch',
  'storing',
  'reconciling',
] as const;
export type Phase = (typeof PHASES)[number];

/** How a job travels: an ordinary call, or inside a provider batch at half the price. */
export const LANES = ['standard', 'batch'] as const;
export type Lane = (typeof LANES)[number];

export const ON_UNKNOWN_OUTCOME = ['retry', 'hold', 'fail'] as const;
export type OnUnknownOutcome = (typeof ON_UNKNOWN_OUTCOME)[number];

export const REFERENCE_ROLES = ['object', 'character', 'style'] as const;
export type ReferenceRole = (typeof REFERENCE_ROLES)[number];

export const IMAGE_MIMES = ['image/png', 'image/jpeg', 'image/webp'] as const;
export type ImageMime = (typeof IMAGE_MIMES)[number];

/** A reference image, resolved: its bytes lie in the object store under `key`. */
export type Reference = {
  key: string;
  sha256: string;
  mime: ImageMime;
  bytes: number;
  width: number;
  height: number;
  role?: ReferenceRole;
  name?: string;
};

export type SafetySetting = { category: string; threshold: string };

/** How the caller wants it to reach a model. */
export type Routing = {
  /** Only these channels. */
  channels?: string[];
  /** Catalogue ids that may make it instead, in this order, once no channel can with the one before; `model` is the first. */
  models?: string[];
  /** A second channel may be called when the first has been slow. */
  hedge?: true;
  /** When everything failed, a labelled image made here ends it. */
  placeholder?: true;
};

/** What the caller asked for, validated, defaults filled in, references resolved. Never changes, but for the priority. */
export type JobRequest = {
  prompt: string;
  /** `name@version` of the template that wrote the prompt. */
  template?: string;
  /** A model id of the catalogue, aliases resolved. */
  model: string;
  size: string;
  aspectRatio?: string;
  seed?: number;
  thinking?: string;
  references: Reference[];
  tools: 'google_search'[];
  safety: SafetySetting[];
  lane: Lane;
  maxCost?: Micros;
  /** 1 (last) to 9 (first). */
  priority: number;
  onUnknownOutcome: OnUnknownOutcome;
  /** How long a finished twin is still joined; `false` = never join a twin. */
  dedup: { windowMs: number } | false;
  cache?: { ttlMs: number };
  tags: string[];
  metadata: Record<string, string>;
  webhook?: OwnWebhook;
  routing?: Routing;
  /** Id of the key it was submitted with, where that key has limits of its own. */
  key?: string;
  /** The caller's batch that the job is a row of, and the row's key. */
  batch?: { id: BatchId; key: string };
};

/** `open` = sent and not yet ended; the others say how it ended, as far as anyone can know. */
export type AttemptState = 'open' | 'settled' | 'rejected' | 'in_doubt';

export type Attempt = {
  id: AttemptId;
  channel: string;
  model: string;
  lane: Lane;
  /** The chunk that carries it, in the batch lane. */
  providerBatch?: ProviderBatchId;
  state: AttemptState;
  startedAt: EpochMs;
  ms?: number;
  tokens?: number;
  cost?: Micros;
  error?: ErrorCode;
  reason?: string;
  /** What it was expected to cost there, where that is not what the job was estimated at. */
  estimate?: Micros;
  /** Beside another that was slow. */
  hedge?: true;
};

/** An image at rest. */
export type StoredImage = {
  /** Index within the job. */
  n: number;
  key: string;
  mime: string;
  width: number;
  height: number;
  bytes: number;
  sha256: string;
  /** Which model made it, where it is not the one that was asked for. */
  model?: string;
  /** Made here, in place of an image that nobody made. */
  placeholder?: true;
};

export type JobError = {
  code: ErrorCode;
  /** Shown to the caller. */
  detail: string;
  upstream?: {
    channel: string;
    http?: number;
    finishReason?: string;
    blockReason?: string;
    quotaId?: string;
    message?: string;
  };
};

export type JobState = {
  status: JobStatus;
  phase?: Phase;
  createdAt: EpochMs;
  startedAt?: EpochMs;
  completedAt?: EpochMs;
  /** The deadline: an open job past it expires. */
  expiresAt: EpochMs;
  /** Not to be attempted before. */
  runAt: EpochMs;
  attempts: Attempt[];
  /** The attempt that holds the lease, if any. A terminal job may still have one: its image would be late. */
  open?: AttemptId;
  estimated: Micros;
  /** The model of its chain that makes it now; absent = the one it asked for. */
  model?: string;
  /** How it travels now, and why; absent = as `request.lane` says. */
  route?: { lane: Lane; reason: string };
  images: StoredImage[];
  lateImages: StoredImage[];
  text?: string;
  grounding?: unknown;
  error?: JobError;
  /** The twin whose result this job shares. */
  leader?: JobId;
  /** W3C traceparent of what made it, for the spans of its attempts; absent when no trace was recorded. A row's is its batch's. */
  trace?: string;
  /** How the result was come by: `joined` a twin, or out of the result `cache`. */
  source?: 'joined' | 'cache';
  warnings?: string[];
};

export type Job = {
  id: JobId;
  tenant: Tenant;
  /** 1 when admitted, one more with each change. */
  version: number;
  fingerprint: string;
  request: JobRequest;
  state: JobState;
};

/** Names one attempt, wherever it is spoken of outside its job's record. */
export type AttemptRef = { tenant: Tenant; job: JobId; attempt: AttemptId };

const TERMINAL: ReadonlySet<JobStatus> = new Set(['succeeded', 'blocked', 'failed', 'canceled', 'expired']);

export function isTerminal(status: JobStatus): boolean {
  return TERMINAL.has(status);
}

/** The model that makes it now. */
export function modelOf(job: Pick<Job, 'request' | 'state'>): string {
  return job.state.model ?? job.request.model;
}

/** The lane the job is on now. */
export function laneOf(job: Pick<Job, 'request' | 'state'>): Lane {
  return job.state.route?.lane ?? job.request.lane;
}

/** Queued, with nobody else to wait for: some worker has to be told. */
export function isAwaitingWake(state: JobState): boolean {
  return state.status === 'queued' && !state.leader && state.phase !== 'held' && !state.open;
}
