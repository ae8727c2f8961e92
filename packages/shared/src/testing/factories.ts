/** Jobs and what happens to them, filled in where a test does not care. */

import type { AttemptEnd } from '../domain/attempt-end.ts';
import type { Attempt, EpochMs, Job, JobError, JobRequest, JobState, Reference, StoredImage } from '../domain/job.ts';
import type { Verdict } from '../domain/verdict.ts';

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
/** When tests happen: 2026-11-20, noon UTC. */
export const NOON: EpochMs = Date.UTC(2026, 10, 20, 12);

/** What a test says about a job: any field of the record, the request's and the state's one by one. */
export type JobOverrides = Partial<Omit<Job, 'request' | 'state'>> & {
  request?: Partial<JobRequest>;
  state?: Partial<JobState>;
};

/** A job as it was admitted at `NOON`, with an hour to live. */
export function aJob({ request, state, ...rest }: JobOverrides = {}): Job {
  return {
    id: 'job_019aa0b1c2d37e4f8a9b0c1d2e3f4a5b',
    tenant: 'default',
    version: 1,
    fingerprint: 'fingerprint-of-the-red-mug',
    request: aRequest(request),
    state: aState(state),
    ...rest,
  };
}

/** The request of one red mug, joined by its twins for a minute. */
export function aRequest(overrides: Partial<JobRequest> = {}): JobRequest {
  return {
    prompt: 'a red mug on an oak table',
    model: 'gemini-nano-banana-2.1',
    size: '1K',
    references: [],
    tools: [],
    safety: [],
    lane: 'standard',
    priority: 5,
    onUnknownOutcome: 'retry',
    dedup: { windowMs: MINUTE },
    tags: [],
    metadata: {},
    ...overrides,
  };
}

/** Three bytes that a request brings along. */
export function aReference(overrides: Partial<Reference> = {}): Reference {
  return { key: 'k', sha256: 'ab', mime: 'image/png', bytes: 3, width: 1, height: 1, ...overrides };
}

/** Queued, due at once, never attempted. */
export function aState(overrides: Partial<JobState> = {}): JobState {
  return {
    status: 'queued',
    createdAt: NOON,
    expiresAt: NOON + HOUR,
    runAt: NOON,
    attempts: [],
    estimated: 46_331,
    images: [],
    lateImages: [],
    ...overrides,
  };
}

/** A call that is out. */
export function anAttempt(overrides: Partial<Attempt> = {}): Attempt {
  return {
    id: 'att_1',
    channel: 'gemini',
    model: 'gemini-nano-banana-2.1',
    lane: 'standard',
    state: 'open',
    startedAt: NOON,
    ...overrides,
  };
}

/** A job whose attempt `id` is out. */
export function aRunningJob(id = 'att_1', overrides: JobOverrides = {}): Job {
  const state = {
    status: 'running',
    phase: 'generating',
    startedAt: NOON,
    open: id,
    attempts: [anAttempt({ id })],
  } as const;
  return aJob({ ...overrides, state: { ...state, attempts: [...state.attempts], ...overrides.state } });
}

/** Image `n` at rest; `name` tells two of them apart. */
export function anImage(name = 'mug', n = 0): StoredImage {
  return { n, key: `results/${name}.png`, mime: 'image/png', width: 1024, height: 1024, bytes: 900_000, sha256: name };
}

/** A paid call that brought an image. */
export function imageEnd(overrides: Partial<Extract<AttemptEnd, { type: 'image' }>> = {}): AttemptEnd {
  return { type: 'image', image: anImage(), cost: 36_100, tokens: 1_420, ms: 8_000, ...overrides };
}

/** A paid call that brought none: the model refused, or made nothing. */
export function refusalEnd(code: 'content_blocked' | 'no_image' = 'no_image'): AttemptEnd {
  return { type: 'refused', code, error: anError(code), cost: 2_400, tokens: 320, ms: 3_000, reason: 'IMAGE_OTHER' };
}

type Rejected = Extract<Verdict, { type: 'rejected' }>;

/** An error answer; by default the provider's own trouble, worth another try. */
export function rejectionEnd(verdict: Partial<Rejected> = {}): AttemptEnd {
  const full: Rejected = { type: 'rejected', code: 'upstream_unavailable', retryable: true, http: 500, ...verdict };
  return { type: 'rejected', verdict: full, error: anError(full.code), ms: 400 };
}

/** A 429 of the named scope. */
export function limitEnd(limit: 'minute' | 'day' | 'spend' | 'unknown', retryAfterMs?: number): AttemptEnd {
  const code = limit === 'day' ? 'upstream_quota_exhausted' : 'upstream_rate_limited';
  return rejectionEnd({ code, limit, http: 429, ...(retryAfterMs !== undefined && { retryAfterMs }) });
}

/** A call whose end nobody saw. */
export function doubtEnd(reason = 'the connection was cut'): AttemptEnd {
  return { type: 'in_doubt', reason, ms: 2_000 };
}

/** A call that never left this machine. */
export function unsentEnd(): AttemptEnd {
  return { type: 'unsent', reason: 'connect ECONNREFUSED', ms: 1 };
}

export function anError(code: JobError['code'] = 'upstream_unavailable'): JobError {
  return { code, detail: `What ${code} means to a caller.` };
}
