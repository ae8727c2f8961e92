import { AppError, isJobId, isTerminal, type Job, shortDigest, thumbnailKey } from '@darkroom/shared/domain';
import { describeError } from '@darkroom/shared/observability';
import {
  assertBounded,
  ListJobsQuery,
  parse,
  RESERVED_FIELDS,
  SubmitJobBody,
  withFirstModel,
} from '@darkroom/shared/schemas';
import {
  cancelJob,
  expandTemplate,
  getJob,
  LINK_MS,
  listJobs,
  presentJob,
  type QueuePlace,
  queuePlace,
  retryJob,
  type Submitted,
  submitJob,
  waitForJob,
} from '@darkroom/shared/usecases';
import { type Request, type Response, Router } from 'express';
import type { ApiDeps } from '../deps.ts';
import { requireAccepting } from '../http/accepting.ts';
import { callerOf } from '../http/authenticate.ts';
import { idempotencyKeyOf, jsonBody, preferredWaitMs } from '../http/body.ts';
import { dropBody } from '../http/body-budget.ts';
import { isSeen, waitOf } from '../http/conditional.ts';
import { sendJson } from '../http/send-json.ts';
import { boundedKey, limitSubmissions } from '../http/submission-limit.ts';
import { streamJobEvents } from './job-events.ts';

/** Seconds after which an open job is worth another look. */
const LOOK_AGAIN = '2';

export function jobsRouter(deps: ApiDeps): Router {
  const router = Router();
  const body = jsonBody(deps.bodyLimitMb);
  router.post('/', ...body, async (req, res) => respond(deps, req, res, await submit(deps, req, res)));
  router.put('/:id', ...body);
  router.put('/:id', async (req, res) => respond(deps, req, res, await submit(deps, req, res, ownId(req))));
  router.get('/', async (req, res) => list(deps, req, res));
  router.get('/:id', async (req, res) => get(deps, req, res));
  router.get('/:id/events', async (req, res) => streamJobEvents(deps, req, res));
  router.post('/:id/cancel', async (req, res) => {
    const { tenant } = callerOf(res, 'jobs:write');
    res.json(await presentJob(deps, await cancelJob(deps, tenant, req.params.id)));
  });
  router.post('/:id/retry', async (req, res) => retry(deps, req, res));
  router.get('/:id/images', async (req, res) => {
    const view = await presentJob(deps, await jobOf(deps, req, res));
    res.json({ data: [...view.images, ...(view.late_images ?? [])] });
  });
  router.get('/:id/images/:n', async (req, res) => image(deps, req, res, ({ key }) => key));
  router.get('/:id/images/:n/thumbnail', async (req, res) => image(deps, req, res, ({ key }) => thumbnailKey(key)));
  return router;
}

async function submit(deps: ApiDeps, req: Request, res: Response, own?: string): Promise<Submitted> {
  const caller = callerOf(res, 'jobs:write');
  await limitSubmissions(deps, res, caller);
  const { tenant } = caller;
  const asked = req.body as Record<string, unknown>;
  refuseReserved(asked);
  requireAccepting(deps);
  const body = await expandTemplate(deps.templates, tenant, asked);
  const key = hashedKeyOf(req);
  return submitJob(deps, {
    tenant,
    body: parse(SubmitJobBody, withFirstModel(body)),
    ...(body !== asked && { asked }),
    ...(key && { idempotencyKey: key }),
    ...(own && { ownId: own }),
    ...boundedKey(deps, caller),
  });
}

function hashedKeyOf(req: Request): string | undefined {
  const key = idempotencyKeyOf(req);
  return key && shortDigest(key);
}

/** 202 for work to come, 200 for a job that has ended (a shared result, a replay, or `Prefer: wait`). */
async function respond(deps: ApiDeps, req: Request, res: Response, submitted: Submitted): Promise<void> {
  const waitMs = preferredWaitMs(req);
  if (waitMs > 0) dropBody(req, res);
  const { job, view, waited } = await awaited(deps, res, submitted.job, waitMs);
  const over = isTerminal(job.state.status);
  res.locals['jobId'] = job.id;
  res.set('location', `/v1/jobs/${encodeURIComponent(job.id)}`);
  res.set('x-dedup', submitted.dedup);
  if (submitted.cache) res.set('x-cache', submitted.cache);
  if (submitted.replayed) res.set('idempotent-replayed', 'true');
  if (waited) res.set('preference-applied', `wait=${waitMs / 1_000}`);
  if (!over) res.set('retry-after', LOOK_AGAIN);
  if (!over) res.on('finish', () => deps.crash('admission.answered'));
  sendJson(res, over ? 200 : 202, view);
}

/** The job after the wait, or as it was accepted: it is durable, so no outage from here on may hide from the caller where it is. */
async function awaited(deps: ApiDeps, res: Response, accepted: Job, waitMs: number) {
  if (waitMs > 0) {
    try {
      const job = await untilEnd(deps, res, accepted, waitMs);
      return { job, view: await presentJob(deps, job), waited: true };
    } catch (error) {
      deps.log.warn({ requestId: res.locals['requestId'], ...describeError(error) }, 'http.wait_failed');
    }
  }
  return { job: accepted, view: await presentJob(deps, accepted), waited: false };
}

