import {
  AppError,
  estimateCost,
  fingerprint,
  isGeneratedJobId,
  type Job,
  type JobRequest,
  type JobState,
  laneOf,
  type Micros,
  promptDigest,
  type Reference,
  shortDigest,
  type Tenant,
  unreachable,
} from '../domain/index.ts';
import { type SpanFacts, tellSpan, traceparent, withSpan } from '../observability/trace.ts';
import type { Clock, Latency, Ledger, ObjectStore, Quotes } from '../ports/index.ts';
import type { SubmitJobBody } from '../schemas/index.ts';
import { admitAsTrue } from './admission.ts';
import { readArchive } from './archive.ts';
import { checkWebhookUrl, type UrlCheck } from './check-webhook.ts';
import { findJob } from './get-job.ts';
import { idleModels, wantedOf } from './offers.ts';
import type { Outbox } from './outbox.ts';
import { capOf } from './quote-jobs.ts';
import { checkCapabilities, toRequest } from './resolve-request.ts';
import { type Offering, resolveRouting } from './resolve-routing.ts';
import { routeJob } from './route-job.ts';

export type SubmitDeps = {
  ledger: Ledger;
  store: ObjectStore;
  outbox: Outbox;
  quotes: Quotes;
  latency: Latency;
  /** The channels, as far as a submission is concerned. */
  channels: Offering;
  clock: Clock;
  newJobId: () => string;
  /** Turns the body's references into images at rest. */
  resolveReferences: (tenant: Tenant, references: SubmitJobBody['references']) => Promise<Reference[]>;
  /** Looks at the address of its own webhook. */
  checkUrl: UrlCheck;
  /** How long a job without a deadline may take. */
  deadlineMs: number;
};

/** What it takes to make a job again. */
export type RetryDeps = Pick<SubmitDeps, 'ledger' | 'store' | 'outbox' | 'clock' | 'newJobId' | 'deadlineMs'>;

export type Submit = {
  tenant: Tenant;
  body: SubmitJobBody;
  /** As it was sent, when a template has been filled in since: sent again, it must be known again. */
  asked?: unknown;
  idempotencyKey?: string;
  /** The id of `PUT /v1/jobs/{id}`. */
  ownId?: string;
  /** Id of the key it came with, where that has bounds of its own: its jobs stand in line by themselves. */
  key?: string;
};

export type Submitted = {
  job: Job;
  /** Seen before: the first answer again. */
  replayed: boolean;
  dedup: 'miss' | 'joined';
  cache?: 'hit';
};

const DEADLINE_MAX_MS = 30 * 86_400_000;

/**
 * Accepts a job, once.
 *
 * When this resolves the record is durable. Everything that can be known to fail is refused before anything is
 * stored; the message to the workers follows by itself.
 */
export function submitJob(deps: SubmitDeps, submit: Submit): Promise<Submitted> {
  return withSpan('job.admit', { facts: { 'darkroom.tenant': submit.tenant } }, async () => {
    const submitted = await submitOnce(deps, submit);
    tellSpan(factsOf(submitted));
    return submitted;
  });
}

function factsOf({ job, replayed, dedup, cache }: Submitted): SpanFacts {
  return {
    'darkroom.job.id': job.id,
    'darkroom.model': job.request.model,
    'darkroom.lane': laneOf(job),
    'darkroom.replayed': replayed || undefined,
    'darkroom.dedup': dedup,
    'darkroom.cache': cache,
  };
}

