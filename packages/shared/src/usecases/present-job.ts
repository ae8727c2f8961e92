/** The job as its caller sees it. */

import {
  type Attempt,
  costOf,
  formatMicros,
  imageId,
  isTerminal,
  type Job,
  type JobError,
  type JobState,
  laneOf,
  type Reference,
  type StoredImage,
} from '../domain/index.ts';
import type { Clock, ObjectStore } from '../ports/index.ts';
import { ERROR_FACTS, FIXES, type ImageView, type JobView } from '../schemas/index.ts';
import { presentOwn } from './present-endpoint.ts';
import type { QueuePlace } from './queue-place.ts';

/** Links in a view stay good for this long. */
export const LINK_MS = 15 * 60_000;

export type PresentDeps = {
  store: ObjectStore;
  clock: Clock;
  /** How long links stay good; as long as in a view by default. */
  linkMs?: number;
};

/** @param place where it stands while it is queued, when known */
export async function presentJob(deps: PresentDeps, job: Job, place?: QueuePlace): Promise<JobView> {
  const { state, request } = job;
  const self = `/v1/jobs/${encodeURIComponent(job.id)}`;
  const { actual, inDoubt } = costOf(state);
  const images = state.images.length ? await presentImages(deps, job, state.images) : [];
  const late = state.lateImages.length ? await presentImages(deps, job, state.lateImages) : [];
  return {
    id: job.id,
    status: state.status,
    ...presentPhase(state, place),
    lane: laneOf(job),
    ...(state.route && { route: state.route.reason }),
    model: request.model,
    prompt: request.prompt,
    ...(request.template && { template: request.template }),
    size: request.size,
    ...(request.aspectRatio && { aspect_ratio: request.aspectRatio }),
    ...(request.routing && { routing: request.routing }),
    created_at: iso(state.createdAt),
    ...(state.startedAt !== undefined && { started_at: iso(state.startedAt) }),
    ...(state.completedAt !== undefined && { completed_at: iso(state.completedAt) }),
    expires_at: iso(state.expiresAt),
    ...presentQueue(state, deps.clock.now(), place),
    cost: {
      currency: 'USD',
      estimated: formatMicros(state.estimated),
      reserved: formatMicros(isTerminal(state.status) && !state.open ? 0 : state.estimated),
      actual: formatMicros(actual),
      in_doubt: formatMicros(inDoubt),
    },
    attempts: state.attempts.map(presentAttempt),
    ...(request.references.length && { references: await presentReferences(deps, request.references) }),
    images,
    ...(late.length && { late_images: late }),
    ...(state.text && { text: state.text }),
    ...(state.grounding !== undefined && { grounding: state.grounding }),
    ...(state.leader && { deduplicated_of: state.leader }),
    ...(request.batch && { batch: request.batch.id, key: request.batch.key }),
    tags: request.tags,
    metadata: request.metadata,
    ...presentOwn(request.webhook),
    ...(state.warnings && { warnings: state.warnings }),
    ...(state.error && { error: presentError(state, state.error) }),
    urls: { self, events: `${self}/events`, cancel: `${self}/cancel`, images: `${self}/images` },
  };
}

async function presentImages(deps: PresentDeps, job: Job, images: StoredImage[]): Promise<ImageView[]> {
  const { store, clock, linkMs = LINK_MS } = deps;
  const expiresAt = clock.now() + linkMs;
  return Promise.all(
    images.map(async (image) => ({
      id: imageId(job.id, image.n),
      url: await store.signedUrl(image.key, { expiresAt }),
      mime: image.mime,
      width: image.width,
      height: image.height,
      bytes: image.bytes,
      sha256: image.sha256,
      thumbnail_url: `/v1/jobs/${encodeURIComponent(job.id)}/images/${image.n}/thumbnail`,
      ...(image.model && { model: image.model }),
      ...(image.placeholder && { placeholder: image.placeholder }),
    })),
  );
}

async function presentReferences({ store, clock, linkMs = LINK_MS }: PresentDeps, references: Reference[]) {
  const expiresAt = clock.now() + linkMs;
  return Promise.all(
    references.map(async ({ key, sha256, mime, name, role }) => ({
      sha256,
      mime,
      url: await store.signedUrl(key, { expiresAt }),
      ...(name && { name }),
      ...(role && { role }),
    })),
  );
}

/** What is seen of its line now is newer than what was noted when the head of it was looked at. */
function presentPhase({ phase: noted }: JobState, place: QueuePlace | undefined): Pick<JobView, 'phase'> {
  const phase = place?.phase ?? noted;
  return phase ? { phase } : {};
}

/** Nothing, rather than an empty part, when nothing is known. */
function presentQueue(state: JobState, now: number, place: QueuePlace = {}): Pick<JobView, 'queue'> {
  const { status, runAt, expiresAt } = state;
  // Who is due later is not made before; of who is refused by a limit it is known for longer.
  const likely = runAt > now ? Math.max(runAt, place.at ?? 0) : place.at;
  // Beyond its deadline there is nothing to expect.
  const at = likely !== undefined && likely <= expiresAt ? likely : undefined;
  const { ahead } = place;
  if (status !== 'queued' || (ahead === undefined && at === undefined)) return {};
  return { queue: { ...(ahead !== undefined && { position: ahead }), ...(at !== undefined && { eta: iso(at) }) } };
}

function presentAttempt(attempt: Attempt): JobView['attempts'][number] {
  return {
    channel: attempt.channel,
    model: attempt.model,
    lane: attempt.lane,
    state: attempt.state,
    started_at: iso(attempt.startedAt),
    ...(attempt.ms !== undefined && { ms: attempt.ms }),
    ...(attempt.tokens !== undefined && { tokens: attempt.tokens }),
    ...(attempt.cost !== undefined && { cost: formatMicros(attempt.cost) }),
    ...(attempt.error && { error: attempt.error }),
    ...(attempt.reason && { reason: attempt.reason }),
    ...(attempt.hedge && { hedge: attempt.hedge }),
  };
}

function presentError(state: JobState, error: JobError): NonNullable<JobView['error']> {
  const { upstream } = error;
  const fix = FIXES[error.code];
  return {
    code: error.code,
    category: ERROR_FACTS[error.code].category,
    detail: error.detail,
    retryable: state.status === 'failed' || state.status === 'expired' || state.phase === 'held',
    ...(fix && { fix }),
    ...(state.status === 'expired' && { started: state.attempts.length > 0 }),
    ...(upstream && {
      upstream: {
        channel: upstream.channel,
        ...(upstream.http !== undefined && { http: upstream.http }),
        ...(upstream.finishReason && { finish_reason: upstream.finishReason }),
        ...(upstream.blockReason && { block_reason: upstream.blockReason }),
        ...(upstream.quotaId && { quota_id: upstream.quotaId }),
        ...(upstream.message && { message: upstream.message }),
      },
    }),
  };
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