async function get(deps: ApiDeps, req: Request<{ id: string }>, res: Response): Promise<void> {
  const found = await jobOf(deps, req, res);
  const waitMs = waitOf(req);
  const seen = req.get('if-none-match');
  // Whoever names a version waits for the next one; whoever names none waits for the end.
  const job = waitMs > 0 ? await untilEnd(deps, res, found, waitMs, seen) : found;
  res.set('etag', etagOf(job));
  if (!isTerminal(job.state.status)) res.set('retry-after', LOOK_AGAIN);
  if (isSeen(seen, etagOf(job))) {
    res.status(304).end();
    return;
  }
  // Links inside are signed anew each time; nobody may serve them from a cache for longer than they live.
  res.set('cache-control', `private, max-age=0, stale-if-error=${LINK_MS / 2_000}`);
  res.json(await presentJob(deps, job, await placeOf(deps, job)));
}

function placeOf(deps: ApiDeps, job: Job): Promise<QueuePlace | undefined> {
  const channels = { specs: deps.channels.channels };
  return queuePlace({ ...deps, channels, random: Math.random }, job);
}

function untilEnd(deps: ApiDeps, res: Response, job: Job, timeoutMs: number, seen?: string): Promise<Job> {
  const gone = new AbortController();
  res.on('close', () => gone.abort());
  return waitForJob({
    changes: deps.changes,
    tenant: job.tenant,
    id: job.id,
    read: () => getJob(deps, job.tenant, job.id),
    done: (now) => isTerminal(now.state.status) || (seen !== undefined && !isSeen(seen, etagOf(now))),
    timeoutMs,
    signal: AbortSignal.any([gone.signal, deps.draining]),
  });
}

async function list(deps: ApiDeps, req: Request, res: Response): Promise<void> {
  const { tenant } = callerOf(res, 'jobs:read');
  assertBounded(req.query);
  const page = await listJobs(deps.ledger, tenant, parse(ListJobsQuery, req.query));
  const data = await Promise.all(page.jobs.map((job) => presentJob(deps, job)));
  if (page.nextCursor) {
    const query = new URLSearchParams({ ...(req.query as Record<string, string>), after: page.nextCursor });
    res.set('link', `</v1/jobs?${query.toString()}>; rel="next"`);
  }
  res.json({ data, has_more: page.nextCursor !== undefined, ...(page.nextCursor && { next_cursor: page.nextCursor }) });
}

/** A held job goes on as itself; an ended one never changes, so it is made again as a new job. */
async function retry(deps: ApiDeps, req: Request<{ id: string }>, res: Response): Promise<void> {
  const caller = callerOf(res, 'jobs:write');
  await limitSubmissions(deps, res, caller);
  const { tenant } = caller;
  requireAccepting(deps);
  const idempotencyKey = hashedKeyOf(req);
  const again = { ...(idempotencyKey && { idempotencyKey }), ...boundedKey(deps, caller) };
  await respond(deps, req, res, await retryJob(deps, tenant, req.params.id, again));
}

async function image(
  deps: ApiDeps,
  req: Request<{ id: string; n: string }>,
  res: Response,
  keyOf: (image: Job['state']['images'][number]) => string,
): Promise<void> {
  const { state } = await jobOf(deps, req, res);
  const found = [...state.images, ...state.lateImages].find(({ n }) => String(n) === req.params.n);
  if (!found) {
    const open = !isTerminal(state.status);
    throw new AppError('not_found', {
      message: open ? 'The image is not there yet.' : 'The job has no such image.',
      param: 'n',
      fix: open
        ? 'GET /v1/jobs/{id}?wait=60 waits for it; then ask again.'
        : 'GET /v1/jobs/{id}/images lists those there are.',
      ...(open && { retryable: true, retryAfterMs: 2_000 }),
    });
  }
  const key = keyOf(found);
  if (key !== found.key && !(await deps.store.head(key))) {
    throw new AppError('not_found', {
      message: 'The thumbnail is not there yet.',
      fix: 'Wait as long as Retry-After says, then ask again.',
      retryable: true,
      retryAfterMs: 2_000,
    });
  }
  res.set('cache-control', 'private, no-store');
  res.redirect(302, await deps.store.signedUrl(key, { expiresAt: deps.clock.now() + LINK_MS }));
}

async function jobOf(deps: ApiDeps, req: Request<{ id: string }>, res: Response): Promise<Job> {
  const { tenant } = callerOf(res, 'jobs:read');
  const job = await getJob(deps, tenant, req.params.id);
  // Only now: what is no job's id may be anything, and does not belong in a log.
  res.locals['jobId'] = job.id;
  return job;
}

function etagOf(job: Job): string {
  return `W/"${job.version}"`;
}

/** `.` and `..` are ids that no client could ever ask for: each of them takes those for steps of the path. */
function ownId(req: Request<{ id: string }>): string {
  const { id } = req.params;
  if (isJobId(id) && !id.startsWith('job_') && !/^\.{1,2}$/.test(id)) return id;
  throw new AppError('invalid_request', {
    message: 'id must be 1 to 128 of A-Z a-z 0-9 _ . : - and must not be "." or ".." or start with "job_".',
    param: 'id',
    fix: 'Choose another id, such as order-123.',
  });
}

function refuseReserved(body: Record<string, unknown>): void {
  const field = RESERVED_FIELDS.find((name) => name in body);
  if (!field) return;
  throw new AppError('invalid_request', {
    message: `${field} is not available yet.`,
    param: field,
    fix: `Leave ${field} out.`,
  });
}