async function submitOnce(deps: SubmitDeps, submit: Submit): Promise<Submitted> {
  const { body } = submit;
  // Hashed once for both: the body it came in, and the work that it is.
  const prompt = promptDigest(body.prompt);
  // Only a key or an id that may come again needs to know its body again.
  const bodyHash = submit.idempotencyKey || submit.ownId ? shortDigest(submit.asked ?? { ...body, prompt }) : '-';
  // Before references are fetched again: they may be gone by now. And Redis before the archive: a document is written
  // before its record goes, so in this order no job of the caller's own id is between the two.
  const early = body.references.length > 0 || submit.ownId !== undefined;
  const seen = early ? await recall(deps, submit, bodyHash) : undefined;
  const known = seen ?? (await recallArchived(deps, submit, bodyHash));
  if (known) return known;
  const job = await prepare(deps, submit, prompt).catch(async (error: unknown) => {
    // What is refused now may have been accepted before: deadlines pass, models retire, prices rise.
    const earlier = await recall(deps, submit, bodyHash);
    if (earlier) return earlier;
    throw error;
  });
  return 'replayed' in job ? job : admit(deps, job, bodyHash, submit.idempotencyKey);
}

async function prepare(deps: SubmitDeps, submit: Submit, prompt: string): Promise<Job> {
  const { tenant, body } = submit;
  const { model, warnings } = checkCapabilities(body);
  const routing = resolveRouting(body, model, deps.channels);
  if (body.webhook) await checkWebhookUrl(deps.checkUrl, body.webhook.url, 'webhook.url');
  const references = body.references.length ? await deps.resolveReferences(tenant, body.references) : [];
  const maxCost = body.quote === undefined ? body.max_cost : await quotedCost(deps, tenant, body);
  const wanted = wantedOf(body, { model, routing, references });
  const asked = { model, wanted, maxCost, now: deps.clock.now() };
  const { lane, reason, estimated } = await routeJob(deps, body, asked);
  const request = {
    ...toRequest(body, { model, lane, maxCost, references, routing }),
    ...(submit.key && { key: submit.key }),
  };
  warnings.push(...idleModels(wanted, deps.channels.channels));
  return newJob(deps, submit, { request, estimated, warnings, prompt, ...(reason && { route: { lane, reason } }) });
}

/** The lower of what the quote and the caller allow. */
async function quotedCost(
  { quotes }: SubmitDeps,
  tenant: Tenant,
  { quote = '', max_cost }: SubmitJobBody,
): Promise<Micros> {
  return Math.min(await capOf(quotes, tenant, quote, 1), max_cost ?? Number.POSITIVE_INFINITY);
}

/** `idempotencyKey`: asked for again under it, it is the same new job. `key`: of who asks, where that has bounds of its own. */
export type Again = Pick<Submit, 'idempotencyKey' | 'key'>;

/**
 * Makes a finished job's image once more: a new job with the same request, since an ended one never changes. It stands in
 * line with the jobs of a bounded key that asks for it; of another one, with those it stood with at first.
 */
export async function submitAgain(
  deps: RetryDeps,
  ended: Job,
  { idempotencyKey, key }: Again = {},
): Promise<Submitted> {
  const { tenant, state } = ended;
  const request = key ? { ...ended.request, key } : ended.request;
  const estimated = estimateCost(request, request.lane);
  const facts = { request, estimated, warnings: state.warnings ?? [], prompt: promptDigest(request.prompt) };
  const job = newJob(deps, { tenant, body: { deadline: undefined } }, facts);
  return admit(deps, job, idempotencyKey ? shortDigest({ retry: ended.id }) : '-', idempotencyKey);
}

/** What an earlier submission under the same key or id became. */
export async function recall(
  deps: RetryDeps,
  submit: Pick<Submit, 'tenant' | 'idempotencyKey' | 'ownId'>,
  bodyHash: string,
): Promise<Submitted | undefined> {
  const { tenant, idempotencyKey, ownId } = submit;
  const byKey = idempotencyKey ? await deps.ledger.recall(tenant, idempotencyKey) : undefined;
  if (byKey) return replay(deps, tenant, byKey.id, byKey.bodyHash === bodyHash);
  const byId = ownId ? await deps.ledger.bodyHash(tenant, ownId) : undefined;
  return ownId && byId ? replay(deps, tenant, ownId, byId === bodyHash) : undefined;
}

/** Redis forgets a finished job after its tail; under a caller's own id that must not mean a second paid call. */
async function recallArchived(deps: SubmitDeps, submit: Submit, bodyHash: string): Promise<Submitted | undefined> {
  const { tenant, ownId } = submit;
  const archived = ownId ? await readArchive(deps.store, tenant, ownId) : undefined;
  return archived && ownId ? replay(deps, tenant, ownId, archived.bodyHash === bodyHash) : undefined;
}

async function replay(deps: RetryDeps, tenant: Tenant, id: string, sameBody: boolean): Promise<Submitted> {
  const job = sameBody ? await findJob(deps, tenant, id) : undefined;
  if (job) return { job, replayed: true, ...sharingOf(job) };
  throw new AppError('idempotency_key_reused', {
    message: 'This Idempotency-Key (or job id) was used before with another body.',
    param: isGeneratedJobId(id) ? 'Idempotency-Key' : 'id',
    fix: 'Send the first body again, or choose a new key.',
  });
}

/** What a replay says of the job's work: as at first, except that a follower whose leader gave up works for itself now. */
function sharingOf({ state }: Job): Pick<Submitted, 'dedup' | 'cache'> {
  if (state.source === 'cache') return { dedup: 'miss', cache: 'hit' };
  return { dedup: state.leader ? 'joined' : 'miss' };
}

/** What is known of a job before it has an id. */
type Facts = {
  request: JobRequest;
  estimated: Micros;
  warnings: string[];
  /** Its digest. */
  prompt: string;
  route?: NonNullable<JobState['route']>;
};

function newJob(
  deps: RetryDeps,
  { tenant, ownId, body }: Pick<Submit, 'tenant' | 'ownId'> & { body: Pick<SubmitJobBody, 'deadline'> },
  { request, estimated, warnings, prompt, route }: Facts,
): Job {
  const now = deps.clock.now();
  const expiresAt = body.deadline ?? now + deps.deadlineMs;
  if (expiresAt <= now || expiresAt > now + DEADLINE_MAX_MS) {
    throw new AppError('invalid_request', {
      message: 'deadline must lie in the future, at most 30 days ahead.',
      param: 'deadline',
      fix: 'Send a later time, with its time zone.',
    });
  }
  const trace = traceparent();
  const state: JobState = {
    status: 'queued',
    ...((route?.lane ?? request.lane) === 'batch' && { phase: 'accumulating' }),
    createdAt: now,
    expiresAt,
    runAt: now,
    attempts: [],
    estimated,
    ...(route && { route }),
    images: [],
    lateImages: [],
    ...(warnings.length && { warnings }),
    ...(trace && { trace }),
  };
  const id = ownId ?? deps.newJobId();
  return { id, tenant, version: 1, fingerprint: fingerprint(request, prompt), request, state };
}

/** Admits the job as its own, as a follower or with a shared result, whichever is true at the moment of writing. */
async function admit(deps: RetryDeps, fresh: Job, bodyHash: string, idempotencyKey?: string): Promise<Submitted> {
  const { plan, admission } = await admitAsTrue(deps, fresh, ({ job, mode }) =>
    deps.ledger.admit({ job, bodyHash, mode, ...(idempotencyKey && { idempotencyKey }) }),
  );
  const { job, how } = plan;
  switch (admission.type) {
    case 'created':
      if (job.state.status === 'queued' && !job.state.leader) deps.outbox.push(job);
      return { job, replayed: false, ...how };
    case 'replayed':
      return replay(deps, job.tenant, admission.id, true);
    case 'reused':
      return replay(deps, job.tenant, admission.id, false);
    case 'full':
      throw new AppError('queue_full', {
        message: 'Too many of your jobs wait already.',
        retryable: true,
        retryAfterMs: 30_000,
      });
    default:
      return unreachable(admission);
  }
}
